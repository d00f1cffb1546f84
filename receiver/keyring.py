"""API keys, kept and compared as hashes."""

import hmac
from collections.abc import Iterable

from jobs.apikey import ApiKey, Scope, digest
from jobs.errors import Unauthorized


class Keyring:
    """The keys of this installation, as hashes."""

    def __init__(self, keys: Iterable[ApiKey]) -> None:
        self._scopes = [(key.digest, key.scope) for key in keys]

    def holds(self, key: str) -> bool:
        given = digest(key)
        return sum(hmac.compare_digest(given, known) for known, _ in self._scopes) > 0

    def scope_of(self, key: str) -> Scope:
        """Raises Unauthorized when nobody holds this key."""
        given = digest(key)
        found = [scope for known, scope in self._scopes if hmac.compare_digest(given, known)]
        if not (key and found):
            raise Unauthorized
        return found[0]
