"""The first steps: this installation's own addresses, and a test callback through the real path."""

from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from jobs.services import for_web
from jobs.settings import load
from receiver.dashboard.trial import Step, Trial
from receiver.fanout import Fanout
from tests.dashboard.visitor import Visitor, log_in, problems_seen, readable
from tests.harness.chromium import Window
from tests.harness.installation import Installation
from tests.harness.redis_server import RedisServer
from tests.harness.scene import Scene, running_scene


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with running_scene(tmp_path_factory.mktemp("first-run")) as running:
        yield running


@pytest.fixture(scope="module")
def without_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """BFL is the real one, which nobody here can reach."""
    directory = tmp_path_factory.mktemp("first-run-for-real")
    redis = RedisServer(directory / "redis")
    installation = Installation(directory, redis)
    installation.settings["PUBLIC_URL"] = installation.url
    installation.start()
    installation.wait_until_ready(path="/readyz")
    yield installation
    installation.close()
    redis.kill()


def trial_of(installation: Installation) -> str:
    answer = Visitor(installation.url).post("/start/test")
    assert answer.status_code == 200
    return readable(answer.text)


def test_the_steps_name_this_installation_and_none_of_its_secrets(scene: Scene) -> None:
    page = Visitor(scene.installation.url).get("/start").text
    url = scene.installation.url
    assert f"{url}/webhooks/bfl" in page
    assert f"curl -s {url}/api/jobs" in page
    assert f'base_url="{url}"' in unescape(page)
    assert not [secret for secret in scene.installation.secrets() if secret in page]


def test_the_address_is_the_one_the_visitor_came_by(scene: Scene) -> None:
    url = scene.installation.url.replace("127.0.0.1", "localhost")
    assert f"{url}/webhooks/bfl" in Visitor(url).get("/start").text


def test_with_a_sandbox_the_test_goes_all_the_way_to_the_stored_picture(scene: Scene) -> None:
    said = trial_of(scene.installation)
    steps = ("Sent", "Accepted", "On record", "waits in line", "stand-in took it")
    places = [said.index(step) for step in (*steps, "callback was accepted", "Fetched and stored")]
    assert places == sorted(places)
    assert "Everything works" in said
    (job,) = scene.client.jobs()
    assert job["status"] == "stored"
    assert job["metadata"] == {"test": "made by the dashboard"}


def test_without_one_no_credits_are_spent_and_nothing_stays(
    without_sandbox: Installation,
) -> None:
    said = trial_of(without_sandbox)
    assert f"a signed callback to {without_sandbox.url}/webhooks/bfl" in said
    assert "On record" in said and "The storage works" in said and "Everything works" in said
    assert without_sandbox.client().jobs() == []


def test_without_workers_it_says_who_is_missing(without_sandbox: Installation) -> None:
    with without_sandbox.redis.client() as redis:
        redis.hset("fluxkeep:seen", "worker", "1")
        without_sandbox.pause("worker")
        try:
            said = trial_of(without_sandbox)
        finally:
            without_sandbox.resume("worker")
    assert "Nobody goes on no worker is at work" in said
    assert "did not go all the way" in said


@pytest.mark.browser
def test_it_is_the_first_page_until_there_is_a_job(
    without_sandbox: Installation, window: Window
) -> None:
    page = log_in(window, without_sandbox.url)
    assert page.inner_text("h1") == "Connect an app"
    assert problems_seen(window) == []
    admin = without_sandbox.client()
    admin.put_job("the-first").raise_for_status()
    page.wait_for_selector('a[href*="/jobs/the-first"]')
    admin.request("DELETE", "/api/jobs/the-first").raise_for_status()
    assert (window.complaints, window.strangers) == ([], [])


@contextmanager
def somebody_else(status: int) -> Iterator[str]:
    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def tried(installation: Installation, public_url: str) -> list[Step]:
    """The steps of a process that believes it is reached there."""
    given = {**installation.settings, "PUBLIC_URL": public_url}
    parts = for_web(load({name: value for name, value in given.items() if value is not None}))
    try:
        return list(Trial(parts, Fanout(parts.events)).steps())
    finally:
        parts.redis.close()


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, "answered with 401: give every web process the same WEBHOOK_SECRET"),
        (302, "answered with 302, as Fluxkeep does not"),
        (200, "another installation answers at PUBLIC_URL"),
    ],
)
def test_whoever_else_answers_at_the_address_is_found_out(
    without_sandbox: Installation, status: int, said: str
) -> None:
    with somebody_else(status) as url:
        steps = tried(without_sandbox, url)
    assert said in steps[-1].detail and not steps[-1].good
    assert without_sandbox.client().jobs() == []


def test_without_a_public_address_it_says_that_bfl_cannot_call(
    without_sandbox: Installation,
) -> None:
    first, *_ = tried(without_sandbox, "")
    assert first.said == "PUBLIC_URL is not set" and not first.good


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://127.0.0.1:1", "http://127.0.0.1:1: "),
        ("https://localhost", "an address that is not on the internet"),
        ("http://keep.example", "PUBLIC_URL is plain http"),
    ],
)
def test_an_address_that_bfl_cannot_call_is_named(
    without_sandbox: Installation, address: str, said: str
) -> None:
    last = tried(without_sandbox, address)[-1]
    assert said in last.detail and not last.good


def test_only_admins_may_test_and_only_from_here(scene: Scene) -> None:
    for scope in ("read", "submit"):
        visitor = Visitor(scene.installation.url, scope)
        assert "/start/test" not in visitor.get("/start").text
        assert visitor.post("/start/test").status_code == 403
    admin = Visitor(scene.installation.url)
    assert admin.post("/start/test", forgery="made up").status_code == 403
    assert admin.get("/start/test").status_code == 303


@pytest.mark.browser
def test_each_step_shows_as_it_happens(scene: Scene, window: Window) -> None:
    page = log_in(window, scene.installation.url, "/start")
    assert problems_seen(window) == []
    scene.installation.pause("worker")
    try:
        page.click("text=Send a test callback", no_wait_after=True)
        page.wait_for_selector("text=A sample waits in line")
        assert not page.query_selector("#verdict")
    finally:
        scene.installation.resume("worker")
    page.wait_for_selector("#verdict")
    assert page.locator("#steps li").count() >= 6
    assert "Everything works" in page.inner_text("#verdict")
    assert problems_seen(window) == []
    assert (window.complaints, window.strangers) == ([], [])
