"""The dashboard over Redis and the database: what people see, also while the database is away."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from jobs.store.redis.keys import ARCHIVE_DUE, RECORD_PREFIX
from tests.harness import Stack, running_stack, wait_for
from tests.harness.chromium import Window
from tests.harness.screenshots.sample_jobs import store_image
from tests.harness.visitor import Visitor, log_in, problems_seen

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Two jobs that only the database has, and a newer one that Redis has for two days."""
    settings = {"DATABASE_URL": "sqlite:///{directory}/archive.db", "HOT_DAYS": "0"}
    with running_stack(tmp_path_factory.mktemp("stack"), None, None, **settings) as running:
        for n in range(2):
            store_image(running, n, 832, 1216)
        wait_for("no thumbnail is due", lambda: not running.awaiting_thumbnails(), 60)
        wait_for("evictions", lambda: not hot(running), 60)
        running.installation.stop("sweep")
        running.installation.start("sweep", HOT_DAYS="2")
        store_image(running, 2, 1216, 832)
        yield running


def hot(stack: Stack) -> list[str]:
    """The jobs with a record, which the sweep is to look at now."""
    with stack.installation.redis.client() as redis:
        keys = [str(key) for key in redis.scan_iter(f"{RECORD_PREFIX}*")]
        for job_id in redis.zrange(ARCHIVE_DUE, 0, -1):
            redis.zadd(ARCHIVE_DUE, {job_id: 0}, xx=True)
    return keys


@pytest.fixture
def no_database(stack: Stack) -> Iterator[None]:
    """It is away inside the test, and comes back as it was."""
    database = stack.installation.directory / "archive.db"
    away = database.with_name("away")
    database.rename(away)
    database.mkdir()
    yield
    database.rmdir()
    away.rename(database)


def test_the_gallery_shows_and_counts_archived_jobs(stack: Stack, window: Window) -> None:
    page = log_in(window, stack.installation.url)
    expect(page.locator("#cards > li")).to_have_count(3)
    expect(page.locator("#tabs a[aria-current]")).to_have_text("All 3")
    page.locator("#cards > li a").last.click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.goto(f"{stack.installation.url}/health")
    expect(page.locator("#statuses li.stored .count")).to_have_text("3")
    expect(page.locator("#checks")).to_contain_text("2 jobs only there, 1 in Redis")
    assert problems_seen(window) == [] and window.complaints == []


def test_archived_images_are_found_by_their_words(stack: Stack, window: Window) -> None:
    page = log_in(window, stack.installation.url)
    page.goto(f"{stack.installation.url}/?status=stored")
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type('HÍLLS "number 0"')
    page.keyboard.press("Enter")
    cards = page.locator("#cards > li")
    expect(cards).to_have_count(1)
    assert cards.locator("mark").all_inner_texts() == ["hills", "number", "0"]
    assert "q=" in page.url and "status=stored" in page.url
    cards.click()
    page.wait_for_url("**/jobs/*")
    page.go_back()
    expect(page.get_by_role("searchbox")).to_have_value('HÍLLS "number 0"')
    page.get_by_role("searchbox").fill("hills dragon")
    page.keyboard.press("Enter")
    expect(page.get_by_text("No job matches")).to_be_visible()
    page.get_by_role("link", name="Search without words: hills dragon").click()
    expect(cards).to_have_count(3)
    assert problems_seen(window) == [] and window.complaints == []


@pytest.mark.usefixtures("no_database")
def test_a_gallery_that_is_cut_says_so(stack: Stack, window: Window) -> None:
    page = log_in(window, stack.installation.url)
    expect(page.locator("#cards > li")).to_have_count(1)
    expect(page.locator("#tabs a[aria-current]")).to_have_text("All 3")
    pagination = page.locator("#pagination")
    expect(pagination).to_contain_text("Older jobs are in the database, which does not answer.")
    expect(pagination.get_by_text("Older", exact=True)).to_have_count(0)
    assert problems_seen(window) == []
    pagination.get_by_role("link", name="Try again").click()
    expect(page.get_by_text("The database of ended jobs does not answer.")).to_be_visible()


@pytest.mark.usefixtures("no_database")
def test_the_page_of_an_archived_job_is_an_error_that_passes(stack: Stack) -> None:
    visitor = Visitor(stack.installation.url, "read")
    newest, *_ = stack.client.jobs()
    with stack.installation.redis.client() as redis:
        assert redis.exists(RECORD_PREFIX + newest["id"])
    assert visitor.get(f"/jobs/{newest['id']}").status_code == 200  # it asks for its variants
    answer = visitor.get("/jobs/some-archived-job")
    assert answer.status_code == 503 and int(answer.headers["Retry-After"]) > 0
    assert "The database of ended jobs does not answer." in answer.text
    wait_text = "does not answer (SQLITE_CANTOPEN"
    wait_for("the check", lambda: wait_text in visitor.text("/health"), 20)
    assert "Running, with 1 warning" in visitor.text("/health")
