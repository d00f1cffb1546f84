"""`doctor`: run the checks and print their results."""

import signal
from collections import Counter
from collections.abc import Iterable, Iterator

import click

from jobs.bfl.account_refusals import GET_STARTED
from jobs.config import environment, settings
from jobs.domain.errors import BflUnavailable, InvalidSettings
from receiver import checks
from receiver.checks.context import Context
from receiver.checks.result import Grade, Result
from receiver.checks.settings import invalid
from receiver.cli import try_bfl
from receiver.cli.base import Command, example, load_services, printable

GRADE_WIDTH = 9
NAME_WIDTH = 15
MARGIN = " " * (GRADE_WIDTH + NAME_WIDTH)
LINE_MAX_CHARS = 100
STOP_SIGNALS = {signal.SIGTERM, signal.SIGINT}
COLOURS = {Grade.OK: "green", Grade.WARNING: "yellow", Grade.FAILED: "red"}


@click.command(cls=Command, epilog=example("doctor"))
@click.option("--release", is_flag=True, help="Only the checks that matter before a start.")
@click.option(
    "--try-bfl",
    "is_trial",
    is_flag=True,
    help="Submit one image, and tell how BFL answers and calls back. It is paid.",
)
@click.option("--yes", is_flag=True, help="Do not ask before --try-bfl submits.")
def doctor(*, release: bool, is_trial: bool, yes: bool) -> None:
    """Check settings, Redis, storage, BFL, callbacks, worker and sweep.

    Each line starts with ok, warning or FAILED and ends with the remedy. The exit status is 1 when
    a check failed. Nothing is changed and no secret is shown.

    With --try-bfl one image is submitted to BFL instead, for about 1.4 credits. It tells whether
    BFL names a polling URL, which host knows the task, which header authenticates the callback,
    and what the callback has in it.
    """
    if is_trial:
        _report(_trial(is_confirmed=yes))
        return
    checks_to_run = checks.CHECKS
    if release:
        checks_to_run = checks.BEFORE_START
    results: Iterable[Result]
    try:
        results = checks.run(Context(settings.load()), checks_to_run)
    except InvalidSettings as error:
        results = [invalid(problem) for problem in error.problems]
    _report(results, waits=release)


def _trial(*, is_confirmed: bool) -> Iterator[Result]:
    """Raises FluxkeepError when nothing could be submitted."""
    services = load_services()
    if not services.bfl.has_key:
        raise BflUnavailable(f"BFL_API_KEY is not set: get a key at {GET_STARTED}")
    if not services.settings.bfl_reaches_us:
        raise BflUnavailable("PUBLIC_URL is not set, so BFL cannot call back")
    if not is_confirmed:
        click.confirm(try_bfl.question(services), abort=True)
    return try_bfl.try_bfl(services)


def _report(results: Iterable[Result], *, waits: bool = False) -> None:
    """Print the results, and end with 1 if one is a failure."""
    grades: Counter[Grade] = Counter()
    for result in results:
        grade = click.style(result.grade.ljust(GRADE_WIDTH), COLOURS[result.grade])
        click.echo(f"{grade}{result.name} ".ljust(NAME_WIDTH + len(grade)) + printable(result.why))
        if result.remedy:
            click.echo(click.wrap_text(result.remedy, LINE_MAX_CHARS, MARGIN, MARGIN))
        grades[result.grade] += 1
    click.echo(f"\n{grades[Grade.FAILED]} failed, {grades[Grade.WARNING]} with a warning")
    if waits and not grades[Grade.FAILED] and environment.has_process_manager():
        # honcho and foreman stop every process when one of them ends.
        click.echo("The checks passed. Waiting for a stop signal: the other processes run on.")
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        signal.sigwait(STOP_SIGNALS)
    if grades[Grade.FAILED]:
        click.get_current_context().exit(1)
