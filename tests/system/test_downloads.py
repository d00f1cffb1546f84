"""`GET /api/jobs.zip`: the files of a filter as one ZIP file, from a directory and a bucket."""

import io
import json
import shutil
import subprocess
import zipfile
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.harness import Stack, wait_for
from tests.harness.zip_stream import read_stream

STORAGES = ["directory", "bucket"]
LARGE_BYTES = 12_000_000  # more than the buffers of a connection
JAVA = """
import java.io.FileInputStream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipInputStream;

public class List {
    public static void main(String[] files) throws Exception {
        try (ZipInputStream bundle = new ZipInputStream(new FileInputStream(files[0]))) {
            for (ZipEntry entry; (entry = bundle.getNextEntry()) != null; ) {
                System.out.println(entry.getName() + " " + bundle.readAllBytes().length);
            }
        }
    }
}
"""


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
        sizes = [(entry.file_size, entry.compress_size) for entry in bundle.infolist()]
        assert all(size <= sent <= size + 5 + size // 1000 for size, sent in sizes)
        found = {name: bundle.read(name) for name in bundle.namelist()}
    assert read_stream(answer.content) == found
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


@pytest.mark.parametrize("damage", ["other bytes", "fewer bytes", "more bytes", "no bytes"])
def test_the_zip_file_names_what_is_damaged(stack: Stack, damage: str) -> None:
    """It may be a small one or one of many chunks."""
    is_large = damage != "other bytes"
    task = stack.generate(size=1_000_000 if is_large else 2000)
    stack.announce(task, metadata={"damage": damage})
    job, intact = stack.stored(task), stack.stored(stack.generate())
    whole = stack.sandbox.file(task.id)
    bodies = {
        "other bytes": bytes(len(whole)),
        "fewer bytes": whole[:-1],
        "more bytes": whole + b"0",
        "no bytes": b"",
    }
    (key,) = stack.keys(task)
    stack.installation.stored_objects.replace(key, bodies[damage])
    answer = stack.client.get("/api/jobs.zip", **{"metadata.damage": damage})
    entries = read_stream(answer.content)
    name = f"{job['id']}-0.{key.rpartition('.')[2]}"
    assert entries["MISSING.txt"].decode().startswith(f"{name}: damaged")
    whole_answer = stack.client.get("/api/jobs.zip", q=intact["id"])
    assert "MISSING.txt" not in read_stream(whole_answer.content) or intact["id"] not in str(
        read_stream(whole_answer.content)["MISSING.txt"]
    )


@pytest.mark.skipif(not shutil.which("java"), reason="there is no Java")
def test_java_reads_the_zip_file_as_a_stream(stack: Stack, tmp_path: Path) -> None:
    tasks = [stack.generate(format=kind) for kind in ("mp4", "png")]
    for task in tasks:
        stack.announce(task, metadata={"set": "java"})
    for task in tasks:
        stack.stored(task)
    answer = stack.client.get("/api/jobs.zip", **{"metadata.set": "java"})
    (tmp_path / "jobs.zip").write_bytes(answer.content)
    (tmp_path / "List.java").write_text(JAVA)
    command = ["java", "List.java", "jobs.zip"]
    listed = subprocess.run(
        command, cwd=tmp_path, check=True, capture_output=True, text=True, timeout=120
    )
    sizes = {name: int(size) for name, size in map(str.split, listed.stdout.splitlines())}
    assert sizes == {name: len(body) for name, body in read_stream(answer.content).items()}
    assert len(sizes) == 4


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
        same_key = stack.installation.client("read")
        third = same_key.get("/api/jobs.zip")
        assert (third.status_code, third.json()["code"]) == (503, "too_many_waiting")
        assert int(third.headers["Retry-After"]) > 0
        assert stack.client.get("/api/jobs.zip", q="nothing").status_code == 200
        assert stack.client.get("/api/jobs", limit=1).ok  # within a minute: they never read
    empty = wait_for("a place", lambda: same_key.get("/api/jobs.zip", q="nothing"))
    with zipfile.ZipFile(io.BytesIO(empty.content)) as bundle:
        assert bundle.read("MISSING.txt") == b"No file matches.\n"
