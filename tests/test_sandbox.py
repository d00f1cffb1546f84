"""The sandbox does what BFL does, and fails the ways BFL fails."""

import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit
from zlib import crc32

import pytest
import requests

from tests.sandbox import Refused, Sandbox, Settings, Task

T = TypeVar("T")
KEY = {"x-key": "any"}
QUICK = 0.02


class App(ThreadingHTTPServer):
    """An app with a webhook: it keeps what it is sent and answers what it is told to."""

    request_queue_size = 1024

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), AppHandler)
        self.url = f"http://127.0.0.1:{self.server_port}/hook?a=1"
        self.heard: list[tuple[dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        self.delay = 0.0

    def said(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.heard]


class AppHandler(BaseHTTPRequestHandler):
    server: App

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heard.append(({k.lower(): v for k, v in self.headers.items()}, body))
        time.sleep(self.server.delay)
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 200)
        self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(Settings(generation_seconds=QUICK, callback_retries=[0.05, 0.05])) as box:
        yield box


@pytest.fixture
def app() -> Iterator[App]:
    with App() as app:
        thread = threading.Thread(target=app.serve_forever, args=(0.02,))
        thread.start()
        yield app
        app.shutdown()
        thread.join()


def until(ask: Callable[[], T], seconds: float = 5.0) -> T:
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)
    return answer


def submitted(box: Sandbox, model: str = "flux-2-pro", **body: Any) -> requests.Response:
    body = {"prompt": "a heron"} | body
    return requests.post(f"{box.url}/v1/{model}", json=body, headers=KEY, timeout=5)


def polled(box: Sandbox, task_id: str) -> requests.Response:
    url = f"{box.url}/v1/get_result?id={task_id}"
    return requests.get(url, headers=KEY, timeout=5)


def finished(box: Sandbox, **switches: Any) -> Task:
    task = box.submit(switches=switches)
    until(lambda: not box.task(task.id).active)
    return box.task(task.id)


def sample(box: Sandbox, task: Task) -> str:
    return str(polled(box, task.id).json()["result"]["sample"])


def fetched(box: Sandbox, task: Task, **headers: str) -> requests.Response:
    return requests.get(sample(box, task), headers=headers, timeout=5, allow_redirects=False)


# Submitting


def test_a_submission_is_answered_as_bfl_answers_it(box: Sandbox) -> None:
    answer = submitted(box)
    said = answer.json()
    assert answer.status_code == 200
    assert said["polling_url"] == f"{box.url}/v1/get_result?id={said['id']}"
    assert (said["cost"], said["input_mp"], said["output_mp"]) == (3.0, 0.0, 1.05)
    assert not any(name.lower().startswith("x-ratelimit") for name in answer.headers)


def test_a_submission_with_a_webhook_may_lack_its_polling_url(box: Sandbox, app: App) -> None:
    hook = {"webhook_url": app.url}
    assert "polling_url" in submitted(box, **hook).json()
    said = submitted(box, **hook, sandbox={"polling_url": False}).json()
    assert said["webhook_url"] == app.url and "polling_url" not in said


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({"width": "wide"}, ["body", "width"]),
        ({"height": 8}, ["body", "height"]),
        ({"prompt": 5}, ["body", "prompt"]),
        ({"webhook_url": ""}, ["body", "webhook_url"]),
        ({"sandbox": {"no_such_switch": 1}}, ["body", "sandbox", "no_such_switch"]),
        ({"sandbox": {"callback": "often"}}, ["body", "sandbox", "callback"]),
        ({"sandbox": {"poll_404": True}}, ["body", "sandbox", "poll_404"]),
    ],
)
def test_bad_input_is_named_in_a_422(box: Sandbox, body: dict[str, Any], loc: list[str]) -> None:
    answer = submitted(box, **body)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == loc


