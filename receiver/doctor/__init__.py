"""Whether an installation is fit to work, part by part, and what to do where it is not."""

from collections.abc import Iterator

from jobs import observers, settings
from jobs.errors import InvalidSettings
from jobs.services import bfl, redis_for_web
from jobs.settings import Settings
from receiver.doctor import account, address, keeping, processes, redis, variables
from receiver.doctor.finding import Finding, Grade, failed

__all__ = ["Finding", "Grade", "examine"]


def examine(*, release: bool = False) -> Iterator[Finding]:
    """Each finding as soon as it is known; what cannot be looked at does not stop the rest.

    Before a release nothing of it may run yet, and BFL's bad day must not stop it.
    """
    try:
        given = settings.load()
    except InvalidSettings as error:
        yield from map(_wrong, error.problems)
        return
    yield from variables.look(given)
    yield from map(_wrong, observers.missing(given))
    yield from _around_redis(given, alone=release)
    yield keeping.look(given)
    if not release:
        yield account.look(bfl(given), given)
        yield from address.look(given)


def _around_redis(given: Settings, *, alone: bool) -> Iterator[Finding]:
    try:
        connection = redis_for_web(given)
    except InvalidSettings as error:
        yield from map(_wrong, error.problems)
        return
    with connection:
        yield from redis.look(connection, given)
        if not alone:
            yield from processes.look(connection)


def _wrong(problem: str) -> Finding:
    name, _, what = problem.partition(": ")
    return failed(name, what, "Set it right (README.md has a table of all) and ask again.")
