"""Writing the media of a job where its submitter wants them."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

import click

from jobs.errors import StorageFailed
from jobs.kept import Kept
from jobs.media import MediaStore


def save(media: MediaStore, files: Iterable[Kept], directory: Path) -> Iterator[Path]:
    """Copies, verified; nothing is overwritten. Raises ClickException, StorageFailed."""
    for file in files:
        path = directory / PurePosixPath(file.key).name
        try:
            _copy(media, file, path)
        except FileExistsError:
            raise click.ClickException(f"{path} exists already and was left as it is") from None
        except OSError as error:
            raise click.ClickException(f"{path}: {error.strerror}") from None
        yield path


def _copy(media: MediaStore, file: Kept, path: Path) -> None:
    digest = hashlib.sha256()
    with path.open("xb") as copy:
        try:
            for piece in media.read(file.key):
                copy.write(piece)
                digest.update(piece)
            _compare(digest.hexdigest(), file.sha256)
        except BaseException:
            path.unlink()  # half a picture is none
            raise


def _compare(found: str, recorded: str) -> None:
    if found != recorded:
        raise StorageFailed("the bytes in the storage are not the ones that were stored")


def made(directory: Path) -> Path:
    """The directory, made if need be: known before anything is paid for."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise click.UsageError(f"--output {directory}: {error.strerror}") from None
    return directory
