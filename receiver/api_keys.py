"""Keyring: the API keys of this installation, compared as hashes in constant time."""

import hmac
from collections.abc import Iterable

from jobs.config.api_keys import ApiKey, digest
from jobs.errors import Unauthorized


class Keyring:
    """All API keys with their digests."""

    def __init__(self, keys: Iterable[ApiKey]) -> None:
        self._keys = [(key.digest, key) for key in keys]

    def contains(self, key: str) -> bool:
        return bool(self._matches(key))

    def find(self, key: str) -> ApiKey:
        """The API key with its name and scope. Raises Unauthorized for an unknown or empty one."""
        matches = self._matches(key)
        if not (key and matches):
            raise Unauthorized
        return matches[0]

    def _matches(self, key: str) -> list[ApiKey]:
        """Compare with every key, so that the time taken does not reveal which one matched."""
        presented = digest(key)
        return [api_key for known, api_key in self._keys if hmac.compare_digest(presented, known)]
