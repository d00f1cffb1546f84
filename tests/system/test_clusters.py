"""BFL names no polling URL beside a webhook: a lost callback is found on the task's own cluster."""

from collections.abc import Iterator

import pytest

from tests.harness import Stack
from tests.harness.stack import stack_with_clusters

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
    stack.sandbox.settings.change({"poll_faults_by_host": {0: "hang", 1: 403}})
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
