"""What `python -m deploy.all` keeps on its volume, and when it refuses to."""

from pathlib import Path

import pytest

from deploy import volume
from deploy.volume import VolumeRefused, prepare
from jobs.config.environment import VOLUME_FILE, read_file

OWN = {
    "SECRET_KEY": "signing-key-of-tests",
    "API_KEYS": "app:the-app-key-of-tests:submit",
    "REDIS_URL": "redis://127.0.0.1:6379/0",
    "DATABASE_URL": "postgresql://127.0.0.1/fluxkeep",
    "MEDIA_URL": "s3://keep",
}


@pytest.fixture
def vanishing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container without a volume."""
    monkeypatch.setattr(volume, "is_lasting", lambda _directory, _environ: False)


def test_secrets_are_made_once(tmp_path: Path) -> None:
    first, is_new = prepare(tmp_path, {})
    again, is_new_again = prepare(tmp_path, {})
    assert is_new
    assert not is_new_again
    assert first.secret_key == again.secret_key
    assert first.api_keys == again.api_keys
    assert first.webhook_secret == again.webhook_secret


def test_what_is_set_wins_and_is_not_written_down(tmp_path: Path) -> None:
    loaded, _ = prepare(tmp_path, {"SECRET_KEY": OWN["SECRET_KEY"], "WEB_CONCURRENCY": "3"})
    assert loaded.secret_key[0].get_secret_value() == OWN["SECRET_KEY"]
    assert loaded.web_concurrency == 3
    assert OWN["SECRET_KEY"] not in (tmp_path / VOLUME_FILE).read_text()


def test_everything_lies_on_the_volume(tmp_path: Path) -> None:
    loaded, _ = prepare(tmp_path, {})
    places = read_file(str(tmp_path / VOLUME_FILE))
    assert places["REDIS_URL"] == f"unix://{tmp_path}/redis/redis.sock"
    assert places["DATABASE_URL"] == f"sqlite:///{tmp_path}/archive.db"
    assert places["MEDIA_URL"] == f"file://{tmp_path}/media"
    assert loaded.web_concurrency == 1
    assert volume.redis_command(tmp_path, loaded)


@pytest.mark.usefixtures("vanishing")
def test_without_a_volume_it_says_what_would_be_lost_and_refuses(tmp_path: Path) -> None:
    with pytest.raises(VolumeRefused) as refusal:
        prepare(tmp_path, {"MEDIA_URL": OWN["MEDIA_URL"]})
    for name in OWN.keys() - {"MEDIA_URL"}:
        assert name in str(refusal.value)
    assert "MEDIA_URL" not in str(refusal.value)
    assert not (tmp_path / VOLUME_FILE).exists()


@pytest.mark.usefixtures("vanishing")
def test_without_a_volume_it_goes_on_where_it_is_told_to(tmp_path: Path) -> None:
    _, is_new = prepare(tmp_path, {"ALLOW_EPHEMERAL": "yes"})
    assert is_new


@pytest.mark.usefixtures("vanishing")
def test_no_volume_is_needed_where_nothing_is_kept(tmp_path: Path) -> None:
    loaded, is_new = prepare(tmp_path, OWN)
    assert not is_new
    assert volume.redis_command(tmp_path, loaded) == []


def test_a_disk_of_a_platform_does_not_last_without_a_volume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_on_root_disk = tmp_path.stat().st_dev == Path("/").stat().st_dev
    if not is_on_root_disk:
        pytest.skip("the directory of the tests is a mount of its own")
    monkeypatch.setattr(volume, "CONTAINER_FILESYSTEMS", ())
    assert volume.is_lasting(tmp_path, {})
    assert not volume.is_lasting(tmp_path, {"FLY_APP_NAME": "keep"})


def test_a_container_without_a_volume_is_known_by_its_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text("overlay / overlay rw 0 0\nproc /proc proc rw 0 0\n")
    monkeypatch.setattr(volume, "MOUNTS", mounts)
    if tmp_path.stat().st_dev == Path("/").stat().st_dev:
        assert not volume.is_lasting(tmp_path, {})


def test_a_path_too_long_for_a_socket_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VolumeRefused, match="too long"):
        prepare(tmp_path / ("a" * 100), {})
