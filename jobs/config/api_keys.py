"""API key: name, scope, and a hash to compare it with."""

import hashlib
import hmac
import re
from collections.abc import Iterable
from typing import Literal, NamedTuple, Self, get_args

from pydantic import SecretStr

from jobs.domain.budgets import Budget
from jobs.domain.errors import Forbidden

Scope = Literal["read", "submit", "admin"]
# Each scope includes the ones before it.
SCOPES: tuple[Scope, ...] = get_args(Scope)

# Options behind the scope.
OWN = "own"
BUDGET = "budget="
_HASHED = "sha256$"
_DIGEST = re.compile(r"[0-9a-f]{64}")


class ApiKey(NamedTuple):
    """`key` is the key itself, or `sha256$` and its SHA-256 in hex.

    With `own` it reaches only the jobs that keys of its name brought. Its budgets bind all keys of
    its name.
    """

    name: str
    key: SecretStr
    scope: Scope
    own: bool = False
    budgets: tuple[Budget, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `name:key:scope:…` from the right: a key may hold colons. Raises ValueError."""
        name, _, rest = text.partition(":")
        rest, _, last = rest.rpartition(":")
        options: list[str] = []
        while (last == OWN and OWN not in options) or last.startswith(BUDGET):
            options.insert(0, last)
            rest, _, last = rest.rpartition(":")
        key, scope = rest, last
        budgets = [Budget.parse(one.removeprefix(BUDGET)) for one in options if one != OWN]
        if not (name and key) or scope not in SCOPES:
            raise ValueError("each key is name:key:scope, with scope read, submit or admin")
        if key.startswith(_HASHED) and not _DIGEST.fullmatch(key.removeprefix(_HASHED)):
            raise ValueError("sha256$ is followed by 64 digits of lower-case hex")
        return cls(name, SecretStr(key), scope, OWN in options, tuple(budgets))

    @classmethod
    def hashed(
        cls, name: str, key: str, scope: Scope, *, own: bool = False, budgets: Iterable[Budget] = ()
    ) -> Self:
        return cls(name, SecretStr(_HASHED + digest(key).hex()), scope, own, tuple(budgets))

    def has_scope(self, scope: Scope) -> bool:
        return SCOPES.index(self.scope) >= SCOPES.index(scope)

    def require_scope(self, scope: Scope) -> None:
        """Raises Forbidden."""
        if not self.has_scope(scope):
            raise Forbidden(f"This needs a key with scope {scope}.")

    @property
    def digest(self) -> bytes:
        """SHA-256 of the key, to compare with that of a presented key."""
        key = self.key.get_secret_value()
        is_hashed = key.startswith(_HASHED)
        return bytes.fromhex(key.removeprefix(_HASHED)) if is_hashed else digest(key)

    @property
    def setting(self) -> str:
        """The key as an item of API_KEYS."""
        options = [*([OWN] if self.own else []), *(f"{BUDGET}{one}" for one in self.budgets)]
        return ":".join([self.name, self.key.get_secret_value(), self.scope, *options])


def digest(key: str) -> bytes:
    """Hash a key. It is long and random, so that salt and stretching would add nothing."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def find(keys: Iterable[ApiKey], presented: str) -> ApiKey | None:
    """The API key that was presented, compared with every one in constant time."""
    given = digest(presented)
    found = [key for key in keys if hmac.compare_digest(given, key.digest)]
    return found[0] if presented and found else None
