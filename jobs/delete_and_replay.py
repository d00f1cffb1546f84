"""Delete, cancel or replay one job, or notify of it again: for a request or a batch."""

from collections.abc import Callable, Iterable, Sequence
from operator import call

from jobs import kept_inputs
from jobs.domain import notifications, submission
from jobs.domain.errors import UnknownJob, WrongStatus
from jobs.domain.job import Job
from jobs.domain.status import Status
from jobs.services import Services
from jobs.sidecars import Runner
from jobs.store.commit import CommitOptions
from jobs.store.redis.scripts import Command


def replay(
    services: Services,
    job: Job,
    also: Sequence[Command] = (),
    when: Callable[[Job], bool] | None = None,
) -> Job | None:
    """Replay a job that failed, expired or was lost; None if it is under way or stored by now.

    `also` are commands for the script that changes the record. `when` may refuse the record as it
    is then. Raises WrongStatus when the job's input is gone.
    """
    has_input = job.request.kept_input is not None and kept_inputs.is_complete(job)
    if job.task_id is None and not has_input:
        raise WrongStatus("BFL never accepted this job, and its input was deleted")
    timeouts = services.settings.timeouts

    def step(current: Job, now: float) -> Job:
        if when is not None and not when(current):
            return current
        return submission.replay(current, now, timeouts)

    change = services.catalog.change(job.id, step, CommitOptions(commands=tuple(also)))
    if not change.written:
        return None
    return change.after


def notify_again(
    services: Services,
    job: Job,
    also: Sequence[Command] = (),
    when: Callable[[Job], bool] | None = None,
) -> None:
    """Notify once more of a job's end; `also` and `when` as for a replay."""
    owner = services.store.followers.owner

    def step(current: Job, now: float) -> Job:
        if when is not None and not when(current):
            return current
        return notifications.repeat(current, now, owner)

    services.catalog.change(job.id, step, CommitOptions(commands=tuple(also)))


def delete(
    services: Services,
    job: Job,
    also: Sequence[Command] = (),
    run: Runner = call,
    superseded: Iterable[str] | None = None,
) -> None:
    """Delete a job's objects, then its record; after an interruption it can be repeated.

    `also` are commands for the script that deletes the record. `superseded` are the objects of
    its earlier claims, if it has ended and they are known. Raises UnknownJob when somebody else
    deleted it meanwhile.
    """
    if superseded is not None:
        for key in superseded:
            run(services.storage.delete, key)
    while True:
        for file in job.media:
            run(services.storage.delete_with_companions, file.key)
        for file in job.request.input_files:
            run(services.storage.delete, file.key)
        if services.store.delete(job, also):
            break
        current = services.catalog.recall(job.id)  # it may have been stored meanwhile
        if current is None:
            raise UnknownJob
        job = current
        superseded = None  # its later claims may have published more objects
    # A rescue under way cannot commit any more. A directory reads all names of a day.
    if superseded is None and may_have_superseded(job):
        token = job.lease.fencing_token
        run(services.storage.delete_superseded, job.id, job.created_at, token, named_keys=())


_SENT = "what was sent to BFL cannot be taken back: only a queued job of which BFL has nothing can"


def cancel(services: Services, job: Job, run: Runner = call) -> None:
    """Delete a submission that waits in the queue, and its input; BFL never gets it.

    Its reserve is returned to its key's budget. Raises WrongStatus once it was sent, and
    UnknownJob when somebody else deleted it meanwhile.
    """
    while True:
        if not submission.is_cancellable(job):
            raise WrongStatus(_SENT)
        # A worker that takes the job from the queue changes its version: one of the two wins.
        if services.store.delete(job):
            break
        current = services.store.load(job.id, exactly=True)
        if current is None:
            raise UnknownJob
        job = current
    # The deletion of the record noted these files: after an interruption the sweep deletes them.
    for file in job.request.input_files:
        run(services.storage.delete, file.key)


def may_have_superseded(job: Job) -> bool:
    """Whether claims may have published objects that the record does not name.

    Without a claim, and by the only claim of a stored job, nothing else was published.
    """
    claims_without_other_objects = 0
    if job.status is Status.STORED:
        claims_without_other_objects = 1
    return job.lease.rescue_attempts > claims_without_other_objects
