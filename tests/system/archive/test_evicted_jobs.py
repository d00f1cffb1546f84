"""Nobody can tell where a job lies: the API answers about evicted jobs as before."""

import json
import re
from typing import Any

import pytest
import requests

from jobs.archive.archive import open_archive
from tests.harness import Stack, wait_for
from tests.harness.stack import QUICK_SECONDS
from tests.system.archive.conftest import ArchivingStack

KEY = "evicted-1"


@pytest.fixture(scope="module")
def jobs(archiving: ArchivingStack) -> dict[str, Any]:
    """Four jobs that have ended, and the body of one of them; all of them were evicted."""
    stack = archiving.stack
    task = stack.generate(format="jpeg")
    stack.stored_with_thumbnails(task)
    stack.client.put_job(task.id, metadata={"user": "7"})
    assert not stack.client.callback({"id": task.id, "status": "Ready"}, auth="wrong").ok
    body = stack.request_body()
    made = {
        "announced": stack.client.job(task.id),
        "posted": stack.stored_job(stack.posted()),
        "keyed": stack.ended(stack.post(body, key=KEY).json()),
        "failed": stack.ended(stack.posted(outcome="error")),
    }
    before = answers(stack, made)
    archiving.evict()
    return {**made, "body": body, "before": before}


def answers(stack: Stack, jobs: dict[str, Any]) -> dict[str, tuple[int, str]]:
    """The answers to all that reads, without what is signed anew each time."""
    announced, posted = jobs["announced"], jobs["posted"]
    queries = (
        *("", "?limit=2", "?status=failed", "?status=stored,failed", "?metadata.user=7", "?q=no"),
        *("?model=flux-2-pro&source=callback", f"?repeats={posted['id']}", "?model=%00", "?q=%00"),
        *("?since=2020-01-01&until=2100-01-01", f"?sha256={announced['media'][0]['sha256']}"),
        *("?key=submiter", "?metadata.%00=%00", "?until=2020-01-01", "?since=99999999999"),
    )
    ids = [job["id"] for job in jobs.values()]
    paths = [f"/api/jobs{query}" for query in queries] + [f"/api/jobs/{one}" for one in ids]
    paths += [f"/api/jobs/{posted['task_id']}", f"/api/jobs/{announced['id']}?wait=5"]
    paths += [f"/v1/get_result?id={posted['task_id']}", "/api/jobs/unknown", "/api/costs"]
    return {path: _unsigned(stack.client.get(path)) for path in paths}


def _unsigned(answer: requests.Response) -> tuple[int, str]:
    text = re.sub(r'http://[^"]*/media/[^"]*', "", json.dumps(answer.json()))
    return answer.status_code, re.sub(r'"expires[^,]*', "", text)


def test_no_answer_tells_where_a_job_lies(archiving: ArchivingStack, jobs: dict[str, Any]) -> None:
    stack = archiving.stack
    made = {name: jobs[name] for name in ("announced", "posted", "keyed", "failed")}
    assert answers(stack, made) == jobs["before"]
    found = stack.client.job(made["announced"]["id"])
    assert stack.client.media(found) and stack.client.get(found["media"][0]["thumbnail_url"]).ok
    assert "callback.refused" in [line["event"] for line in found["timeline"]]
    with stack.installation.redis.client() as redis:
        assert not list(redis.scan_iter("fluxkeep:job:*"))


def test_while_the_database_is_away_only_evicted_jobs_wait(
    archiving: ArchivingStack, jobs: dict[str, Any]
) -> None:
    stack, known, failed = archiving.stack, jobs["announced"]["id"], jobs["failed"]["id"]
    client, body = stack.client, stack.request_body()
    with archiving.database_away():
        refused = [
            client.get(f"/api/jobs/{known}"),
            client.get("/api/jobs/unknown"),
            client.put_job(known, metadata={"a": 1}),
            client.request("DELETE", f"/api/jobs/{known}"),
            client.request("POST", f"/api/jobs/{failed}/replays"),
            client.request("POST", f"/api/jobs/{known}/repeats", json={}),
            stack.post(jobs["body"], key=KEY),
        ]
        assert {answer.json().get("code") for answer in refused} == {"archive_unavailable"}
        assert all(answer.headers["Retry-After"] == "5" for answer in refused)
        late = client.callback({"id": known, "status": "Error"})
        assert late.ok and late.json() == {"id": known, "status": "stored"}
        poll = client.get(f"/v1/get_result?id={jobs['posted']['task_id']}")
        assert poll.ok and poll.json()["status"] == "Pending"
        new = stack.post(body, key="new-1")
        assert stack.ended(new.json())["status"] == "stored"
        assert stack.post(body, key="new-1").json()["id"] == new.json()["id"]
        page = client.get("/api/jobs").json()
        assert [job["id"] for job in page["jobs"]] == [new.json()["id"]] and page["next_cursor"]
        older = client.get("/api/jobs", cursor=page["next_cursor"])
        assert older.json()["code"] == "archive_unavailable"
    assert len(client.jobs(limit=200)) == 5
    assert "Traceback" not in stack.installation.logs()
    if archiving.server:
        assert archiving.server.password not in stack.installation.logs()
        assert str(archiving.server.port) not in stack.installation.logs()


