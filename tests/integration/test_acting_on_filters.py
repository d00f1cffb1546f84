"""Batches and downloads of all jobs of a filter: with an `own` key of its jobs alone."""

import math
import re
from html import unescape
from io import BytesIO
from zipfile import ZipFile

import pytest

from jobs.domain.bfl_report import Failure
from jobs.domain.status import Status
from jobs.store.search_conditions import Search
from receiver.api import downloads
from receiver.dashboard import selection
from receiver.zip_content import ZipContent
from tests.harness.two_teams import ADMIN, OURS, THEIRS, TwoTeams, of_key, team
from tests.harness.visitor import csrf_token
from worker.periodic import batch_actions


def test_a_batch_is_of_own_jobs_and_seen_by_its_key_and_an_admin_alone(teams: TwoTeams) -> None:
    jobs = {name: team(name, first) for name, first in ((OURS, 10), (THEIRS, 40), (None, 70))}
    for each in jobs.values():
        teams.put_in(each[:2], each[2:])
    begun = {}
    for name in (OURS, ADMIN):
        query = {"metadata.user": "00042", "model": "flux-2-pro"}
        asked = teams.client(name).delete("/api/jobs", query_string=query)
        assert (asked.status_code, asked.json["code"]) == (428, "count_required")
        query |= {"count": asked.json["count"], "until": asked.json["until"]}
        begun[name] = teams.client(name).delete("/api/jobs", query_string=query)
        assert begun[name].status_code == 202
    assert [answer.json["total"] for answer in begun.values()] == [5, 15]
    for name, expected in ((OURS, [200, 404]), (THEIRS, [404, 404]), (ADMIN, [200, 200])):
        found = [teams.client(name).get(one.headers["Location"]) for one in begun.values()]
        assert [answer.status_code for answer in found] == expected
        if 404 in expected:
            assert teams.client(name).delete(begun[ADMIN].headers["Location"]).status_code == 404
    assert teams.client(ADMIN).delete(begun[ADMIN].headers["Location"]).json["status"] == "stopped"
    while teams.services.batches.under_way():
        batch_actions.step(teams.services)
    kept = teams.services.catalog.load_many([job.id for some in jobs.values() for job in some])
    assert kept.keys() == {job.id for name in (THEIRS, None) for job in jobs[name]}


class EachReadingASecondLater:
    """A clock in place of the module `time`: as if each job took a second."""

    def __init__(self) -> None:
        self._reading = 0.0

    def monotonic(self) -> float:
        self._reading += 1.0
        return self._reading


def test_a_thousand_are_starred_in_bounded_requests_and_one_more_is_refused_at_the_question(
    teams: TwoTeams, monkeypatch: pytest.MonkeyPatch
) -> None:
    most, client = selection.MATCHING_MAX, teams.client(ADMIN)
    lost = Failure("lost", "none")
    jobs = [of_key(ADMIN, n, Status.LOST, error=lost) for n in range(most + 1)]
    teams.put_in([], jobs[:most])
    star = {"action": "star", "all": "yes", "csrf_token": csrf_token(client.get("/health").text)}

    def starred() -> int:
        search = Search(metadata=(("starred", "true"),))
        return sum(map(len, teams.services.catalog.walk(search, 200)))

    question = client.post("/selection?model=flux-2-pro", data=star).text
    assert "Star 1,000 jobs?" in question and starred() == 0
    target = unescape(re.findall(r'action="(/selection[^"]*)"', question)[0])
    with monkeypatch.context() as patch:
        patch.setattr(selection, "time", EachReadingASecondLater())
        client.post(target, data=star | {"confirmed": "yes"})
    assert "it takes too long: select them again" in client.get("/").text
    assert starred() == int(selection.ACT_SECONDS)
    with monkeypatch.context() as patch:
        patch.setattr(selection, "ACT_SECONDS", math.inf)  # however slow this machine is
        client.post(target, data=star | {"confirmed": "yes"})
    assert "1,000 jobs are starred." in client.get("/").text
    assert starred() == most
    teams.put_in([], jobs[most:])
    for confirmed in ({}, {"confirmed": "yes"}):
        client.post("/selection?model=flux-2-pro", data=star | confirmed)
        assert "More than 1,000 jobs match" in client.get("/").text
    assert starred() == most


