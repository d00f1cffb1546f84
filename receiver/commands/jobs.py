"""`jobs`: list them, look at one, ask for another rescue."""

import json

import click

from jobs import shape
from jobs.errors import FluxkeepError
from jobs.search import Search
from jobs.states import State
from receiver import rescues
from receiver.commands.command import Command, sentence, services
from receiver.commands.layout import portrait, table
from receiver.commands.reasons import awaited
from receiver.questions import PAGE_MAX

LIST_DEFAULT = 20


@click.group(short_help="Look after jobs: jobs list, jobs show ID, jobs rescue ID")
def jobs() -> None:
    """List jobs, look at one, rescue what was lost.

    \b
    Examples:
      flask --app receiver jobs list --status failed
      flask --app receiver jobs show 5c1f0a2e
      flask --app receiver jobs rescue 5c1f0a2e
    """


@jobs.command("list", cls=Command, short_help="List jobs, newest first.")
@click.option(
    "--status",
    type=click.Choice([*map(str, State)]),
    multiple=True,
    help="Only these; may be repeated.",
)
@click.option(
    "--limit",
    type=click.IntRange(1, PAGE_MAX),
    default=LIST_DEFAULT,
    show_default=True,
    help="At most so many.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the jobs as a JSON list.")
def listing(status: tuple[str, ...], limit: int, *, as_json: bool) -> None:
    """List jobs, newest first.

    \b
    Example:
      flask --app receiver jobs list --status failed --status lost --limit 50
    """
    wired = services()
    page = wired.pages.page(Search(states=tuple(map(State, status))), limit, None)
    shown = shape.jobs(wired, page.jobs)
    click.echo(json.dumps(shown, indent=2) if as_json else table(shown))
    if page.last and not as_json:
        click.echo(f"There are more; these are the newest {limit}.", err=True)


@jobs.command("show", cls=Command, short_help="Show a job and what happened to it.")
@click.argument("job_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print the job as JSON.")
def show(job_id: str, *, as_json: bool) -> None:
    """Show a job and what happened to it. ID is its own or that of BFL's task.

    \b
    Example:
      flask --app receiver jobs show 5c1f0a2e
    """
    wired = services()
    job = rescues.known_job(wired, job_id)
    shown = shape.job(wired, job)
    waits_for = None if job.state.terminal else awaited(wired, job)
    click.echo(json.dumps(shown, indent=2) if as_json else portrait(shown, waits_for))


@jobs.command("rescue", cls=Command, short_help="Ask BFL again and store what it gives.")
@click.argument("job_ids", metavar="ID...", nargs=-1, required=True)
def rescue(job_ids: tuple[str, ...]) -> None:
    """Ask BFL again for jobs that failed, expired or were lost, and store what it gives.

    \b
    Example:
      flask --app receiver jobs rescue 5c1f0a2e 77aa01bc
    """
    wired = services()
    wrong = 0
    for job_id in job_ids:
        try:
            click.echo(f"{job_id}  {rescues.ask_for(wired, job_id).state}")
        except FluxkeepError as error:
            click.echo(f"{job_id}  {sentence(error)}", err=True)
            wrong += 1
    click.get_current_context().exit(1 if wrong else 0)
