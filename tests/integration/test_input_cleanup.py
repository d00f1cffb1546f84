"""The sweep deletes objects that no record names, and inputs that are to be deleted."""

import base64
from typing import Any

import pytest

from jobs.domain import submission
from jobs.domain.job_record import Request
from jobs.domain.status import Status
from jobs.services import Services
from jobs.store.commit import REPLAY_SECONDS
from receiver import input_storage
from tests.harness.kept_inputs import notes, objects, with_input
from tests.sandbox.formats import gradient
from worker.periodic.input_cleanup import delete_unrecorded

IMAGE = base64.b64encode(gradient(7)).decode()


def noted(services: Services) -> str:
    """A note, and objects without a record: their process was killed before it wrote one."""
    job = with_input(
        services.storage, submission.create("own", "m", services.store.now()), {"a": IMAGE}
    )

    def die(_note: str | None) -> Any:
        raise SystemExit

    monkey = pytest.MonkeyPatch()
    monkey.setattr(input_storage, "_store", lambda *_: None)  # they are there
    with pytest.raises(SystemExit):
        input_storage.record(services, (), job.request.input_files, die, is_new_id=True)
    monkey.undo()
    (note,) = notes(services)
    return note


def test_objects_without_a_record_are_deleted_within_an_hour(services: Services) -> None:
    note, now = noted(services), services.store.now()
    assert len(objects(services)) == 1
    delete_unrecorded(services, now + input_storage.UNRECORDED_SECONDS - 60)
    assert len(objects(services)) == 1 and note in notes(services)
    delete_unrecorded(services, now + input_storage.UNRECORDED_SECONDS + 1)
    assert objects(services) == [] and notes(services) == []


def test_objects_that_a_record_names_by_then_stay(services: Services) -> None:
    note = noted(services)
    created = submission.create("own", "m", services.store.now())
    job = with_input(services.storage, created, {"a": IMAGE})
    services.store.update("own", lambda _job, _now: job, new=True)
    assert note in notes(services)
    delete_unrecorded(services, services.store.now() + 2 * input_storage.UNRECORDED_SECONDS)
    assert objects(services) == job.object_keys and notes(services) == []


@pytest.fixture
def forgetful(services: Services) -> Services:
    """A queued job whose input is to be deleted."""
    details = Request(deletes_input=True)
    created = submission.create("own", "m", services.store.now(), details)
    job = with_input(services.storage, created, {"a": IMAGE, "b": 1})
    services.store.update("own", lambda _job, _now: job, new=True)
    return services


def kept(services: Services) -> Any:
    job = services.store.load("own")
    assert job is not None
    return job.request.kept_input


def end(services: Services) -> None:
    services.store.change("own", lambda job, now: job.ended(now, Status.FAILED))


def test_an_input_that_bfl_has_is_deleted(forgetful: Services) -> None:
    assert notes(forgetful) == []
    forgetful.store.change("own", lambda job, _now: job.evolve(task_id="task"))
    assert kept(forgetful) == {"a": "input:0", "b": 1}
    delete_unrecorded(forgetful, forgetful.store.now())
    assert kept(forgetful) is None and objects(forgetful) == [] and notes(forgetful) == []


def test_an_input_that_bfl_never_had_is_deleted_after_a_day(forgetful: Services) -> None:
    end(forgetful)
    now = forgetful.store.now()
    delete_unrecorded(forgetful, now + REPLAY_SECONDS - 60)
    assert kept(forgetful) and len(objects(forgetful)) == 1
    delete_unrecorded(forgetful, now + REPLAY_SECONDS + 1)
    assert kept(forgetful) is None and objects(forgetful) == []


def test_an_input_that_is_replayed_meanwhile_is_still_of_use(forgetful: Services) -> None:
    timeouts = forgetful.settings.timeouts
    end(forgetful)
    forgetful.store.change("own", lambda job, now: submission.replay(job, now, timeouts))
    delete_unrecorded(forgetful, forgetful.store.now() + 2 * REPLAY_SECONDS)
    assert kept(forgetful) and len(objects(forgetful)) == 1
