"""API keys, kept and compared as hashes."""

import hashlib
import hmac
from collections.abc import Iterable

from jobs.errors import Unauthorized
from jobs.settings import ApiKey, Scope

# Each scope includes the ones before it.
SCOPES: tuple[Scope, ...] = ("read", "submit", "admin")


class Keyring:
    """The keys of this installation, as hashes."""

    def __init__(self, keys: Iterable[ApiKey]) -> None:
        self._scopes = [(_digest(key.key.get_secret_value()), key.scope) for key in keys]

    def holds(self, key: str) -> bool:
        given = _digest(key)
        return sum(hmac.compare_digest(given, digest) for digest, _ in self._scopes) > 0

    def scope_of(self, key: str) -> Scope:
        """Raises Unauthorized when nobody holds this key."""
        given = _digest(key)
        found = [scope for digest, scope in self._scopes if hmac.compare_digest(given, digest)]
        if not (key and found):
            raise Unauthorized
        return found[0]


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
