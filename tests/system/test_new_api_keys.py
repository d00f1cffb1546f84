"""New API keys, made on the command line."""

import pytest

from tests.harness import CommandLine, Installation


def test_a_new_key_is_shown_once_and_its_entry_opens_the_door(
    stopped_installation: Installation,
) -> None:
    shell = CommandLine(stopped_installation)
    result = shell.run("keys", "new", "--name", "app", "--scope", "read", "--own")
    key, entry = (line.split()[1] for line in result.out.splitlines())
    assert result.code == 0 and len(key) >= 43 and key not in entry
    stopped_installation.settings["API_KEYS"] = entry
    stopped_installation.start("web")
    assert entry.endswith(":read:own")
    assert stopped_installation.client(key).get("/api/jobs").status_code == 200
    assert stopped_installation.client(entry.split(":")[1]).get("/api/jobs").status_code == 401
    assert key not in stopped_installation.logs()


@pytest.mark.parametrize("name", ["", "a:b", "a,b", "a b", "ä"])
def test_a_name_that_would_break_the_list_is_refused(
    stopped_installation: Installation, name: str
) -> None:
    result = CommandLine(stopped_installation).run("keys", "new", "--name", name, "--scope", "read")
    assert result.code == 2 and not result.out
