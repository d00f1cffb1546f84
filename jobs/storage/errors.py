"""What a disk or a bucket says no with, as one sentence without paths, hosts and signatures."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

from jobs.errors import StorageError, StorageMisconfigured

_OS_ERROR = re.compile(r"\(os error ([0-9]+)\)")
_CODE = re.compile(r"<Code>([A-Za-z]{1,60})</Code>")
_STATUS = re.compile(r"status code: ([0-9]{3})")
# Where a machine in a cloud asks for its own credentials when it was given none.
_METADATA_HOST = "//169.254."
_NO_SUCH_BUCKET = ("NoSuchBucket", "ContainerNotFound", "The specified bucket does not exist")
_NOT_LET_IN = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "AuthorizationHeaderMalformed")


@contextmanager
def translate_errors() -> Iterator[None]:
    """Turn what a disk or bucket refuses with into StorageFailed."""
    try:
        yield
    except (OSError, BaseError) as error:
        raise _disk_failure(error) or _wrong_bucket(error) or _bucket_failure(error) from None


def is_missing_bucket(error: Exception) -> bool:
    """obstore says FileNotFoundError to a missing object and to a missing bucket alike."""
    return any(word in str(error) for word in _NO_SUCH_BUCKET)


def _disk_failure(error: OSError | BaseError) -> StorageError | None:
    number = error.errno if isinstance(error, OSError) else None
    if number is None and (found := _OS_ERROR.search(str(error))):
        number = int(found[1])
    return None if number is None else StorageError(os.strerror(number))


def _wrong_bucket(error: OSError | BaseError) -> StorageMisconfigured | None:
    """What does not get better by asking again."""
    if is_missing_bucket(error):
        return StorageMisconfigured("the bucket does not exist")
    if _METADATA_HOST in str(error):
        return StorageMisconfigured("no credentials were found for the bucket")
    denied = isinstance(error, PermissionDeniedError | UnauthenticatedError)
    if denied or any(code in str(error) for code in _NOT_LET_IN):
        return StorageMisconfigured(f"the bucket does not let us in{_said(error)}")
    return None


def _bucket_failure(error: OSError | BaseError) -> StorageError:
    if isinstance(error, FileNotFoundError):
        return StorageError("the object is not there")
    if status := _STATUS.search(str(error)):
        return StorageError(f"the bucket answered {status[1]}{_said(error)}")
    return StorageError("the bucket does not answer")


def _said(error: Exception) -> str:
    """The provider's own word for it, in brackets."""
    code = _CODE.search(str(error))
    return f" ({code[1]})" if code else ""
