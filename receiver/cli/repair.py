"""`repair`: make records, indexes and storage consistent."""

from collections.abc import Iterator

import click

from jobs.domain.errors import FluxkeepError
from jobs.services import Services
from receiver.cli.base import Command, example, load_services, plain, sentence
from receiver.repair import Finding, indexes, media, objects

CLEAN, LEFT, UNAVAILABLE = 0, 1, 2


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
    found = repaired = 0
    try:
        for finding in _examine(load_services(), verify_bytes=verify_bytes):
            done = not dry_run and finding.repair is not None and finding.repair()
            end = " (repaired)" if done else ""
            if not dry_run and finding.repair is None:
                end = " (no automatic repair)"
            click.echo(plain(f"{finding.subject}: {finding.problem}{end}"))
            found, repaired = found + 1, repaired + done
    except FluxkeepError as error:
        click.echo(f"Error: {sentence(error)}", err=True)
        click.get_current_context().exit(UNAVAILABLE)
    click.echo(f"{found} found, {repaired} repaired" if found else "all is well")
    click.get_current_context().exit(CLEAN if found == repaired else LEFT)


def _examine(services: Services, *, verify_bytes: bool) -> Iterator[Finding]:
    """Yield each finding at once. Raises StoreUnavailable, StorageError."""
    services.metrics.ping()  # fail early: an empty storage would cause no request to Redis
    yield from indexes.examine_records(services)
    yield from indexes.examine_members(services)
    yield from indexes.examine_task_ids(services)
    yield from media.examine(services, verify_bytes=verify_bytes)
    yield from objects.examine(services)
    costs, now = services.daily_costs, services.store.now()
    if lower := costs.restore(now, dry_run=True):
        problem = f"{lower} are lower than what the known jobs cost"
        yield Finding("sums of costs", problem, lambda: costs.restore(now) > 0)
