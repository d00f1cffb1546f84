"""`var/run.env` and `.env`: settings of a developer's directory."""

from pathlib import Path

import pytest

from jobs.config.environment import RUN_FILE
from jobs.config.settings import Settings, load
from jobs.errors import InvalidSettings
from tests.harness.required_settings import REQUIRED


@pytest.fixture
def made_by_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, where `make run` left what it made; the environment is empty."""
    monkeypatch.chdir(tmp_path)
    for name in ("ENV_FILE", *(field.upper() for field in Settings.model_fields)):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / RUN_FILE
    path.parent.mkdir()
    path.write_text("".join(f"{name}='{value}'\n" for name, value in REQUIRED.items()))
    return path


@pytest.mark.usefixtures("made_by_run")
def test_a_command_needs_nothing_but_what_run_made() -> None:
    assert load().secret_key[0].get_secret_value() == REQUIRED["SECRET_KEY"]


def test_the_environment_wins_over_dotenv_and_dotenv_over_run(
    made_by_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with made_by_run.open("a") as file:
        file.write("PORT=1111\nLINK_TTL=11\nMAX_MEDIA_BYTES=1\n")
    Path(".env").write_text("PORT=2222\nLINK_TTL=22\n")
    monkeypatch.setenv("PORT", "3333")
    read = load()
    assert (read.port, read.link_ttl, read.max_media_bytes) == (3333, 22, 1)


@pytest.mark.usefixtures("made_by_run")
def test_env_file_names_the_only_file_that_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENV_FILE", "/dev/null")
    with pytest.raises(InvalidSettings, match="SECRET_KEY: is missing"):
        load()


@pytest.mark.parametrize("path", [RUN_FILE, ".env"])
@pytest.mark.usefixtures("made_by_run")
def test_a_file_that_is_not_text_is_named(path: str) -> None:
    Path(path).write_bytes(b"SECRET_KEY=\xff")
    with pytest.raises(InvalidSettings, match=f"^{path}: is not UTF-8"):
        load()
