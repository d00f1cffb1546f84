"""`make style` refuses Lua that the server cannot compile."""

from pathlib import Path

import pytest

from tests.harness import lua_syntax

GOOD = "-- Return the value of a key.\nreturn redis.call('GET', KEYS[1])\n"


def test_scripts_that_compile_are_accepted(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store/read.lua").write_text(GOOD)
    assert lua_syntax.errors(tmp_path) == []


@pytest.mark.parametrize(
    "broken",
    [
        "return redis.call('GET', KEYS[1]",
        "if true then return 1",
        "local x = 'open",
        "return return",
        "goto done",  # Lua 5.2, and the server has 5.1
        "local x <const> = 1",  # Lua 5.4
    ],
)
def test_a_syntax_error_names_file_and_line(tmp_path: Path, broken: str) -> None:
    (tmp_path / "good.lua").write_text(GOOD)
    (tmp_path / "broken.lua").write_text(f"-- Broken.\n{broken}\n")
    (line,) = lua_syntax.errors(tmp_path)
    assert line.startswith("broken.lua: ") and ":" in line.removeprefix("broken.lua: ")
