"""deploy/compose.yaml by a real engine: rights, stops, upgrades, back up and restore."""

import re
import subprocess
import time

import pytest

from tests.harness.documents import page, under
from tests.image.compose import Compose, inspect
from tests.image.conftest import RelayedContainers
from tests.sandbox import Sandbox

RUNNING = ("web", "worker", "sweep")
SERVERS = ("redis", "postgres")
STOP_SECONDS = 10.0
NO_CAPABILITIES = "0" * 16
UPGRADE, BACK_UP, RESTORE = under(page("docs/deploy.md"), "One machine with Docker", "sh")


def status_of_first_process(compose: Compose, service: str) -> dict[str, str]:
    text = compose.succeed("exec", "-T", service, "cat", "/proc/1/status").decode()
    return dict(re.findall(r"^(\w+):\s+(.*)$", text, re.MULTILINE))


@pytest.mark.parametrize("service", [*SERVERS, *RUNNING])
def test_no_process_is_root_or_has_a_capability(compose: Compose, service: str) -> None:
    status = status_of_first_process(compose, service)
    assert "0" not in status["Uid"].split()
    assert status["CapEff"] == status["CapPrm"] == NO_CAPABILITIES
    assert status["NoNewPrivs"] == "1"
    (container,) = compose.containers(service)
    assert inspect(container, "{{.HostConfig.ReadonlyRootfs}}") == "true"


@pytest.mark.parametrize("service", [*SERVERS, *RUNNING])
def test_no_password_stands_on_a_command_line(compose: Compose, service: str) -> None:
    (container,) = compose.containers(service)
    command = ["docker", "top", container, "-o", "pid,args"]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    for name in ("REDIS_PASSWORD", "POSTGRES_PASSWORD"):
        assert compose.settings[name] not in shown


def stored_job(compose: Compose, sandbox: Sandbox) -> str:
    """The id of a job whose callback came and whose image was rescued."""
    client = compose.client()
    task = sandbox.submit(
        "flux-2-pro",
        webhook_url=f"{client.url}/webhooks/bfl",
        webhook_secret=compose.webhook_secret,
    )
    job = client.wait_for(task.id, "stored")
    assert client.get(job["media"][0]["url"]).status_code == 200
    return str(job["id"])


def test_a_callback_ends_as_a_stored_image(compose: Compose, sandbox: Sandbox) -> None:
    stored_job(compose, sandbox)


def test_a_wrong_setting_leaves_the_old_processes_running(compose: Compose) -> None:
    before = compose.containers()
    for name, value in (("PUBLIC_URL", "nonsense"), ("REDIS_PASSWORD", "not-that-of-redis")):
        valid = compose.settings[name]
        compose.configure(**{name: value})
        judgement = compose.judge()
        compose.configure(**{name: valid})
        assert judgement.returncode != 0
        assert b"FAILED" in judgement.stdout
        assert compose.containers() == before
    assert compose.client().get("/readyz").status_code == 200


def images_without_name() -> set[str]:
    dangling = ["docker", "images", "--quiet", "--filter", "dangling=true"]
    listed = subprocess.run(dangling, check=True, capture_output=True, text=True).stdout
    return set(listed.split())


def test_an_upgrade_leaves_no_image_but_the_one_before(
    compose: Compose, relays: RelayedContainers
) -> None:
    before = images_without_name()
    compose.configure(LOG_LEVEL="WARNING")
    compose.type(UPGRADE)
    relays.follow()
    compose.wait_until_ready()
    left_over = images_without_name() - before
    assert len(left_over) <= 1


def test_the_number_of_workers_is_not_forgotten(
    compose: Compose, relays: RelayedContainers
) -> None:
    compose.configure(WORKERS="2")
    compose.succeed("up", "--detach")
    compose.succeed("up", "--detach")
    assert len(compose.containers("worker")) == 2
    compose.configure(WORKERS="1")
    compose.succeed("up", "--detach")
    assert len(compose.containers("worker")) == 1
    relays.follow()


def test_the_trusted_address_of_the_proxy_stays_the_same(
    compose: Compose, relays: RelayedContainers
) -> None:
    compose.succeed("down")
    compose.succeed("up", "--detach")
    relays.follow()
    compose.wait_until_ready()
    network = ["docker", "network", "inspect", "fluxkeep_outer"]
    template = ["--format", "{{(index .IPAM.Config 0).Subnet}}"]
    found = subprocess.run([*network, *template], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "10.213.97.0/24"
    trusted = compose.succeed("exec", "-T", "web", "printenv", "FORWARDED_ALLOW_IPS").decode()
    assert trusted.strip() == found.stdout.strip()


def test_a_backup_is_restored_into_an_empty_installation(
    compose: Compose, sandbox: Sandbox, relays: RelayedContainers
) -> None:
    relays.follow()
    job_id = stored_job(compose, sandbox)
    compose.type(BACK_UP)
    relays.stop()
    compose.succeed("down", "--volumes", "--timeout", "10")
    (compose.directory / "deploy/.env").unlink()
    # The last line is doctor, which finds what the tests do not have: BFL, and an https address.
    *commands, doctor = RESTORE.strip().splitlines()
    compose.type("\n".join(commands))
    assert doctor.endswith("doctor")
    relays.follow()
    compose.wait_until_ready()

    client = compose.client()
    job = client.job(job_id)
    assert job["status"] == "stored"
    assert client.get(job["media"][0]["url"]).status_code == 200
    stored_job(compose, sandbox)


def test_jobs_are_archived_in_an_sqlite_file_on_a_volume(
    compose: Compose, sandbox: Sandbox, relays: RelayedContainers
) -> None:
    compose.configure(DATABASE_URL="sqlite:////srv/fluxkeep/archive.db")
    judgement = compose.judge()
    assert judgement.returncode == 0, judgement.stdout
    compose.succeed("up", "--detach")
    relays.follow()
    compose.wait_until_ready()
    stored_job(compose, sandbox)
    checked = compose.succeed(
        "exec", "-T", "web", "flask", "--app", "receiver", "doctor", "--release"
    )
    assert b"SQLite answers" in checked
    compose.succeed("exec", "-T", "web", "test", "-w", "/srv/fluxkeep/archive.db")


def test_a_database_file_in_a_directory_of_root_stops_the_start(compose: Compose) -> None:
    valid = compose.settings["DATABASE_URL"]
    compose.configure(DATABASE_URL="sqlite:////srv/archive.db")
    judgement = compose.judge()
    compose.configure(DATABASE_URL=valid)
    assert judgement.returncode != 0
    assert b"cannot be written" in judgement.stdout


def test_every_container_stops_by_itself(compose: Compose, relays: RelayedContainers) -> None:
    containers = compose.containers()
    began = time.monotonic()
    compose.succeed("stop", "--timeout", "30")
    assert time.monotonic() - began < STOP_SECONDS * len(containers)
    for container in containers:
        name = inspect(container, "{{.Name}}")
        assert inspect(container, "{{.State.ExitCode}}") == "0", name
    compose.succeed("up", "--detach")
    relays.follow()
