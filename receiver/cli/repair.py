"""`repair`: make records, indexes and storage consistent."""

from collections.abc import Iterator
from functools import partial

import click

from jobs.domain.errors import FluxkeepError
from jobs.services import Services
from receiver.cli.base import Command, example, load_services, printable, sentence
from receiver.repair import indexes, media, objects
from receiver.repair.finding import Finding

# Exit statuses; 0 when nothing is wrong, or all is repaired.
LEFT = 1
UNAVAILABLE = 2


@click.command(cls=Command, epilog=example("repair --dry-run"))
@click.option("--dry-run", is_flag=True, help="Report only; end with 1 if there is a finding.")
@click.option("--verify-bytes", is_flag=True, help="Read every object, and compare its SHA-256.")
def repair(*, dry_run: bool, verify_bytes: bool) -> None:
    """Reindex records, restore lost ones, and list missing or unexplained objects.

    After a loss of Redis it restores the records of stored jobs from the sidecars next to their
    media. It is safe while Fluxkeep runs; it can be interrupted and repeated. Media that a record
    names are never deleted. Ends with 0 when nothing is wrong, 1 when a finding is left, 2 when
    Redis or the storage cannot be used.
    """
    findings = 0
    repaired = 0
    try:
        for finding in _examine(load_services(), verify_bytes=verify_bytes):
            findings += 1
            if dry_run:
                outcome = ""
            elif finding.repair is None:
                outcome = " (no automatic repair)"
            elif finding.repair():
                outcome = " (repaired)"
                repaired += 1
            else:
                outcome = ""  # the problem is gone
            click.echo(printable(f"{finding.subject}: {finding.problem}{outcome}"))
    except FluxkeepError as error:
        click.echo(f"Error: {sentence(error)}", err=True)
        click.get_current_context().exit(UNAVAILABLE)
    if findings:
        click.echo(f"{findings} found, {repaired} repaired")
    else:
        click.echo("all is well")
    if repaired < findings:
        click.get_current_context().exit(LEFT)


def _examine(services: Services, *, verify_bytes: bool) -> Iterator[Finding]:
    """Yield each finding at once. Raises StoreUnavailable, StorageError."""
    services.health_probes.ping()  # fail early: an empty storage would cause no request to Redis
    yield from indexes.examine_records(services)
    yield from indexes.examine_members(services)
    yield from indexes.examine_task_ids(services)
    yield from media.examine(services, verify_bytes=verify_bytes)
    yield from objects.examine(services)
    now = services.store.now()
    lower_sums = services.daily_costs.restore(now, dry_run=True)
    if lower_sums:
        problem = f"{lower_sums} are lower than what the known jobs cost"
        yield Finding("sums of costs", problem, partial(_restore_costs, services, now))


def _restore_costs(services: Services, now: float) -> bool:
    return services.daily_costs.restore(now) > 0
