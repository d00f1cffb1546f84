"""A key with `own` meets only jobs of its name: for it no other job exists, on any route."""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from io import BytesIO
from itertools import product
from typing import Any
from zipfile import ZipFile

import pytest
from werkzeug.test import TestResponse

from jobs.domain.bfl_report import Role
from jobs.domain.status import Status
from jobs.signing import MediaLink
from tests.harness.agents import message, tool
from tests.harness.two_teams import ADMIN, OURS, PLAIN, THEIRS, TwoTeams, of_key, team
from tests.harness.visitor import csrf_token

# How each route is tried with the id of a job: by the path, a query, or a body.
BY_ID: dict[str, Callable[[str], dict[str, Any]]] = {
    "GET /api/jobs/<job_id>": lambda _: {"query_string": {"wait": "0"}},
    "DELETE /api/jobs/<job_id>": lambda _: {},
    "GET /api/jobs/<job_id>/events": lambda _: {},
    "POST /api/jobs/<job_id>/repeats": lambda _: {"json": {}},
    "POST /api/jobs/<job_id>/replays": lambda _: {},
    "POST /api/jobs/<job_id>/rescues": lambda _: {},
    "GET /v1/get_result": lambda job_id: {"query_string": {"id": job_id}},
    "POST /api/jobs": lambda job_id: {"json": draft_of(job_id)},
    "POST /v1/<model:model>": lambda job_id: {"json": draft_of(job_id)["input"]},
    "POST /mcp?get_job": lambda job_id: {"json": tool("get_job", id=job_id)},
    "POST /mcp?wait_for_job": lambda job_id: {"json": tool("wait_for_job", id=job_id, wait=0)},
    "POST /mcp?edit": lambda job_id: {"json": tool("edit", job=job_id, prompt="a")},
    "POST /mcp?read": lambda job_id: {
        "json": message("resources/read", uri=f"fluxkeep://jobs/{job_id}/media/0")
    },
    "GET /": lambda job_id: {"query_string": {"repeats": job_id, "metadata.user": "00042"}},
    "GET /api/jobs": lambda job_id: {"query_string": {"repeats": job_id, "metadata.user": "00042"}},
    "GET /api/jobs.zip": lambda job_id: {"query_string": {"repeats": job_id}},
    "DELETE /api/jobs": lambda job_id: {"query_string": {"repeats": job_id}},
    "POST /api/replays": lambda job_id: {"query_string": {"repeats": job_id}},
    "POST /api/notifications": lambda job_id: {"query_string": {"repeats": job_id, "since": "0"}},
    "POST /api/rescues": lambda job_id: {"query_string": {"repeats": job_id}},
    "GET /jobs/<job_id>": lambda _: {},
    "GET /jobs/<job_id>/delete": lambda _: {},
    "POST /jobs/<job_id>/delete": lambda _: {"data": {}},
    "GET /jobs/<job_id>/replay": lambda _: {},
    "POST /jobs/<job_id>/replay": lambda _: {"data": {}},
    "GET /jobs/<job_id>/cancel": lambda _: {},
    "POST /jobs/<job_id>/cancel": lambda _: {"data": {}},
    "GET /jobs/<job_id>/variants": lambda _: {},
    "POST /jobs/<job_id>/variants": lambda _: {"data": {"idempotency_key": "k", "n": "1"}},
    "GET /submit": lambda job_id: {"query_string": {"again": job_id, "job": job_id}},
    "POST /submit": lambda job_id: {
        "data": {"show": "1", "repeats": job_id, "input_image": "input:0", "model": "flux-2-pro"}
    },
    "POST /selection": lambda job_id: {"data": {"action": "star", "job": job_id}},
}
# What is told without an id, of all jobs that the key may see.
BODIES = {
    "POST /mcp?search_jobs": tool("search_jobs"),
    "POST /mcp?list_models": tool("list_models"),
    "POST /mcp?budget": tool("budget"),
    "POST /mcp?list": message("resources/list"),
}
OF_ALL = (
    *BODIES,
    "GET /",
    "GET /?key=theirs",
    "GET /?q=lightteams",
    "GET /?status=failed&status=expired",
    "GET /health",
    "GET /start",
    "GET /submit",
    "GET /api/jobs",
    "GET /api/jobs?limit=1",
    "GET /api/jobs?key=theirs",
    "GET /api/jobs?q=fog&seed=7",
    "GET /api/jobs?model=flux-2-pro&metadata.user=00042&limit=1",
    "GET /api/jobs.zip?metadata.user=00042",
    "GET /api/budget",
    "DELETE /api/jobs?metadata.user=00042",
    "POST /api/replays?model=flux-2-pro",
    "GET /api/costs",
    "GET /api/costs?by=metadata.user&since=2025-10-01&until=2026-01-01",
)
# Decided otherwise: streams and announcing have tests of their own here, batches have one in
# test_acting_on_filters; the others name no job, or are opened by something else than a key.
ELSEWHERE = {
    *("GET /api/events", "GET /live", "GET /live/<job_id>", "PUT /api/jobs/<job_id>"),
    *("GET /api/batches/<batch_id>", "DELETE /api/batches/<batch_id>"),
    *("GET /v1/credits", "GET /start/test", "POST /start/test", "GET /media/<token>"),
    *("POST /webhooks/bfl", "POST /webhooks/bfl/<token>", "GET /healthz", "GET /readyz"),
    *("GET /metrics", "GET /openapi.json", "GET /docs", "GET /docs/errors"),
    *("GET /assets/<version>/<path:name>", "GET /login", "POST /login", "GET /login/<token>"),
    *("POST /login/<token>", "GET /logout", "POST /logout", "GET /selection"),
}
UNKNOWN = "00000000-aaaa-4bbb-8ccc-dddddddddddd"
_VOLATILE = re.compile(
    r"[\w-]{20,}\.[\w-]+\.[\w-]+|/media/[\w.=-]+|(csrf_token|idempotency_key)\" value=\"[^\"]*\""
    r"|\d+-\d+|Expires=[^;]+|now|any moment|\d+ (s|min) ago"
    r"|data-(at|now|since)=\"[^\"]*\"|\d{9,}\.\d"
    r"|\"until\":\"[^\"]*\""
)


