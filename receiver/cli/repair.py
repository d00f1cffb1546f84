"""`repair`: make records, indexes and storage agree."""

import click

from jobs.errors import FluxkeepError
from receiver.cli.command import Command, plain, sentence, services
from receiver.repair import Finding, examine

CLEAN, LEFT, NOT_POSSIBLE = 0, 1, 2


@click.command(cls=Command, short_help="Make records and storage agree: repair --dry-run")
@click.option("--dry-run", is_flag=True, help="Report only; end with 1 if anything was found.")
@click.option("--verify-bytes", is_flag=True, help="Read every object, and compare its SHA-256.")
def repair(*, dry_run: bool, verify_bytes: bool) -> None:
    """Reindex records, restore those that were lost, and name what is missing or unexplained.

    After a loss of Redis it restores the records of stored jobs from the sidecars beside their
    media. It is safe while Fluxkeep runs and can be interrupted and repeated. Media that a record
    names are never deleted. Ends with 0 when all is well, 1 when something is left to do, 2 when
    Redis or the storage cannot be used.

    \b
    Examples:
      flask --app receiver repair --dry-run
      flask --app receiver repair --verify-bytes
    """
    found = repaired = 0
    try:
        for finding in examine(services(), verify_bytes=verify_bytes):
            done = not dry_run and finding.repair is not None and finding.repair()
            click.echo(_line(finding, done=done, dry_run=dry_run))
            found, repaired = found + 1, repaired + done
    except FluxkeepError as error:
        click.echo(f"Error: {sentence(error)}", err=True)
        click.get_current_context().exit(NOT_POSSIBLE)
    click.echo(f"{found} found, {repaired} repaired" if found else "all is well")
    click.get_current_context().exit(CLEAN if found == repaired else LEFT)


def _line(finding: Finding, *, done: bool, dry_run: bool) -> str:
    end = " (repaired)" if done else ""
    if not dry_run and finding.repair is None:
        end = " (needs a person)"
    return plain(f"{finding.subject}: {finding.problem}{end}")