def test_errors_have_the_recorded_bodies(box: Sandbox) -> None:
    box.settings.keys = {"right"}
    refused = submitted(box)
    assert refused.status_code == 403
    assert refused.json() == {"detail": "Not authenticated - Invalid Authentication"}
    box.settings.keys = set()
    assert submitted(box, "unknown-model").json() == {"detail": "Not Found"}
    tool = requests.post(f"{box.url}/v1/flux-tools/erase-v1", json={}, headers=KEY, timeout=5)
    assert tool.status_code == 200


def test_credits_run_out_and_come_back(box: Sandbox) -> None:
    box.settings.credits = 4
    assert [submitted(box).status_code for _ in range(2)] == [200, 402]
    left = requests.get(f"{box.url}/v1/credits", headers=KEY, timeout=5).json()
    assert left == {"credits": 1.0}
    box.settings.credits = 10
    assert submitted(box).status_code == 200


def test_active_tasks_are_limited_in_total_and_per_model(box: Sandbox) -> None:
    box.settings.generation_seconds = 60
    kontext = [submitted(box, "flux-kontext-max").status_code for _ in range(7)]
    others = [submitted(box).status_code for _ in range(19)]
    assert (kontext.count(200), others.count(200)) == (6, 18)
    assert box.peak.peak == 24 and box.peak.peak_by_model["flux-kontext-max"] == 6
    assert box.peak.refused == 2


