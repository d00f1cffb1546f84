"""`doctor`: run the checks and print their results."""

import signal
from collections import Counter
from collections.abc import Iterator

import click

from jobs.config import environment, settings
from jobs.domain.errors import InvalidSettings
from receiver import checks
from receiver.checks.context import Context
from receiver.checks.result import Grade, Result
from receiver.checks.settings import invalid
from receiver.cli.base import Command, example, plain

GRADE_WIDTH = 9
NAME_WIDTH = 15
MARGIN = " " * (GRADE_WIDTH + NAME_WIDTH)
LINE_MAX_CHARS = 100
STOP_SIGNALS = {signal.SIGTERM, signal.SIGINT}
COLOURS = {Grade.OK: "green", Grade.WARNING: "yellow", Grade.FAILED: "red"}


@click.command(cls=Command, epilog=example("doctor"))
@click.option("--release", is_flag=True, help="Only the checks that matter before a start.")
def doctor(*, release: bool) -> None:
    """Check settings, Redis, storage, BFL, callbacks, worker and sweep.

    Each line starts with ok, warning or FAILED and ends with the remedy. The exit status is 1 when
    a check failed. Nothing is changed and no secret is shown.
    """
    grades: Counter[Grade] = Counter()
    for result in _results(checks.BEFORE_START if release else checks.CHECKS):
        click.echo(_lines(result))
        grades[result.grade] += 1
    click.echo(f"\n{grades[Grade.FAILED]} failed, {grades[Grade.WARNING]} with a warning")
    if release and not grades[Grade.FAILED] and environment.has_process_manager():
        # honcho and foreman stop every process when one of them ends.
        click.echo("The checks passed. Waiting for a stop signal: the other processes run on.")
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        signal.sigwait(STOP_SIGNALS)
    click.get_current_context().exit(1 if grades[Grade.FAILED] else 0)


def _results(selected: tuple[checks.Check, ...]) -> Iterator[Result]:
    """Results of the checks, or one for each invalid setting."""
    try:
        context = Context(settings.load())
    except InvalidSettings as error:
        yield from map(invalid, error.problems)
    else:
        yield from checks.run(context, selected)


def _lines(result: Result) -> str:
    grade = click.style(result.grade.ljust(GRADE_WIDTH), COLOURS[result.grade])
    line = f"{grade}{result.name} ".ljust(NAME_WIDTH + len(grade)) + plain(result.why)
    return "\n".join(
        [line, click.wrap_text(result.remedy, LINE_MAX_CHARS, MARGIN, MARGIN)]
    ).rstrip()
