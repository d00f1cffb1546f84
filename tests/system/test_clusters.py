"""BFL names no polling URL beside a webhook: a lost callback is found on the task's own cluster."""

from collections.abc import Iterator

import pytest

from tests.harness import CommandLine, Stack
from tests.harness.doctor_output import failed
from tests.harness.stack import stack_with_clusters
from tests.sandbox import Sandbox

GRACE_SECONDS = "1"
GIVE_UP_SECONDS = "40"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    directory = tmp_path_factory.mktemp("clusters")
    with stack_with_clusters(
        directory, 2, CALLBACK_GRACE=GRACE_SECONDS, GIVE_UP_AFTER=GIVE_UP_SECONDS
    ) as running:
        yield running


@pytest.mark.parametrize("cluster", [1, 2])
def test_a_lost_callback_of_a_task_on_any_cluster_costs_no_picture(
    stack: Stack, cluster: int
) -> None:
    job = stack.posted(cluster=cluster, callback="never")
    stored = stack.stored_job(job)
    assert stored["source"] == "poll"
    task = stack.task(job)
    assert task.host == cluster and "polling_url" not in task.input
    asked = [seen.host for seen in stack.polls(task)]
    assert asked[0] == 0 and asked.count(cluster) == 1, "the global host first, then the others"


def test_a_callback_from_a_cluster_brings_its_media(stack: Stack) -> None:
    job = stack.posted(cluster=2)
    assert stack.stored_job(job)["source"] == "callback"
    assert stack.polls(stack.task(job)) == []


def test_a_dead_url_is_renewed_by_the_cluster_that_named_it(stack: Stack) -> None:
    job = stack.posted(cluster=2, life=-1)
    stack.stored_job(job)
    assert [seen.host for seen in stack.polls(stack.task(job))] == [2]


def test_a_global_host_without_an_answer_hides_no_task(stack: Stack) -> None:
    stack.sandbox.settings.change({"poll_faults_by_host": {"0": "hang", "1": 403}})
    try:
        job = stack.posted(cluster=2, callback="never")
        stack.stored_job(job, timeout=45)
    finally:
        stack.sandbox.settings.change({"poll_faults_by_host": {}})


def test_a_task_that_no_host_knows_is_lost_at_its_deadline_and_not_before(stack: Stack) -> None:
    job = stack.posted(cluster=1, callback="never", poll_404=10_000)
    ended = stack.ended(job, timeout=90)
    assert (ended["status"], ended["error"]["code"]) == ("lost", "no_final_word")
    asked = [seen.host for seen in stack.polls(stack.task(job))]
    assert asked.count(1) == asked.count(2) == 2, "in the first round and in the last"


@pytest.fixture
def bfl(stack: Stack) -> Iterator[Sandbox]:
    """A BFL that answers submissions of others than the tests as a test wants it."""
    yield stack.sandbox
    stack.sandbox.reset_default_switches()


def test_one_image_tells_how_bfl_answers_and_calls_back(
    stack: Stack, shell: CommandLine, bfl: Sandbox
) -> None:
    bfl.set_default_switches(cluster=2, priced=False)
    told = shell.run("doctor", "--try-bfl", "--yes")
    assert told.code == 0 and failed(told) == []
    *others, cluster = bfl.urls
    assert "BFL names none beside a webhook; its answer has id, status, webhook_url" in told.words
    assert f"it is known at {cluster}; not known at {', '.join(others)}" in told.words
    assert "authenticated by X-Webhook-Secret" in told.words
    assert "status Ready: id, status, result" in told.words
    assert "; result has start_time, prompt, seed, sample" in told.words
    assert "not in the callback" in told.words
    task = bfl.tasks()[-1]
    job = stack.client.job(task.id)
    assert (job["status"], job["source"]) == ("stored", "callback"), "what was paid is kept"
    assert job["metadata"] == {"source": "doctor --try-bfl"}
    assert job["id"] in told.words


def test_what_bfl_does_otherwise_is_told_as_it_is(shell: CommandLine, bfl: Sandbox) -> None:
    bfl.set_default_switches(cluster=1, polling_url=True, auth="signature", cost_in_callback=True)
    told = shell.run("doctor", "--try-bfl", "--yes")
    assert told.code == 0
    assert f"BFL names one, at {bfl.urls[1]}" in told.words
    assert "authenticated by X-BFL-Signature" in told.words
    assert "is in the callback" in told.words


def test_a_callback_without_a_known_proof_is_told(shell: CommandLine, bfl: Sandbox) -> None:
    bfl.set_default_switches(cluster=1, auth="none")
    told = shell.run("doctor", "--try-bfl", "--yes")
    assert failed(told) == ["callback"]
    assert "neither X-Webhook-Secret nor X-BFL-Signature" in told.words
    assert "is stored, by poll" in told.words


@pytest.mark.parametrize(
    ("answer", "settings", "words"),
    [
        ("n", {}, "Submit one image to http://127.0.0.1"),
        ("y", {"BFL_SANDBOX_URL": None, "PUBLIC_URL": None}, "PUBLIC_URL is not set"),
        ("y", {"BFL_SANDBOX_URL": None, "BFL_API_KEY": None}, "BFL_API_KEY is not set"),
    ],
)
def test_nothing_is_submitted_without_consent_or_without_hope(
    stack: Stack, shell: CommandLine, answer: str, settings: dict[str, str | None], words: str
) -> None:
    before = len(stack.sandbox.tasks())
    told = shell.run("doctor", "--try-bfl", stdin=answer, **settings)
    assert told.code == 1 and words in told.words
    assert len(stack.sandbox.tasks()) == before


def test_a_refusal_of_the_key_is_told(stack: Stack, shell: CommandLine) -> None:
    stack.sandbox.settings.change({"submit_fault": 403})
    try:
        told = shell.run("doctor", "--try-bfl", stdin="y")
    finally:
        stack.sandbox.settings.change({"submit_fault": None})
    assert told.code == 1 and "BFL answered 403: Not authenticated" in told.words