def test_a_refused_submission_works_when_it_is_tried_again(box: Sandbox) -> None:
    switches = {"submit_status": 503, "submit_times": 2}
    answers = [submitted(box, sandbox=switches) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [503, 503, 200]
    assert answers[0].headers["Retry-After"] == "1"
    with pytest.raises(Refused):
        box.submit(switches={"submit_status": 429})


def test_a_cut_submission_made_a_task_all_the_same(box: Sandbox) -> None:
    with pytest.raises(requests.ConnectionError):
        submitted(box, sandbox={"submit_cut": True})
    assert len(box.tasks()) == 1


# Polling


def test_a_task_goes_from_pending_to_ready(box: Sandbox) -> None:
    task = box.submit("flux-2-pro", prompt="a fox", switches={"seconds": 0.2})
    early = polled(box, task.id)
    assert early.json()["status"] == "Pending" and early.json()["result"] is None
    assert (early.headers["Retry-After"], early.headers["X-Ratelimit-Limit"]) == ("1", "1200")
    until(lambda: not box.task(task.id).active)
    late = polled(box, task.id).json()
    assert late["status"] == "Ready"
    assert sorted(late["result"]) == ["prompt", "sample", "seed", "start_time"]
    assert box.task(task.id).polls == 2


def test_the_cost_of_a_film_is_settled_when_it_is_ready(box: Sandbox) -> None:
    said = submitted(box, "flux-3-video", sandbox={"draft_cache": True}).json()
    assert said["cost"] is None
    until(lambda: not box.task(said["id"]).active)
    late = polled(box, said["id"]).json()
    assert late["cost"] == 50.0 and "draft_cache" in late["result"]
    film = requests.get(late["result"]["sample"], timeout=5)
    assert film.headers["Content-Type"] == "video/mp4" and film.content[4:8] == b"ftyp"


@pytest.mark.parametrize(
    ("outcome", "word", "details"),
    [
        ("content_moderated", "Content Moderated", {"Moderation Reasons": ["Violence"]}),
        ("request_moderated", "Request Moderated", {"Moderation Reasons": ["Violence"]}),
        ("error", "Error", {"error": "Generation failed"}),
        ("not_found", "Task not found", None),
    ],
)
def test_a_task_can_end_badly(box: Sandbox, outcome: str, word: str, details: object) -> None:
    said = polled(box, finished(box, outcome=outcome).id).json()
    assert (said["status"], said["details"], said["result"]) == (word, details, None)


def test_failing_polls_follow_each_other_and_then_stop(box: Sandbox) -> None:
    task = finished(box, poll_404=1, poll_status_not_found=1, poll_429=1, poll_500=1, poll_html=1)
    answers = [polled(box, task.id) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [404, 200, 429, 500, 200, 200]
    assert answers[1].json()["status"] == "Task not found"
    assert answers[4].headers["Content-Type"].startswith("text/html")
    assert answers[5].json()["status"] == "Ready"


def test_a_poll_can_be_cut_refused_or_forgotten(box: Sandbox) -> None:
    task = finished(box, poll_503=1, poll_cut=1, retry_after=7, forget_after=0)
    assert polled(box, task.id).headers["Retry-After"] == "7"
    with pytest.raises(requests.ConnectionError):
        polled(box, task.id)
    assert polled(box, task.id).json()["status"] == "Task not found"
    box.settings.poll_fault = 500
    assert polled(box, finished(box).id).status_code == 500


def test_a_task_is_only_known_to_its_own_cluster(box: Sandbox) -> None:
    said = submitted(box, sandbox={"wrong_cluster": "not_found"}).json()
    until(lambda: not box.task(said["id"]).active)
    assert polled(box, said["id"]).json()["status"] == "Task not found"
    own = requests.get(said["polling_url"], headers=KEY, timeout=5).json()
    assert own["status"] == "Ready"


# Calling back


@pytest.mark.parametrize("payload", ["current", "legacy", "skills"])
@pytest.mark.parametrize("auth", ["secret", "signature", "both", "none"])
def test_callbacks_have_every_shape_and_authentication(
    box: Sandbox, app: App, payload: str, auth: str
) -> None:
    switches = {"payload": payload, "auth": auth}
    task = box.submit(webhook_url=app.url, webhook_secret="s\u00e9cret", switches=switches)
    until(lambda: app.heard)
    headers, body = app.heard[0]
    said = json.loads(body)
    assert said["task_id" if payload == "legacy" else "id"] == task.id
    assert said["status"] == ("SUCCESS" if payload == "legacy" else "Ready")
    assert requests.get(said["result"]["sample"], timeout=5).content == box.picture(task.id)
    digest = hmac.new("s\u00e9cret".encode(), body, hashlib.sha256).hexdigest()
    signed = f"sha256={digest}" if auth in ("signature", "both") else None
    assert headers.get("x-bfl-signature") == signed
    secret = headers.get("x-webhook-secret", "").encode("latin-1").decode()
    assert secret == ("s\u00e9cret" if auth in ("secret", "both") else "")


@pytest.mark.parametrize(("prefix", "upper"), [(True, True), (False, False), (False, True)])
def test_signatures_are_spelled_in_more_than_one_way(
    box: Sandbox, app: App, prefix: bool, upper: bool
) -> None:
    spelling = {"auth": "signature", "signature_prefix": prefix, "signature_upper": upper}
    box.submit(webhook_url=app.url, webhook_secret="s", switches=spelling)
    until(lambda: app.heard)
    headers, body = app.heard[0]
    digest = hmac.new(b"s", body, hashlib.sha256).hexdigest()
    spelled = digest.upper() if upper else digest
    assert headers["x-bfl-signature"] == (f"sha256={spelled}" if prefix else spelled)


def test_a_late_callback_is_late(box: Sandbox, app: App) -> None:
    task = box.submit(webhook_url=app.url, switches={"callback_delay": 0.3})
    until(lambda: box.task(task.id).callbacks)
    ended = box.task(task.id)
    assert ended.finished_at is not None
    assert ended.callbacks[0].time - ended.finished_at >= 0.3


def test_a_callback_is_tried_again_and_then_abandoned(box: Sandbox, app: App) -> None:
    app.statuses = [503, 302, 500, 500]
    task = box.submit(webhook_url=app.url)
    until(lambda: len(box.task(task.id).callbacks) == 3)
    time.sleep(0.15)
    assert [callback.outcome for callback in box.task(task.id).callbacks] == [503, 302, 500]
    assert len({body for _, body in app.heard}) == 1


def test_duplicates_and_progress_are_sent_when_they_are_asked_for(box: Sandbox, app: App) -> None:
    switches = {"callback": 3, "progress_events": 2, "payload": "legacy", "seconds": 0.15}
    box.submit(webhook_url=app.url, switches=switches)
    until(lambda: len(app.heard) == 5)
    assert [said["status"] for said in app.said()] == ["PENDING", "processing", *["SUCCESS"] * 3]


def test_events_can_come_in_the_wrong_order(box: Sandbox, app: App) -> None:
    switches = {"progress_events": 2, "event_order": "reversed"}
    box.submit(webhook_url=app.url, switches=switches)
    until(lambda: len(app.heard) == 3)
    assert [said["status"] for said in app.said()] == ["Ready", "Generating", "Pending"]


def test_one_more_callback_can_be_fired_with_another_authentication(box: Sandbox, app: App) -> None:
    task = box.submit(webhook_url=app.url, webhook_secret="s", switches={"callback": "never"})
    until(lambda: not box.task(task.id).active)
    assert app.heard == []
    url = f"{box.url}/sandbox/tasks/{task.id}/callback"
    fired = requests.post(url, json={"auth": "wrong"}, timeout=5).json()
    assert fired["outcome"] == 200
    assert app.heard[0][0]["x-webhook-secret"] == "not-the-secret"
    assert box.call_back(task.id).headers["X-Webhook-Secret"] == "s"


def test_tasks_without_a_webhook_call_the_one_of_the_settings(box: Sandbox, app: App) -> None:
    box.settings.webhook_url, box.settings.webhook_secret = app.url, "shared"
    assert "polling_url" in submitted(box, sandbox={"polling_url": False}).json()
    until(lambda: app.heard)
    assert app.heard[0][0]["x-webhook-secret"] == "shared"


# Delivering


def test_a_delivery_can_be_verified(box: Sandbox) -> None:
    task = finished(box)
    answer = fetched(box, task)
    digest = hashlib.md5(answer.content, usedforsecurity=False).digest()
    assert answer.content == box.picture(task.id)
    assert answer.headers["Content-MD5"] == b64encode(digest).decode()
    assert answer.headers["Content-Length"] == str(len(answer.content))
    assert until(lambda: box.task(task.id).deliveries[0].over)
    assert box.task(task.id).deliveries[0].sent == len(answer.content)


def test_a_url_lives_exactly_as_long_as_its_se_says(box: Sandbox) -> None:
    task = finished(box)
    query = parse_qs(urlsplit(sample(box, task)).query)
    ends = datetime.fromisoformat(query["se"][0]).timestamp()
    assert task.finished_at is not None and 600 <= ends - task.finished_at < 601


def test_only_the_very_url_opens_the_media(box: Sandbox) -> None:
    url = sample(box, finished(box))
    raw = url.partition("&sig=")[2]
    assert "/" in raw and "%2B" in raw and "%3D" in raw
    for other in (url.replace("%2B", "%2b"), url.replace("image/jpeg", "image%2Fjpeg"), url[:-3]):
        assert b"AuthenticationFailed" in fetched_to_the_byte(other)
    assert fetched_to_the_byte(url)[:2] == b"\xff\xd8"


def fetched_to_the_byte(url: str) -> bytes:
    """Where requests would tidy the URL up."""
    parts = urlsplit(url)
    with closing(HTTPConnection(parts.netloc, timeout=5)) as connection:
        connection.request("GET", f"{parts.path}?{parts.query}")
        return connection.getresponse().read()


def test_a_key_on_the_delivery_path_is_refused_and_on_record(box: Sandbox) -> None:
    task = finished(box)
    assert fetched(box, task, **KEY).status_code == 400
    leaks = [seen for seen in box.requests if seen.path.startswith("/results/") and seen.has_key]
    assert len(leaks) == 1


@pytest.mark.parametrize(
    ("asked", "status", "part"),
    [
        ("bytes=0-9", 206, slice(0, 10)),
        ("bytes=100-", 206, slice(100, None)),
        ("bytes=-7", 206, slice(-7, None)),
        ("bytes=99999999-", 416, slice(0, 0)),
        ("lines=1-2", 200, slice(None)),
    ],
)
def test_ranges_are_served(box: Sandbox, asked: str, status: int, part: slice) -> None:
    task = finished(box)
    answer = fetched(box, task, Range=asked)
    assert (answer.status_code, answer.content) == (status, box.picture(task.id)[part])


@pytest.mark.parametrize("size", [0, 60_000, 60_001, 200_003, 300_000])
@pytest.mark.parametrize("form", ["jpeg", "png", "webp", "mp4"])
def test_media_has_the_wanted_size_and_is_well_formed(box: Sandbox, form: str, size: int) -> None:
    picture = box.picture(finished(box, format=form, size=size).id)
    even = size % 2 if form == "webp" else 0
    assert len(picture) == size + even or (size == 0 and len(picture) < 60_000)
    {"jpeg": check_jpeg, "png": check_png, "webp": check_webp, "mp4": check_mp4}[form](picture)


def check_jpeg(picture: bytes) -> None:
    assert picture[:3] == b"\xff\xd8\xff" and picture[-2:] == b"\xff\xd9"


def check_png(picture: bytes) -> None:
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    at = 8
    while at < len(picture):
        end = at + 8 + int.from_bytes(picture[at : at + 4], "big")
        assert crc32(picture[at + 4 : end]) == int.from_bytes(picture[end : end + 4], "big")
        at = end + 4


def check_webp(picture: bytes) -> None:
    assert (picture[:4], picture[8:12]) == (b"RIFF", b"WEBP")
    assert int.from_bytes(picture[4:8], "little") == len(picture) - 8


def check_mp4(picture: bytes) -> None:
    at, boxes = 0, []
    while at < len(picture):
        boxes.append(picture[at + 4 : at + 8])
        at += int.from_bytes(picture[at : at + 4], "big")
    assert at == len(picture) and boxes[0] == b"ftyp" and b"moov" in boxes


def test_an_expired_url_is_signed_again_unless_it_is_not(box: Sandbox) -> None:
    task = box.submit(switches={"life": 1})
    until(lambda: not box.task(task.id).active)
    assert fetched(box, task).status_code == 200
    first = sample(box, task)
    until(lambda: requests.get(first, timeout=5).status_code == 403)
    assert fetched(box, task).status_code == 200
    assert sample(box, task) != first
    assert fetched(box, finished(box, life=-1, resign=False)).status_code == 403


def test_a_broken_delivery_heals_after_its_count(box: Sandbox) -> None:
    task = finished(box, delivery_500=1, reset=1, short_body=1, wrong_md5=1, size=400_000)
    assert fetched(box, task).status_code == 500
    for _ in ("reset", "short body"):
        with pytest.raises(requests.RequestException):
            fetched(box, task)
    assert fetched(box, task).headers["Content-MD5"] == "AAAAAAAAAAAAAAAAAAAAAA=="
    assert fetched(box, task).content == box.picture(task.id)


def test_a_body_without_a_length_is_cut_in_silence(box: Sandbox) -> None:
    task = finished(box, no_length=True, short_body=1, no_md5=True)
    assert len(fetched(box, task).content) == len(box.picture(task.id)) // 2
    assert len(fetched(box, task).content) == len(box.picture(task.id))


def test_a_dripped_body_is_slow_and_seen_while_it_flows(box: Sandbox) -> None:
    task = finished(box, drip=2000)
    with requests.get(sample(box, task), stream=True, timeout=5) as answer:
        assert answer.status_code == 200
        until(lambda: box.task(task.id).deliveries[0].sent > 200)
        assert not box.task(task.id).deliveries[0].over


def test_odd_answers_are_served_as_ordered(box: Sandbox) -> None:
    assert fetched(box, finished(box, redirect="http://127.0.0.1:1/")).status_code == 302
    assert fetched(box, finished(box, delivery_status=404)).status_code == 404
    assert fetched(box, finished(box, body="<svg/>", content_type="image/png")).text == "<svg/>"
    packed = fetched(box, finished(box, gzip=True))
    assert packed.headers["Content-Encoding"] == "gzip" and packed.content[:2] == b"\xff\xd8"
    hostile = finished(box, sample_url="file:///etc/passwd")
    assert sample(box, hostile) == "file:///etc/passwd"
    missing = polled(box, finished(box, sample="missing").id).json()
    assert missing["status"] == "Ready" and "sample" not in missing["result"]
    with requests.get(sample(box, finished(box, too_large=True)), stream=True, timeout=5) as big:
        assert int(big.headers["Content-Length"]) == 2**40


# As a whole


def test_the_sandbox_is_watched_and_changed_over_http(box: Sandbox) -> None:
    task = finished(box)
    polled(box, task.id)
    control = f"{box.url}/sandbox"
    assert requests.get(f"{control}/tasks/{task.id}", timeout=5).json()["polls"] == 1
    assert requests.get(f"{control}/tasks", timeout=5).json()[0]["id"] == task.id
    assert requests.get(f"{control}/requests", timeout=5).json()[0]["headers"]["x-key"] != "any"
    assert requests.get(f"{control}/peak", timeout=5).json()["peak"] == 1
    changed = requests.patch(f"{control}/settings", json={"credits": 7}, timeout=5).json()
    assert changed["credits"] == 7 and box.settings.credits == 7
    assert requests.patch(f"{control}/settings", json={"nope": 1}, timeout=5).status_code == 422


def test_a_thousand_tasks_at_once_all_call_back(box: Sandbox, app: App) -> None:
    box.settings.max_active = 1000
    box.settings.credits = 1e6
    tasks = [box.submit(webhook_url=app.url, switches={"seconds": 0.5}) for _ in range(1000)]
    assert box.peak.active == 1000
    assert threading.active_count() < 200
    until(lambda: len(app.heard) >= len(tasks), seconds=15)
    assert {said["id"] for said in app.said()} == {task.id for task in tasks}


def test_a_few_hundred_polls_a_second_are_answered(box: Sandbox) -> None:
    task = finished(box)
    began = time.monotonic()
    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(lambda _: polled(box, task.id).ok, range(300)))
    assert time.monotonic() - began < 5


def test_stopping_leaves_no_thread_and_no_open_file(app: App) -> None:
    app.delay = 1.0
    threads, files = threading.active_count(), len(os.listdir("/proc/self/fd"))
    with requests.Session() as session, Sandbox(Settings(generation_seconds=0)) as box:
        slow = finished(box, hang=30)
        box.submit(webhook_url=app.url)
        until(lambda: app.heard)
        url = sample(box, slow)
        session.get(f"{box.url}/v1/credits", headers=KEY, timeout=5)
        waiting = threading.Thread(target=hung_up_on, args=(url,))
        waiting.start()
        until(lambda: box.task(slow.id).deliveries)
    waiting.join()
    until(lambda: threading.active_count() <= threads)
    until(lambda: len(os.listdir("/proc/self/fd")) <= files)


def hung_up_on(url: str) -> None:
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=10)


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_it_runs_alone_until_it_is_told_to_stop(end: signal.Signals) -> None:
    command = [sys.executable, "-m", "tests.sandbox", "--port", "0", "--key", "one", "two"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        url = line.strip().partition("BFL_SANDBOX_URL=")[2]
        statuses = [
            requests.get(f"{url}/v1/credits", headers={"x-key": key}, timeout=5).status_code
            for key in ("one", "two", "three")
        ]
        process.send_signal(end)
        assert process.wait(timeout=5) == 0
    assert statuses == [200, 200, 403]
