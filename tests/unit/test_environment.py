"""Settings from files: `NAME_FILE`, and `var/run.env` and `.env` of a developer's directory."""

import re
from pathlib import Path

import pytest

from jobs.config.environment import RUN_FILE
from jobs.config.settings import Settings, load
from jobs.domain.errors import InvalidSettings
from jobs.observability.redaction import HIDDEN, Redaction
from jobs.storage.providers import OPTIONS
from tests.harness.required_settings import CANARY, REQUIRED, start_error

SECRET_OPTION = re.compile(r".*_(key|key_id|token|secret)")
PROVIDER_SECRET_VARIABLES = [
    name
    for options in OPTIONS.values()
    for option, names in options.items()
    if SECRET_OPTION.fullmatch(option)
    for name in names
]


def test_each_name_may_be_a_file_instead(tmp_path: Path) -> None:
    for name in (*REQUIRED, "REDIS_URL", "PORT"):
        value = {**REQUIRED, "REDIS_URL": "redis://elsewhere/1", "PORT": "9"}[name]
        path = tmp_path / name
        path.write_text(f"{value}\n")
        environment = {k: v for k, v in REQUIRED.items() if k != name} | {f"{name}_FILE": str(path)}
        got = getattr(load(environment), name.lower())
        assert got == getattr(load({**REQUIRED, name: value}), name.lower())


AROUND = [" {}", "{} ", "{}\n", "{}\r\n", "\t{}\n\n", "{}\N{NO-BREAK SPACE}"]
SPACED = {
    **REQUIRED,
    "REDIS_URL": "redis://elsewhere/1",
    "PUBLIC_URL": "https://keep.example",
    "MEDIA_URL": "s3://bucket/prefix",
    "DATABASE_URL": "postgres://archive@db.example/archive",
    "BFL_API_KEY": "a-key-of-bfl-0123456789",
    "BFL_API_URL": "eu",
    "PORT": "9",
    "MAX_ACTIVE": "24",
    "RATE_LIMIT": "9/second",
    "LISTEN_HOST": "::",
    "FORWARDED_ALLOW_IPS": "10.0.0.0/8",
    "MEDIA_SERVE": "stream",
    "KEEP_INPUTS": "no",
    "LOG_LEVEL": "debug",
    "SENTRY_DSN": "https://key@sentry.example/1",
    "AWS_ACCESS_KEY_ID": "id-of-the-bucket",
}


@pytest.mark.parametrize("around", AROUND)
def test_space_around_a_value_does_not_belong_to_it(tmp_path: Path, around: str) -> None:
    spaced = {name: around.format(value) for name, value in SPACED.items()}
    assert load(spaced) == load(SPACED)
    files = {}
    for name, value in spaced.items():
        path = tmp_path / name
        path.write_text(f"\N{ZERO WIDTH NO-BREAK SPACE}{value}")
        files[f"{name}_FILE"] = around.format(path)
    assert_like_unspaced(load(files))


def assert_like_unspaced(loaded: Settings) -> None:
    expected = load(SPACED)
    assert loaded.media_options["AWS_ACCESS_KEY_ID"] == expected.media_options["AWS_ACCESS_KEY_ID"]
    for name in Settings.model_fields:
        if name != "media_options":  # it has the names of files, and of this machine
            assert getattr(loaded, name) == getattr(expected, name), name


def test_space_around_a_value_of_a_development_file_does_not_belong_to_it(
    made_by_run: Path,
) -> None:
    assert made_by_run.exists()
    lines = [f"{name}='  {value} \r\n'\r\n" for name, value in SPACED.items()]
    Path(".env").write_text("\N{ZERO WIDTH NO-BREAK SPACE}" + "".join(lines), newline="")
    assert_like_unspaced(load())


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_an_unreadable_file_names_its_variable(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "canary"
    if content is not None:
        path.write_bytes(content)
    text = start_error(SECRET_KEY=None, SECRET_KEY_FILE=str(path))
    assert text.startswith("SECRET_KEY_FILE: ")
    assert CANARY not in text


def test_an_empty_file_is_no_value(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.write_text("\n")
    assert start_error(SECRET_KEY=None, SECRET_KEY_FILE=str(path)) == "SECRET_KEY: is missing"
    optional = [name.upper() for name in Settings.model_fields if name.upper() not in REQUIRED]
    forever = {"RETAIN_JOBS_DAYS": ""}
    empty = {f"{name}_FILE": str(path) for name in optional}
    assert load({**REQUIRED, **empty}) == load({**REQUIRED, **forever})


@pytest.mark.parametrize("name", PROVIDER_SECRET_VARIABLES)
def test_a_secret_of_a_bucket_may_be_a_file_and_is_not_logged(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(CANARY)
    redacted = Redaction(load(REQUIRED | {f"{name}_FILE": str(path)}))
    assert redacted(f"the key {CANARY}") == f"the key {HIDDEN}"


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


def test_the_environment_wins_over_dotenv_and_dotenv_over_run(
    made_by_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load().secret_key[0].get_secret_value() == REQUIRED["SECRET_KEY"]
    with made_by_run.open("a") as file:
        file.write("PORT=1111\nLINK_TTL=11\nMAX_MEDIA_BYTES=1\n")
    Path(".env").write_text("PORT=2222\nLINK_TTL=22\n")
    monkeypatch.setenv("PORT", "3333")
    read = load()
    assert (read.port, read.link_ttl, read.max_media_bytes) == (3333, 22, 1)
    monkeypatch.setenv("ENV_FILE", "/dev/null")  # the only file that is read
    with pytest.raises(InvalidSettings, match="SECRET_KEY: is missing"):
        load()


def test_a_name_of_the_environment_is_not_overruled_by_a_file_of_dot_env(
    made_by_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = made_by_run.with_name("port")
    secret.write_text("3333")
    Path(".env").write_text(f"PORT_FILE={secret}\n")
    assert load().port == 3333
    monkeypatch.setenv("PORT", "2222")
    assert load().port == 2222


@pytest.mark.parametrize("path", [RUN_FILE, ".env"])
@pytest.mark.usefixtures("made_by_run")
def test_a_file_that_is_not_text_is_named(path: str) -> None:
    Path(path).write_bytes(b"SECRET_KEY=\xff")
    with pytest.raises(InvalidSettings, match=f"^{path}: is not UTF-8"):
        load()