def test_evicted_jobs_are_changed_and_no_id_is_given_out_twice(
    archiving: ArchivingStack, jobs: dict[str, Any]
) -> None:
    stack, client = archiving.stack, archiving.stack.client
    tasks = len(stack.sandbox.tasks())
    assert stack.post(jobs["body"], key=KEY).json()["id"] == jobs["keyed"]["id"]
    assert stack.post(stack.request_body(), key=KEY).status_code == requests.codes.unprocessable
    assert len(stack.sandbox.tasks()) == tasks
    put = client.put_job(jobs["posted"]["task_id"], metadata={"x": 1}).json()
    assert (put["id"], put["metadata"]) == (jobs["posted"]["id"], {"x": 1})
    repeat = client.request("POST", f"/api/jobs/{jobs['keyed']['id']}/repeats", json={})
    assert stack.ended(repeat.json())["status"] == "stored"
    assert not client.request("POST", f"/api/jobs/{jobs['keyed']['id']}/rescues").ok
    assert client.request("POST", f"/api/jobs/{jobs['failed']['id']}/rescues").ok
    stack.ended(jobs["failed"])
    archiving.evict()
    assert client.job(jobs["posted"]["id"])["metadata"] == {"x": 1}
    link = client.job(jobs["keyed"]["id"])["media"][0]["url"]
    assert client.request("DELETE", f"/api/jobs/{jobs['keyed']['id']}").ok
    assert client.find(jobs["keyed"]["id"]) is None
    assert client.get(link).status_code == requests.codes.gone
    assert jobs["keyed"]["id"] not in [job["id"] for job in client.jobs(limit=200)]


def test_a_row_that_the_database_has_lost_makes_no_second_job(archiving: ArchivingStack) -> None:
    stack, body = archiving.stack, archiving.stack.request_body()
    job = stack.ended(stack.post(body, key="lost-1").json())
    archiving.evict()
    archive = open_archive(
        stack.installation.settings["DATABASE_URL"] or "", 1, lambda call: call()
    )
    assert archive.delete([(job["id"], 10**17)]) == 1
    archive.close()
    for answer in (stack.post(body, key="lost-1"), stack.client.put_job(job["id"])):
        assert answer.json()["code"] == "archive_unavailable", answer.text


def test_a_draft_of_an_evicted_job_is_enhanced(archiving: ArchivingStack) -> None:
    stack = archiving.stack
    quick = {"seconds": QUICK_SECONDS, "samples": 0, "drafts": 1}
    asked = {"mode": "t2v", "prompt": "a", "draft": True, "sandbox": quick}
    draft = stack.ended(stack.post({"model": "flux-3-video", "input": asked}).json())
    assert [file["role"] for file in draft["media"]] == ["draft_cache"], draft
    archiving.evict()
    sandbox = {"seconds": QUICK_SECONDS, "format": "mp4"}
    given = {"draft_cache": {"job": draft["id"]}, "sandbox": sandbox}
    body = {"model": "flux-3-video", "input": given}
    with archiving.database_away():
        assert stack.post(body).json()["code"] == "archive_unavailable"
    enhanced = stack.ended(stack.post(body).json())
    assert enhanced["status"] == "stored", enhanced


def deliveries(stack: Stack) -> list[str]:
    """The files that were asked for at BFL's delivery host."""
    return [one.path for one in stack.sandbox.requests if one.path.startswith("/results/")]


def test_after_redis_was_lost_an_old_callback_changes_nothing(archiving: ArchivingStack) -> None:
    """To the general address and to a submission's own; also while the database is away."""
    stack, client = archiving.stack, archiving.stack.client
    task = stack.generate()
    stack.stored(task)
    posted = stack.stored_job(stack.posted())
    tasks = (task.id, posted["task_id"])
    archiving.evict()
    before = {path: _unsigned(client.get(path)) for path in (f"/api/jobs/{name}" for name in tasks)}
    downloads = len(deliveries(stack))
    with stack.installation.redis.client() as redis:
        for outcome in ("error", "ready", "content_moderated"):
            for name in tasks:
                redis.flushall()
                assert stack.sandbox.call_back(name, outcome=outcome).outcome == requests.codes.ok
                pending = client.callback({"id": name, "status": "Pending"})
                assert pending.ok and pending.json()["status"] == "stored"
            assert not list(redis.scan_iter("fluxkeep:job:*"))
        with archiving.database_away():
            redis.flushall()
            for name in tasks:
                assert stack.sandbox.call_back(name, outcome="error").outcome == requests.codes.ok
            assert (
                client.callback({"id": "of-nobody", "status": "Error"}).json()["status"] == "held"
            )
        assert client.wait_for("of-nobody")["status"] == "failed"
        wait_for("none is held", lambda: not redis.exists("fluxkeep:held_callbacks"))
        assert [*redis.scan_iter("fluxkeep:job:*")] == [b"fluxkeep:job:of-nobody"]
    assert {path: _unsigned(client.get(path)) for path in before} == before
    assert len(deliveries(stack)) == downloads
