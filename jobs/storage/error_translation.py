"""Translate errors of disks and buckets into StorageError that names no path or signature."""

import errno
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from jobs.domain.errors import StorageError, StorageFull, StorageMisconfigured

_OS_ERROR = re.compile(r"(?:\(os error |\[Errno )([0-9]+)[)\]]")  # of Rust, of Python
_CODE = re.compile(r"<Code>([A-Za-z]{1,60})</Code>")
_STATUS = re.compile(r"status code: ([0-9]{3})")
# Clouds serve credentials of a machine here; obstore asks when it was given none.
_METADATA_HOST = "//169.254."
_NO_SUCH_BUCKET = ("NoSuchBucket", "ContainerNotFound", "The specified bucket does not exist")
# Codes for wrong keys, and for keys without this right. Other refusals pass by themselves: a clock
# that is wrong, a token that has expired, a proxy in front of the bucket that answers 403.
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
    except Exception as error:  # obstore's are not imported; all except these are raised again
        if not isinstance(error, OSError) and type(error).__module__ != _BUCKET_ERRORS:
            raise
        raise _translated(error) from None


def is_missing_bucket(error: Exception) -> bool:
    """Whether the bucket is missing: obstore raises FileNotFoundError for an object too."""
    return _contains_any(str(error), _NO_SUCH_BUCKET)


def _translated(error: Exception) -> StorageError:
    number = _number_of_os_error(error)
    if number is not None:
        reason = os.strerror(number)
        if number in _FULL:
            return StorageFull(reason)
        return StorageError(reason)
    return _translated_answer(error)


def _number_of_os_error(error: Exception) -> int | None:
    """The errno of an error, which obstore only names in its text."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    match = _OS_ERROR.search(str(error))
    if match is None:
        return None
    return int(match[1])


def _translated_answer(error: Exception) -> StorageError:  # noqa: PLR0911 - one case a line
    """The error for an answer of a bucket, or for none."""
    text = str(error)
    status = _first_group(_STATUS, text)
    code = _first_group(_CODE, text)
    suffix = ""
    if code:
        suffix = f" ({code})"
    # A bucket without room: some providers answer 507, and Ceph denies access.
    if status == "507" or _contains_any(text, _QUOTA_CODES):
        return StorageFull(f"the bucket is full{suffix}")
    if _METADATA_HOST in text and not status:
        return StorageMisconfigured("no credentials were found for the bucket")
    if is_missing_bucket(error):
        return StorageMisconfigured("the bucket does not exist")
    if _contains_any(text, _WRONG_CLOCK):
        return StorageError(f"the clock of this machine or of the bucket is wrong{suffix}")
    if code in _WRONG_KEY:
        return StorageMisconfigured(f"the bucket denies access{suffix}")
    if type(error).__name__ in _DENIED:
        return StorageError(f"the bucket denies access{suffix}")
    if isinstance(error, FileNotFoundError):
        return StorageError("the object does not exist")
    if status:
        return StorageError(f"the bucket answered {status}{suffix}")
    return StorageError("the bucket does not answer")


def _first_group(pattern: re.Pattern[str], text: str) -> str | None:
    match = pattern.search(text)
    if match is None:
        return None
    return match[1]


def _contains_any(text: str, words: Iterable[str]) -> bool:
    return any(word in text for word in words)
