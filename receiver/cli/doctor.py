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
    results: Iterator[Result]
    try:
        context = Context(settings.load())
        results = checks.run(context, checks.BEFORE_START if release else checks.CHECKS)
    except InvalidSettings as error:
        results = map(invalid, error.problems)
    for result in results:
        grade = click.style(result.grade.ljust(GRADE_WIDTH), COLOURS[result.grade])
        click.echo(f"{grade}{result.name} ".ljust(NAME_WIDTH + len(grade)) + plain(result.why))
        if result.remedy:
            click.echo(click.wrap_text(result.remedy, LINE_MAX_CHARS, MARGIN, MARGIN))
        grades[result.grade] += 1
    click.echo(f"\n{grades[Grade.FAILED]} failed, {grades[Grade.WARNING]} with a warning")
    if release and not grades[Grade.FAILED] and environment.has_process_manager():
        # honcho and foreman stop every process when one of them ends.
        click.echo("The checks passed. Waiting for a stop signal: the other processes run on.")
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
        signal.sigwait(STOP_SIGNALS)
    click.get_current_context().exit(1 if grades[Grade.FAILED] else 0)