def draft_of(job_id: str) -> dict[str, Any]:
    return {"model": "flux-3-video", "input": {"draft_cache": {"job": job_id}}}


def ask(client: Any, route: str, job_id: str = "") -> Any:
    method, _, path = route.partition(" ")
    options: Any = BY_ID[route](job_id) if job_id else {"json": BODIES.get(route)}
    if "data" in options:
        options["data"]["csrf_token"] = csrf_token(client.get("/submit").text)
    path = path.replace("<job_id>", job_id).replace("<model:model>", "flux-3-video")
    return client.open(path, method=method, **options)


def told(answer: TestResponse, names: Iterable[str] = ()) -> str:
    """Everything that an answer says, without what differs each time, and without these ids."""
    heads = [
        (name, value) for name, value in answer.headers if name not in {"Date", "Content-Length"}
    ]
    data = answer.get_data()
    body = data.decode(errors="replace")
    if data.startswith(b"PK"):  # names and contents: the rest is times of two seconds
        with ZipFile(BytesIO(data)) as bundle:
            body = str({name: bundle.read(name) for name in bundle.namelist()})
    text = f"{answer.status} {sorted(heads)} {body}"
    answer.close()
    for name in names:
        text = text.replace(name, "ID").replace(name[:8], "ID")
    return _VOLATILE.sub("*", text)


def test_every_route_is_decided(teams: TwoTeams) -> None:
    decided = {route.partition("?")[0] for route in (*BY_ID, *OF_ALL)} | ELSEWHERE
    assert decided == {
        f"{method} {rule.rule}"
        for rule in teams.app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }


@pytest.mark.parametrize("cold", [False, True], ids=["in Redis", "archived"])
def test_a_job_of_another_key_does_not_exist(teams: TwoTeams, *, cold: bool) -> None:
    others = team(THEIRS, 10) + team(None, 20)
    if cold:
        others = [job for job in others if job.status.terminal]
    teams.put_in(*((others, []) if cold else ([], others)))
    before = [teams.services.catalog.load(job.id) for job in others]
    client = teams.client(OURS)
    for route in BY_ID:
        unknown = told(ask(client, route, UNKNOWN), [UNKNOWN])
        for job, name in product(others, ("id", "task_id")):
            job_id = getattr(job, name)
            answer = told(ask(client, route, job_id), [job_id])
            assert answer == unknown, (route, job_id)
    assert [teams.services.catalog.load(job.id) for job in others] == before


def test_what_is_told_of_all_jobs_does_not_change_with_those_of_others(teams: TwoTeams) -> None:
    own = team(OURS, 30)
    teams.put_in(own[:1], own[1:])
    client = teams.client(OURS)
    before = {route: told(ask(client, route)) for route in OF_ALL}
    assert "slots at BFL" not in before["GET /health"]
    assert "ours-30" in before["GET /api/jobs"] and "Why ours lost it" in before["GET /"]
    others = [team(name, first) for name, first in ((THEIRS, 10), (None, 20), (THEIRS, 40))]
    others[0].append(of_key(THEIRS, 60, model="flux-2-max"))  # which has a price now
    for each in others:
        teams.put_in(each[:2], each[2:])
    for route, text in before.items():
        assert told(ask(client, route)) == text, route
    everything = teams.client(ADMIN).get("/api/jobs?limit=200").json
    assert everything and len(everything["jobs"]) == 21


