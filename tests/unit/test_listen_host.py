"""LISTEN_HOST: an IP address on which the web process listens."""

import pytest

from jobs.config.settings import load
from jobs.errors import InvalidSettings
from tests.harness.required_settings import REQUIRED


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1", "192.168.1.5"])  # noqa: S104
def test_an_address_is_taken(host: str) -> None:
    assert load({**REQUIRED, "LISTEN_HOST": host}).listen_host == host


@pytest.mark.parametrize("host", ["localhost", "example.com", "127.1", "0.0.0.0:8000", "[::1]"])
def test_everything_else_stops_the_start(host: str) -> None:
    with pytest.raises(InvalidSettings, match=r"^LISTEN_HOST: must be an IP address"):
        load({**REQUIRED, "LISTEN_HOST": host})
