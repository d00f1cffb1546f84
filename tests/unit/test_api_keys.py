"""API keys, configured in plain text or as hashes."""

import hashlib
from pathlib import Path

import pytest

from jobs.config.api_keys import SCOPES, ApiKey, Scope, find
from jobs.config.settings import load
from tests.harness.required_settings import CANARY, REQUIRED, start_error

KEY = "the-app-key-canary-ü"
HASH = f"sha256${hashlib.sha256(KEY.encode()).hexdigest()}"


def found(entries: str, presented: str) -> ApiKey | None:
    return find(load({**REQUIRED, "API_KEYS": entries}).api_keys, presented)


@pytest.mark.parametrize("scope", SCOPES)
def test_a_key_opens_the_same_whether_it_or_its_hash_is_known(scope: Scope) -> None:
    for entry in (f"app:{KEY}:{scope}", f"app:{HASH}:{scope}"):
        known = found(entry, KEY)
        assert known and known.scope == scope
        assert ApiKey.parse(known.setting) == known
    assert KEY not in ApiKey.hashed("app", KEY, scope).setting


def test_options_stand_behind_the_scope_and_a_key_may_hold_colons() -> None:
    own = found(f"app:{KEY}:own:a:read:own", f"{KEY}:own:a")
    assert own and own.sees_own_jobs_only and own.scope == "read"
    assert ApiKey.parse(own.setting) == own
    plain = found(f"app:{KEY}:own:submit", f"{KEY}:own")
    assert plain and not plain.sees_own_jobs_only
    limited = found(f"app:{KEY}:submit:budget=0.5/day:own:budget=500/month", KEY)
    assert (
        limited
        and limited.sees_own_jobs_only
        and [*map(str, limited.budgets)] == ["0.5/day", "500/month"]
    )
    assert ApiKey.parse(limited.setting) == limited
    entries = f"app:{KEY}:submit:own,app:another-key-of-tests:admin,b:a-third-key-of-tests:read"
    known = load({**REQUIRED, "API_KEYS": entries}).api_keys
    assert [key.sees_own_jobs_only for key in known] == [True, True, False], (
        "all keys of a name if one does"
    )
    for wrong in ("", "500", "500/year", "-1/day", "1e3/day", "nan/day", "1/2/day"):
        assert "as in 500/month" in start_error(API_KEYS=f"app:{KEY}:submit:budget={wrong}")
    for wrong in (f"{KEY}:read:own:own", f"{KEY}:own", f"{KEY}:read:mine"):
        assert "name:key:scope" in start_error(API_KEYS=f"app:{wrong}")


@pytest.mark.parametrize("shown", ["", HASH, HASH.removeprefix("sha256$"), KEY + " ", "other"])
def test_a_hash_opens_nothing_by_itself(shown: str) -> None:
    assert found(f"app:{HASH}:admin,b:another-key-of-tests:read", shown) is None


@pytest.mark.parametrize("value", ["", "canary", "00", HASH[7:].upper(), HASH[7:] + "0", "g" * 64])
def test_what_is_no_hash_stops_the_start(value: str) -> None:
    text = start_error(API_KEYS=f"app:sha256${value}:read")
    assert text.startswith("API_KEYS: ") and CANARY not in text
    assert "twice" in start_error(API_KEYS=f"a:{KEY}:read,b:{HASH}:admin"), "a key and its hash"


def test_a_bfl_key_is_that_of_the_api_key_that_its_variable_names(tmp_path: Path) -> None:
    entries = {"API_KEYS": "a-b:first-key-of-tests:read,c:second-key-of-tests:read"}
    (tmp_path / "key").write_text("x-canary\n")
    given = {"BFL_API_KEY_A_B_FILE": str(tmp_path / "key"), "BFL_API_KEY_C": "x-canary"}
    own = load({**REQUIRED, **entries, **given, "BFL_API_KEY": "y"})
    assert own.bfl_accounts == {"a-b": "a-b", "c": "a-b"}  # one key, one account
    assert own.bfl_api_keys["a-b"].get_secret_value() == "x-canary"
    same = load({**REQUIRED, **entries, "BFL_API_KEY_C": "y", "BFL_API_KEY": "y"})
    assert same.bfl_accounts == {"c": None}
    for keys, text in (
        ("d:first-key-of-tests:read", "BFL_API_KEY_C is of no API key"),
        ("c:first-key-of-tests:read,C:second-key-of-tests:read", "could be that of C or c"),
        ("File:first-key-of-tests:read,c:second-key-of-tests:read", "may be named file"),
    ):
        error = start_error(API_KEYS=keys, BFL_API_KEY_C="x-canary")
        assert text in error and CANARY not in error
    error = start_error(API_KEYS="c:first-key-of-tests:read", BFL_API_KEY_C="x\ncanary")
    assert error.startswith("BFL_API_KEY_C: ") and CANARY not in error