@pytest.mark.parametrize("path", ["/api/events", "/live"])
def test_a_stream_tells_of_own_jobs_alone(teams: TwoTeams, path: str) -> None:
    for name, task_id in ((OURS, "a"), (THEIRS, "b"), (OURS, "c"), (THEIRS, "d")):
        teams.client(name).put(f"/api/jobs/{task_id}", json={"metadata": {"of": name}})
    teams.services.store.update("nobody's", lambda job, _: job or of_key(None, 1), assumes_new=True)
    for name, task_id in ((THEIRS, "b"), (OURS, "c")):
        assert teams.client(name).delete(f"/api/jobs/{task_id}").status_code == 204
    text = teams.live(OURS, path)
    assert re.findall(r'^data: \{"id":"([^"]+)"', text, re.MULTILINE) == ["a", "c"]
    assert "event: deleted" in text and THEIRS not in text


def test_the_first_key_that_announces_a_task_owns_it(teams: TwoTeams) -> None:
    for task_id in ("first", "second"):
        nobody = replace(of_key(None, 1), id=task_id, task_id=task_id, is_submission=False)
        teams.put_in([], [nobody])
    ours, theirs, plain = (teams.client(name) for name in (OURS, THEIRS, PLAIN))
    assert plain.get("/api/jobs/first").json["key"] is None
    assert ours.put("/api/jobs/first", json={"metadata": {"a": 1}}).json["key"] == OURS
    refused = theirs.put("/api/jobs/first", json={"metadata": {"a": 2}})
    assert (refused.status_code, refused.json["code"]) == (409, "other_key")
    assert OURS not in refused.text
    assert ours.get("/api/jobs/first").json["metadata"] == {"a": 1}
    assert plain.put("/api/jobs/second").json["key"] == PLAIN
    assert ours.get("/api/jobs/second").status_code == 404


def test_only_its_key_and_an_admin_change_an_announced_job(teams: TwoTeams) -> None:
    teams.client(THEIRS).put("/api/jobs/task", json={"metadata": {"n": 1}})
    change = {"metadata": {"n": 2}}
    for name in (PLAIN, OURS):
        answer = teams.client(name).put("/api/jobs/task", json=change)
        assert (answer.status_code, answer.json["code"]) == (409, "other_key")
    assert teams.client(PLAIN).get("/api/jobs/task").json["metadata"] == {"n": 1}
    assert teams.client(ADMIN).put("/api/jobs/task", json=change).json["key"] == THEIRS
    assert teams.client(THEIRS).get("/api/jobs/task").json["metadata"] == {"n": 2}
    mine = replace(of_key(None, 1), is_submission=True)  # from the command line
    teams.put_in([], [mine])
    for name in (OURS, PLAIN):
        assert teams.client(name).put(f"/api/jobs/{mine.id}").status_code == 409


@pytest.mark.parametrize(("cold", "number"), [(False, 4100), (True, 150)])
def test_a_page_skips_jobs_of_others(teams: TwoTeams, *, cold: bool, number: int) -> None:
    """None ends at a job of another key, whose position the cursor would tell."""
    ours = range(0, number, number // 20)
    jobs = [of_key(OURS if n in ours else THEIRS, n) for n in range(number)]
    teams.put_in(*((jobs, []) if cold else ([], jobs)))
    query = {"limit": str(len(ours)), "model": "flux-2-pro"}
    page = teams.client(OURS).get("/api/jobs", query_string=query).json
    assert [job["id"] for job in page["jobs"]] == [f"ours-{n}" for n in reversed(ours)]
    assert page["next_cursor"] is None


def test_a_link_to_a_draft_of_others_submits_nothing(teams: TwoTeams) -> None:
    (draft,) = [job for job in team(THEIRS, 10) if job.media and job.media[0].role != Role.SAMPLE]
    teams.put_in([], [draft])
    token = teams.services.links.sign(MediaLink(draft.id, 0, int(teams.services.store.now()) + 60))
    body = {"model": "flux-3-video", "input": {"draft_cache": f"https://x.example/media/{token}"}}
    assert teams.client(THEIRS).post("/api/jobs", json=body).status_code == 202
    assert teams.client(OURS).post("/api/jobs", json=body).status_code == 422


def test_each_tab_counts_own_jobs_in_redis_and_the_archive(teams: TwoTeams) -> None:
    for name, first in ((OURS, 10), (THEIRS, 40), (THEIRS, 70)):
        jobs = team(name, first)
        teams.put_in(jobs[:1], jobs[1:])
    counts = teams.services.metrics.jobs_by_status(OURS)
    assert {status: n for status, n in counts.items() if n} == dict.fromkeys(
        (Status.EXPIRED, Status.LOST, Status.READY), 1
    ) | {Status.STORED: 2}
    teams.services.catalog.recall("ours-10")
    assert teams.services.metrics.jobs_by_status(OURS) == counts
    teams.services.redis.delete("fluxkeep:cold")  # and counted anew by the next pass
    teams.archived.sweep.run_pass()
    assert teams.services.metrics.jobs_by_status(OURS) == counts
