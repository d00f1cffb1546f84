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
        raise _translated(error) from None


def is_missing_bucket(error: Exception) -> bool:
    """Whether the bucket is missing: obstore raises FileNotFoundError for an object too."""
    return any(word in str(error) for word in _NO_SUCH_BUCKET)


def _translated(error: Exception) -> StorageError:
    text = str(error)
    number = error.errno if isinstance(error, OSError) else None
    if number is None and (found := _OS_ERROR.search(text)):
        number = int(found[1])
    status, code = _STATUS.search(text), _CODE.search(text)
    named = f" ({code[1]})" if code else ""  # by the provider
    if number is not None:
        why = os.strerror(number)
        translated = StorageFull(why) if number in _FULL else StorageError(why)
    # A bucket without room: some providers answer 507, and Ceph denies access.
    elif (status and status[1] == "507") or any(one in text for one in _QUOTA_CODES):
        translated = StorageFull(f"the bucket is full{named}")
    elif is_missing_bucket(error):
        translated = StorageMisconfigured("the bucket does not exist")
    elif _METADATA_HOST in text:
        translated = StorageMisconfigured("no credentials were found for the bucket")
    elif type(error).__name__ in _DENIED or any(one in text for one in _ACCESS_DENIED):
        translated = StorageMisconfigured(f"the bucket denies access{named}")
    elif isinstance(error, FileNotFoundError):
        translated = StorageError("the object does not exist")
    elif status:
        translated = StorageError(f"the bucket answered {status[1]}{named}")
    else:
        translated = StorageError("the bucket does not answer")
    return translated
