"""Secrets and keys that could be guessed stop the start, except with a sandbox for BFL."""

import pytest

from jobs.config.settings import SECRET_MIN_CHARS, load
from jobs.errors import InvalidSettings

LONG = "x" * SECRET_MIN_CHARS
SHORT = LONG[1:]
NEEDED = {"WEBHOOK_SECRET": LONG, "SECRET_KEY": LONG, "API_KEYS": f"app:{LONG}:submit"}
TOO_SHORT = [
    *((name, value) for name in ("WEBHOOK_SECRET", "SECRET_KEY") for value in (SHORT, "x")),
    ("WEBHOOK_SECRET", f"{LONG},{SHORT}"),  # a retired secret still opens the door
    ("SECRET_KEY", f"{SHORT},{LONG}"),
    ("API_KEYS", f"app:{SHORT}:read"),
    ("API_KEYS", f"app:{LONG}:read,me:{SHORT}:admin"),
]


@pytest.mark.parametrize(("name", "value"), TOO_SHORT)
def test_a_short_secret_stops_the_start(name: str, value: str) -> None:
    with pytest.raises(InvalidSettings, match=f"^{name}: must have at least 16 characters") as e:
        load({**NEEDED, name: value})
    assert SHORT not in str(e.value)


@pytest.mark.parametrize(("name", "value"), TOO_SHORT)
def test_a_short_secret_is_allowed_with_a_sandbox(name: str, value: str) -> None:
    load({**NEEDED, name: value, "BFL_SANDBOX_URL": "http://127.0.0.1:9100"})


def test_sixteen_characters_are_enough() -> None:
    load(NEEDED)


def test_the_length_of_a_hashed_key_is_not_known() -> None:
    load({**NEEDED, "API_KEYS": f"app:sha256${'0' * 64}:submit"})
