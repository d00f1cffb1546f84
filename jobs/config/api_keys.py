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
OWN_OPTION = "own"
BUDGET_OPTION = "budget="
_HASHED = "sha256$"
_DIGEST = re.compile(r"[0-9a-f]{64}")


class ApiKey(NamedTuple):
    """`key` is the key itself, or `sha256$` and its SHA-256 in hex.

    Its budgets bind all keys of its name.
    """

    name: str
    key: SecretStr
    scope: Scope
    sees_own_jobs_only: bool = False  # the jobs that keys of its name brought
    budgets: tuple[Budget, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `name:key:scope:…` from the right: a key may hold colons. Raises ValueError."""
        name, _, key_scope_and_options = text.partition(":")
        key_and_scope, options = _split_off_options(key_scope_and_options)
        key, _, scope = key_and_scope.rpartition(":")
        budgets: list[Budget] = []
        for option in options:
            if option != OWN_OPTION:
                budgets.append(Budget.parse(option.removeprefix(BUDGET_OPTION)))
        if not name or not key or scope not in SCOPES:
            raise ValueError("each key is name:key:scope, with scope read, submit or admin")
        if key.startswith(_HASHED) and not _DIGEST.fullmatch(key.removeprefix(_HASHED)):
            raise ValueError("sha256$ is followed by 64 digits of lower-case hex")
        return cls(name, SecretStr(key), scope, OWN_OPTION in options, tuple(budgets))

    @classmethod
    def hashed(
        cls,
        name: str,
        key: str,
        scope: Scope,
        *,
        sees_own_jobs_only: bool = False,
        budgets: Iterable[Budget] = (),
    ) -> Self:
        """An API key of which only the hash is known."""
        hashed_key = _HASHED + digest(key).hex()
        return cls(name, SecretStr(hashed_key), scope, sees_own_jobs_only, tuple(budgets))

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
        if key.startswith(_HASHED):
            return bytes.fromhex(key.removeprefix(_HASHED))
        return digest(key)

    @property
    def setting(self) -> str:
        """The key as an item of API_KEYS."""
        parts = [self.name, self.key.get_secret_value(), self.scope]
        if self.sees_own_jobs_only:
            parts.append(OWN_OPTION)
        for budget in self.budgets:
            parts.append(f"{BUDGET_OPTION}{budget}")
        return ":".join(parts)


def _split_off_options(text: str) -> tuple[str, list[str]]:
    """Split `key:scope:…` into `key:scope` and the options behind it.

    `own` is an option once only: a second one, further left, is a part of the key.
    """
    options: list[str] = []
    key_and_scope = text
    while True:
        before, _, last = key_and_scope.rpartition(":")
        is_first_own = last == OWN_OPTION and OWN_OPTION not in options
        if not is_first_own and not last.startswith(BUDGET_OPTION):
            return key_and_scope, options
        options.insert(0, last)
        key_and_scope = before


def digest(key: str) -> bytes:
    """Hash a key. It is long and random, so that salt and stretching would add nothing."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def find(keys: Iterable[ApiKey], presented: str) -> ApiKey | None:
    """The API key that was presented, compared with every one in constant time."""
    presented_digest = digest(presented)
    # All keys are compared, so that the time does not tell which one it is.
    matching_keys = [key for key in keys if hmac.compare_digest(presented_digest, key.digest)]
    if not presented or not matching_keys:
        return None
    return matching_keys[0]