def test_a_download_has_the_jobs_of_its_key_and_for_an_admin_those_of_all(teams: TwoTeams) -> None:
    firsts = {OURS: 10, THEIRS: 40, None: 70}
    for name, first in firsts.items():
        stored, *others = team(name, first)
        teams.put_in([stored], others)
        teams.services.storage.write(stored.media[0].key, bytes(stored.media[0].bytes))
    for name, seen in ((OURS, [OURS]), (ADMIN, list(firsts))):
        with teams.client(name).get("/api/jobs.zip?metadata.user=00042") as answer:
            bundle = ZipFile(BytesIO(answer.data))
        lines = bundle.read("MISSING.txt").decode().splitlines()
        gone = [line for line in lines if "damaged" not in line]  # the others are in the file
        names = [*bundle.namelist(), *gone]
        ids = [(one or "nobody", firsts[one]) for one in seen]
        files = [f"{one}-{n}-0.{kind}" for one, n in ids for kind in ("jpg", "json")]
        drafts = [f"{one}-{n + 1}-0.jpg" for one, n in ids]
        assert sorted(names) == sorted(["MISSING.txt", *files, *drafts])


def test_an_address_that_is_none_of_the_gallery_is_refused_and_a_reason_ends_once(
    teams: TwoTeams,
) -> None:
    client = teams.client(ADMIN)
    star = {"action": "star", "job": "none", "csrf_token": csrf_token(client.get("/health").text)}
    for name in ("endpoint", "_anchor", "_method", "_scheme", "nosuchfilter"):
        assert client.post(f"/selection?{name}=x", data=star).status_code == 400
    assert client.post("/selection?q=fox", data=star).headers["Location"] == "/?q=fox"
    assert "1 could not be: No job has this id." in (page := client.get("/").text)
    assert ".." not in page


def test_a_job_made_anew_by_another_key_is_missing_from_a_download(teams: TwoTeams) -> None:
    (job, *_) = team(THEIRS, 40)
    teams.put_in([], [job])
    teams.services.storage.write(job.media[0].key, b"theirs")
    names = {job.id: [f"{job.id}-0.jpg"]}  # as the request of another key found it before
    body = b"".join(ZipContent(teams.services, names, OURS, with_input=True))
    assert b"MISSING.txt" in body and b".json" not in body


@pytest.mark.parametrize(("limit", "value"), [("FILES_MAX", 1), ("FIND_SECONDS", 0.0)])
def test_a_download_beyond_its_limits_is_refused_before_it_begins(
    teams: TwoTeams, monkeypatch: pytest.MonkeyPatch, limit: str, value: float
) -> None:
    teams.put_in([], team(OURS, 10))
    monkeypatch.setattr(downloads, limit, value)
    for _ in range(downloads.STREAMS_MAX + 1):  # each gives back its place
        refused = teams.client(OURS).get("/api/jobs.zip")
        assert (refused.status_code, refused.json["code"]) == (400, "too_many_jobs")


def test_a_slow_client_is_cut_off(teams: TwoTeams, monkeypatch: pytest.MonkeyPatch) -> None:
    teams.put_in([], team(OURS, 10))
    monkeypatch.setattr(downloads, "WINDOW_SECONDS", 0.0)
    monkeypatch.setattr(downloads, "SLOWEST_BYTES_PER_SECOND", 1e12)
    with (
        teams.client(OURS).get("/api/jobs.zip", buffered=False) as answer,
        pytest.raises(BrokenPipeError),
    ):
        list(answer.iter_encoded())
