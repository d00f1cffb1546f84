"""A key of the HTTP API: who holds it, what it may do, and a hash that tells it from others."""

import hashlib
import re
from typing import Literal, NamedTuple, Self, get_args

from pydantic import SecretStr

Scope = Literal["read", "submit", "admin"]
# Each scope includes the ones before it.
SCOPES: tuple[Scope, ...] = get_args(Scope)

_HASHED = "sha256$"
_DIGEST = re.compile(r"[0-9a-f]{64}")


class ApiKey(NamedTuple):
    """`key` is the key itself, or `sha256$` and its hash in hex: then nobody can read it here."""

    name: str
    key: SecretStr
    scope: Scope

    @classmethod
    def read(cls, text: str) -> Self:
        """`name:key:scope`. Raises ValueError."""
        name, _, rest = text.partition(":")
        key, _, scope = rest.rpartition(":")
        if not (name and key) or scope not in SCOPES:
            raise ValueError("each key is name:key:scope, with scope read, submit or admin")
        if key.startswith(_HASHED) and not _DIGEST.fullmatch(key.removeprefix(_HASHED)):
            raise ValueError("sha256$ is followed by 64 digits of lower-case hex")
        return cls(name, SecretStr(key), scope)

    @classmethod
    def hashed(cls, name: str, key: str, scope: Scope) -> Self:
        return cls(name, SecretStr(_HASHED + digest(key).hex()), scope)

    @property
    def is_hashed(self) -> bool:
        return self.key.get_secret_value().startswith(_HASHED)

    @property
    def digest(self) -> bytes:
        """What a key that is shown to us is compared with, itself hashed."""
        key = self.key.get_secret_value()
        return bytes.fromhex(key.removeprefix(_HASHED)) if self.is_hashed else digest(key)

    @property
    def entry(self) -> str:
        """As API_KEYS has it."""
        return f"{self.name}:{self.key.get_secret_value()}:{self.scope}"


def digest(key: str) -> bytes:
    """No salt and no stretching: keys are long and random, and are compared at each request."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
