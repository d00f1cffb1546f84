"""API keys, kept and compared as hashes."""

import hmac
from collections.abc import Iterable

from jobs.config.api_keys import ApiKey, digest
from jobs.errors import Unauthorized


class Keyring:
    """The keys of this installation, as hashes."""

    def __init__(self, keys: Iterable[ApiKey]) -> None:
        self._keys = [(key.digest, key) for key in keys]

    def holds(self, key: str) -> bool:
        given = digest(key)
        return sum(hmac.compare_digest(given, known) for known, _ in self._keys) > 0

    def entry_of(self, key: str) -> ApiKey:
        """Whose key it is and what it may do. Raises Unauthorized when nobody holds it."""
        given = digest(key)
        found = [entry for known, entry in self._keys if hmac.compare_digest(given, known)]
        if not (key and found):
            raise Unauthorized
        return found[0]
