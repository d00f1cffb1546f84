"""`GET /api/jobs.zip`: the files of a filter as one ZIP file, from a directory and a bucket."""

import io
import json
import subprocess
import zipfile
from contextlib import ExitStack
from pathlib import Path

from tests.harness import Stack, wait_for

STORAGES = ["directory", "bucket"]
LARGE_BYTES = 12_000_000  # more than the buffers of a connection


def test_the_zip_file_names_what_it_does_not_hold(stack: Stack, tmp_path: Path) -> None:
    tasks = [stack.generate(format=kind) for kind in ("mp4", "mp4", "png")]
    for task in (*tasks, other := stack.generate()):
        stack.announce(task, metadata={"set": "a" if task in tasks else "b"})
    jobs = [stack.stored(task) for task in tasks]
    stack.stored(other)
    (lost,) = stack.keys(tasks[0])
    stack.installation.stored_objects.remove(lost)
    reader = stack.installation.client("read")
    answer = reader.get("/api/jobs.zip", **{"metadata.set": "a"})
    assert answer.headers["Content-Type"] == "application/zip"
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="fluxkeep-2')
    (tmp_path / "jobs.zip").write_bytes(answer.content)
    subprocess.run(["unzip", "-tqq", tmp_path / "jobs.zip"], check=True)  # noqa: S607 - any will do
    with zipfile.ZipFile(io.BytesIO(answer.content)) as bundle:
        assert {one.compress_type for one in bundle.infolist()} == {zipfile.ZIP_STORED}
        found = {name: bundle.read(name) for name in bundle.namelist()}
    assert found.pop("MISSING.txt").decode() == f"{jobs[0]['id']}-0.mp4\n"
    for task, job, kind in zip(tasks[1:], jobs[1:], ("mp4", "png"), strict=True):
        assert found.pop(f"{job['id']}-0.{kind}") == stack.sandbox.file(task.id)
        described = json.loads(found.pop(f"{job['id']}-0.json"))
        assert (described["id"], described["metadata"]) == (job["id"], {"set": "a"})
    assert not found


def test_only_keys_that_may_submit_get_what_was_asked_for(stack: Stack) -> None:
    job = stack.stored_job(stack.posted())
    for scope, is_told in (("read", False), ("submit", True)):
        query = {"since": job["created_at"], "key": "submiter"}
        answer = stack.installation.client(scope).get("/api/jobs.zip", **query)
        with zipfile.ZipFile(io.BytesIO(answer.content)) as bundle:
            described = json.loads(bundle.read(f"{job['id']}-0.json"))
        assert ("input" in described) is is_told


def test_clients_that_do_not_read_take_two_places_and_stop_nobody_else(stack: Stack) -> None:
    task = stack.generate(size=LARGE_BYTES)
    stack.announce(task, metadata={"set": "large"})
    stack.stored(task)
    with ExitStack() as opened:

        def begin() -> int:
            client = stack.installation.client("read")
            options = {"stream": True, "params": {"metadata.set": "large"}}
            return opened.enter_context(
                client.request("GET", "/api/jobs.zip", **options)
            ).status_code

        assert [begin(), begin()] == [200, 200]
        third = stack.client.get("/api/jobs.zip")
        assert (third.status_code, third.json()["code"]) == (503, "too_many_waiting")
        assert int(third.headers["Retry-After"]) > 0
        assert stack.client.get("/api/jobs", limit=1).elapsed.total_seconds() < 2
    empty = wait_for("a place", lambda: stack.client.get("/api/jobs.zip", q="nothing"))
    with zipfile.ZipFile(io.BytesIO(empty.content)) as bundle:
        assert bundle.read("MISSING.txt") == b"No file matches.\n"
