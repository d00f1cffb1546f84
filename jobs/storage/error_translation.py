"""Translate errors of disks and buckets into StorageError.

Messages name no path, host or signature.
"""

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
_ACCESS_DENIED = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "AuthorizationHeaderMalformed")
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
        found = _disk_error(error) or _quota_error(error) or _misconfiguration(error)
        raise found or _bucket_error(error) from None


def is_missing_bucket(error: Exception) -> bool:
    """Whether the bucket is missing: obstore raises FileNotFoundError for an object too."""
    return any(word in str(error) for word in _NO_SUCH_BUCKET)


def _disk_error(error: Exception) -> StorageError | None:
    number = error.errno if isinstance(error, OSError) else None
    if number is None and (found := _OS_ERROR.search(str(error))):
        number = int(found[1])
    if number is None:
        return None
    return (StorageFull if number in _FULL else StorageError)(os.strerror(number))


def _quota_error(error: Exception) -> StorageError | None:
    """A bucket without room: some providers answer 507, and Ceph denies access."""
    status = _STATUS.search(str(error))
    if (status and status[1] == "507") or any(code in str(error) for code in _QUOTA_CODES):
        return StorageFull(f"the bucket is full{_provider_code(error)}")
    return None


def _misconfiguration(error: Exception) -> StorageMisconfigured | None:
    """Errors that no retry can fix."""
    if is_missing_bucket(error):
        return StorageMisconfigured("the bucket does not exist")
    if _METADATA_HOST in str(error):
        return StorageMisconfigured("no credentials were found for the bucket")
    is_denied = type(error).__name__ in _DENIED
    if is_denied or any(code in str(error) for code in _ACCESS_DENIED):
        return StorageMisconfigured(f"the bucket denies access{_provider_code(error)}")
    return None


def _bucket_error(error: Exception) -> StorageError:
    if isinstance(error, FileNotFoundError):
        return StorageError("the object does not exist")
    if status := _STATUS.search(str(error)):
        return StorageError(f"the bucket answered {status[1]}{_provider_code(error)}")
    return StorageError("the bucket does not answer")


def _provider_code(error: Exception) -> str:
    """The provider's error code in brackets, or nothing."""
    code = _CODE.search(str(error))
    return f" ({code[1]})" if code else ""
