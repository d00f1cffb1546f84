"""Translate errors of disks and buckets into StorageError that names no path or signature."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from jobs.domain.errors import StorageError, StorageFull, StorageMisconfigured

_OS_ERROR = re.compile(r"(?:\(os error |\[Errno )([0-9]+)[)\]]")  # of Rust, of Python
_CODE = re.compile(r"<Code>([A-Za-z]{1,60})</Code>")
_STATUS = re.compile(r"status code: ([0-9]{3})")
# Clouds serve credentials of a machine here; obstore asks when it was given none.
_METADATA_HOST = "//169.254."
_NO_SUCH_BUCKET = ("NoSuchBucket", "ContainerNotFound", "The specified bucket does not exist")
# Of wrong keys, and of keys without this right. Other refusals pass by themselves: a clock that is
# wrong, a token that has expired, a proxy in front of the bucket that answers 403.
_WRONG_KEY = (
    "AccessDenied",
    "AuthorizationHeaderMalformed",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
)
_WRONG_CLOCK = ("RequestTimeTooSkewed", "RequestExpired", "Request date header too old")
# Not imported: a process whose media are in a directory does not load obstore.
_BUCKET_ERRORS = "obstore.exceptions"
_DENIED = ("PermissionDeniedError", "UnauthenticatedError")
_FULL = (errno.ENOSPC, errno.EDQUOT)
_QUOTA_CODES = ("QuotaExceeded", "XMinioStorageFull")  # of Ceph, of MinIO


@contextmanager
def translate_errors() -> Iterator[None]:
    """Raise StorageError in place of OSError and obstore's errors."""
    try:
        yield
    except Exception as error:  # obstore's, which are not imported; all others are raised again
        if not isinstance(error, OSError) and type(error).__module__ != _BUCKET_ERRORS:
            raise
        raise _translated(error) from None


def is_missing_bucket(error: Exception) -> bool:
    """Whether the bucket is missing: obstore raises FileNotFoundError for an object too."""
    return any(word in str(error) for word in _NO_SUCH_BUCKET)


def _translated(error: Exception) -> StorageError:  # noqa: PLR0911 - one case a line
    text = str(error)
    number = error.errno if isinstance(error, OSError) else None
    if number is None and (found := _OS_ERROR.search(text)):
        number = int(found[1])
    status, code = _STATUS.search(text), _CODE.search(text)
    named = f" ({code[1]})" if code else ""  # by the provider
    if number is not None:
        why = os.strerror(number)
        return StorageFull(why) if number in _FULL else StorageError(why)
    # A bucket without room: some providers answer 507, and Ceph denies access.
    if (status and status[1] == "507") or any(quota in text for quota in _QUOTA_CODES):
        return StorageFull(f"the bucket is full{named}")
    if _METADATA_HOST in text and not status:
        return StorageMisconfigured("no credentials were found for the bucket")
    if refusal := _refusal(error, code[1] if code else None, named):
        return refusal
    if isinstance(error, FileNotFoundError):
        return StorageError("the object does not exist")
    if status:
        return StorageError(f"the bucket answered {status[1]}{named}")
    return StorageError("the bucket does not answer")


def _refusal(error: Exception, code: str | None, named: str) -> StorageError | None:
    """The refusal of a bucket by its code; None for another error."""
    text = str(error)
    if is_missing_bucket(error):
        return StorageMisconfigured("the bucket does not exist")
    if any(word in text for word in _WRONG_CLOCK):
        return StorageError(f"the clock of this machine or of the bucket is wrong{named}")
    if code in _WRONG_KEY:
        return StorageMisconfigured(f"the bucket denies access{named}")
    if type(error).__name__ in _DENIED:
        return StorageError(f"the bucket denies access{named}")
    return None
