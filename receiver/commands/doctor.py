"""`doctor`: is this installation fit to work?"""

import shutil
import signal
import textwrap
from collections import Counter

import click

from jobs import environment
from receiver.commands.command import Command, plain
from receiver.doctor import Finding, Grade, examine

GRADE_WIDTH = 9
PART_WIDTH = 15
LINE_MAX_CHARS = 100
STOPS = {signal.SIGTERM, signal.SIGINT}
COLOURS = {Grade.OK: "green", Grade.WARNING: "yellow", Grade.FAILED: "red"}


@click.command(cls=Command, short_help="Check this installation, and say what to do: doctor")
@click.option("--release", is_flag=True, help="Only what must be right before anything starts.")
def doctor(*, release: bool) -> None:
    """Check settings, Redis, storage, BFL, callbacks, worker and sweep.

    Each line says ok, warning or FAILED, and then what to do. Ends with 1 when anything failed.
    Nothing is changed and no secret is shown.

    \b
    Examples:
      flask --app receiver doctor
      flask --app receiver doctor --release    before the processes are started
    """
    grades: Counter[Grade] = Counter()
    for finding in examine(release=release):
        click.echo(_lines(finding))
        grades[finding.grade] += 1
    click.echo(f"\n{grades[Grade.FAILED]} failed, {grades[Grade.WARNING]} to look at")
    if release and not grades[Grade.FAILED] and environment.is_under_a_runner():
        _wait_to_be_stopped()
    click.get_current_context().exit(1 if grades[Grade.FAILED] else 0)


def _wait_to_be_stopped() -> None:
    """A runner of the whole Procfile would end web, worker and sweep if this line ended."""
    click.echo("The others run: waiting to be stopped with them.")
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    signal.sigwait(STOPS)


def _lines(finding: Finding) -> str:
    grade = click.style(finding.grade.ljust(GRADE_WIDTH), COLOURS[finding.grade])
    part = f"{finding.part} ".ljust(PART_WIDTH)
    said = [f"{grade}{part}{plain(finding.said)}"]
    return "\n".join([*said, *_indented(finding.remedy)])


def _indented(text: str) -> list[str]:
    width = min(shutil.get_terminal_size().columns, LINE_MAX_CHARS) - GRADE_WIDTH - PART_WIDTH
    margin = " " * (GRADE_WIDTH + PART_WIDTH)
    return [f"{margin}{line}" for line in textwrap.wrap(text, max(width, 40))]
