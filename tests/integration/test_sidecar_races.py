"""A sidecar is written anew while its job is being deleted."""

from collections.abc import Callable
from itertools import count, islice
from typing import Any

import pytest

from jobs import sidecars
from jobs.domain.retention import DAY_SECONDS
from tests.harness.local_worker import LocalWorker
from worker.periodic.retention import RetentionCleanup


@pytest.mark.parametrize("before_call", range(3))
@pytest.mark.parametrize("deletions", range(1, 4))
def test_none_is_left(
    worker: LocalWorker,
    monkeypatch: pytest.MonkeyPatch,
    before_call: int,
    deletions: int,
) -> None:
    """The deletion is that far when the writer comes to this call of the storage."""
    task = worker.ready()
    worker.work()
    job, media, order = worker.job(task), worker.storage, list[str]()
    with monkeypatch.context() as patch:
        patch.setattr(media, "delete", order.append)
        media.delete_with_companions(job.media[0].key)
    left, calls = iter(order), count()

    def during_deletion(call: Callable[..., Any]) -> Callable[..., Any]:
        def called(*args: Any) -> Any:
            if next(calls) == before_call:
                for key in islice(left, deletions):
                    media.delete(key)
            return call(*args)

        return called

    with monkeypatch.context() as patch:
        for name in ("size", "write"):
            patch.setattr(media, name, during_deletion(getattr(media, name)))
        sidecars.update(worker.store, media, job.id)
    assert next(calls) > before_call
    for key in left:
        media.delete(key)
    assert worker.store.delete(job) and list(media.list_objects()) == []


def test_none_describes_an_input_after_its_record_has_gone(
    worker: LocalWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writer is done between the two steps of retention: the input goes, then the record."""
    task = worker.ready()
    worker.work()
    kept = {"prompt": "canary"}
    worker.store.change(task.id, lambda job, _now: job.with_request(kept_input=kept))
    job, media, store = worker.job(task), worker.storage, worker.store
    delete, later = store.delete_unchanged, store.now() + 31 * DAY_SECONDS

    def delete_late(*args: Any) -> bool:
        sidecars.update(store, media, job.id)
        return delete(*args)

    monkeypatch.setattr(store, "delete_unchanged", delete_late)
    monkeypatch.setattr(store, "now", lambda: later)
    RetentionCleanup(worker.services).step()
    assert store.load(job.id) is None
    assert not sidecars.read(media, job.media[0].key).request.kept_input
