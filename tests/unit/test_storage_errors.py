"""Errors of a storage: one without room is told from a broken one."""

import errno

import pytest
from obstore.exceptions import BaseError, PermissionDeniedError

from jobs.domain.errors import StorageError, StorageFull
from jobs.storage.error_translation import translate_errors


@pytest.mark.parametrize(
    ("error", "is_full"),
    [
        (OSError(errno.ENOSPC, ""), True),
        (OSError(errno.EDQUOT, ""), True),
        (OSError(errno.EACCES, ""), False),
        (BaseError("Server returned non-2xx status code: 507 Insufficient Storage"), True),
        (BaseError("status code: 500 <Code>InternalError</Code>"), False),
        (PermissionDeniedError("status code: 403 <Code>QuotaExceeded</Code>"), True),
        (PermissionDeniedError("status code: 403 <Code>AccessDenied</Code>"), False),
    ],
)
def test_a_storage_without_room_is_told_from_a_broken_one(error: Exception, is_full: bool) -> None:
    with pytest.raises(StorageError) as caught, translate_errors():
        raise error
    assert isinstance(caught.value, StorageFull) is is_full
