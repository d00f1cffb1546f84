"""`fsck`: do the records and the storage agree?"""

import click

from jobs.errors import FluxkeepError
from receiver.commands.command import Command, plain, sentence, services
from receiver.fsck import Finding, examine

CLEAN, FOUND, CANNOT_LOOK = 0, 1, 2


@click.command(cls=Command, short_help="Compare records and storage, and mend: fsck --mend")
@click.option("--mend", is_flag=True, help="Put right what can be put right.")
@click.option("--verify-bytes", is_flag=True, help="Read every object, and compare its SHA-256.")
def fsck(*, mend: bool, verify_bytes: bool) -> None:
    """Compare the records with the storage and with all that stands around them in Redis.

    It is safe while Fluxkeep is at work: jobs under way are left alone, and everything is looked
    at again before it is mended. Media that a record names are never deleted. Ends with 0 when
    nothing was found, 1 when something was, 2 when it could not look.

    \b
    Examples:
      flask --app receiver fsck
      flask --app receiver fsck --mend --verify-bytes
    """
    found = mended = 0
    try:
        for finding in examine(services(), verify_bytes=verify_bytes):
            done = mend and finding.mend is not None and finding.mend()
            click.echo(_line(finding, done=done, mend=mend))
            found, mended = found + 1, mended + done
    except FluxkeepError as error:
        click.echo(f"Error: {sentence(error)}", err=True)
        click.get_current_context().exit(CANNOT_LOOK)
    click.echo(f"{found} found, {mended} mended" if found else "all is well")
    click.get_current_context().exit(FOUND if found else CLEAN)


def _line(finding: Finding, *, done: bool, mend: bool) -> str:
    end = " (mended)" if done else ""
    if mend and finding.mend is None:
        end = " (nothing here can mend it)"
    return plain(f"{finding.about}: {finding.said}{end}")
