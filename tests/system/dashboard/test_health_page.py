"""Health at a glance: what an operator sees at three in the morning."""

from collections.abc import Iterator

import pytest
from redis import Redis

from jobs.store.batch_actions import Action, FailedJob
from jobs.store.search_conditions import Search
from receiver.context import current_services
from tests.harness import Stack, wait_for
from tests.harness.chromium import Window
from tests.harness.in_process_dashboard import InProcessVisitor, MakeApp
from tests.harness.parts import services_over
from tests.harness.visitor import Visitor, log_in, problems_seen, readable

NO_CREDITS = "BFL says that the credits are used up"

SETTINGS = {"MAX_ACTIVE": "3,flux-dev=2"}


@pytest.fixture(scope="module")
def visitor(stack: Stack) -> Visitor:
    return Visitor(stack.installation.url, "read")


@pytest.fixture
def redis(stack: Stack) -> Iterator[Redis]:
    with stack.installation.redis.client() as client:
        yield client


def wait_for_texts(visitor: Visitor, *texts: str) -> str:
    """The page once it says all of this: it may be a second old."""

    def probe() -> str | None:
        page_text = visitor.text("/health")
        return page_text if all(text in page_text for text in texts) else None

    return wait_for(f"the page to say {texts}", probe)


def test_an_installation_that_works_is_well(visitor: Visitor) -> None:
    page_text = wait_for_texts(visitor, "All checks passed", "sweep was seen")
    assert "worker was seen" in page_text and "storage publishes, reads" in page_text
    assert "Submitting is not paused" in page_text


def test_the_job_with_the_least_life_left_is_named_first(stack: Stack, visitor: Visitor) -> None:
    slow = [stack.generate(drip=500) for _ in range(2)]
    page_text = wait_for_texts(visitor, "URL expires in", *(task.id[:8] for task in slow))
    assert "None: everything that BFL has finished is stored" not in page_text
    for task in slow:
        stack.change_switches(task, drip=None)
        stack.client.request("DELETE", f"/api/jobs/{task.id}")
    wait_for_texts(visitor, "None: everything that BFL has finished is stored")


def test_an_open_circuit_shows_its_reason_and_its_waiting_jobs(
    stack: Stack, visitor: Visitor, redis: Redis
) -> None:
    submission_queue = services_over(redis).submission_queue
    submission_queue.open_circuit("*", NO_CREDITS, 600)
    for _ in range(2):
        stack.client.submit("flux-dev", prompt="x")
    page_text = wait_for_texts(
        visitor, f"submissions: submitting is paused: {NO_CREDITS}", "flux-dev 0 of 2, 2 queued"
    )
    assert "1 check failed" in page_text
    submission_queue.close_circuits(["*"])
    wait_for("it goes on", lambda: "All checks passed" in visitor.text("/health"), 30)


def test_a_batch_can_be_stopped_and_what_became_of_it_is_told(make_app: MakeApp) -> None:
    app = make_app()
    with app.app_context():
        batches = current_services().batches
        batch = batches.add(Action.DELETE, Search(owner="7"), 3, None, 1.0)
    for scope, status in (("read", 403), ("admin", 303)):
        visitor = InProcessVisitor(app)
        visitor.log_in(scope)
        text = readable(visitor.get("/health").text)
        assert "Deleting 3 jobs 3 left" in text and ("left Stop" in text) is (scope == "admin")
        fields = {"action": "stop", "batch": batch.id, "back": "/health"}
        assert visitor.post("/selection", **fields).status_code == status
    stopped = batches.get(batch.id)
    assert stopped and stopped.is_stopped and stopped.ended_at
    failed = batches.add(Action.REPLAY, Search(owner="7"), 1, None, 2.0)
    batches.advance(failed, None, [FailedJob("a-job", "its input is gone")], stopped.ended_at)
    wait_for("it has ended", lambda: "Deleting" not in visitor.get("/health").text)
    text = readable(visitor.get("/health").text)
    assert "Replayed 0 of 1 job" in text
    assert "Deleted 0 of 3 jobs now , stopped" in text
    assert "1 failed its input is gone" in text


@pytest.mark.browser
def test_it_renews_itself_while_it_is_open(stack: Stack, window: Window) -> None:
    page = log_in(window, stack.installation.url, "/health", "read")
    before = page.inner_text("#statuses li.stored .count")
    stack.stored(stack.generate())
    page.wait_for_function(
        "before => document.querySelector('#statuses li.stored .count').innerText !== before",
        arg=before,
    )
    assert page.get_attribute("#costs svg", "role") == "img"
    assert problems_seen(window) == []
    assert (window.complaints, window.strangers) == ([], [])


@pytest.mark.browser
def test_a_page_that_is_open_stops_saying_that_all_is_well(stack: Stack, window: Window) -> None:
    page = log_in(window, stack.installation.url, "/health", "read")
    well = page.get_by_role("heading", name="All checks passed")
    well.wait_for()
    stack.installation.redis.pause()
    try:
        page.get_by_role("heading", name="Redis does not answer").wait_for()
    finally:
        stack.installation.redis.resume()
    well.wait_for()
    page.context.set_offline(True)
    page.get_by_text("You are offline").wait_for()
    assert not well.is_visible()
    page.context.set_offline(False)
    well.wait_for()
