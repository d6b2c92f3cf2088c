import errno
import pickle

import pytest

from blobio.drivers.local.errors import os_errors, translate
from blobio.errors import (
    AlreadyExists,
    BlobError,
    DirectoryNotEmpty,
    InvalidUrl,
    IsDirectory,
    NotDirectory,
    NotFound,
    PermissionDenied,
    RequestFailed,
)


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOENT, NotFound),
        (errno.EEXIST, AlreadyExists),
        (errno.EISDIR, IsDirectory),
        (errno.ENOTDIR, NotDirectory),
        (errno.ENOTEMPTY, DirectoryNotEmpty),
        (errno.EACCES, PermissionDenied),
        (errno.EPERM, PermissionDenied),
        (errno.EROFS, PermissionDenied),
        (errno.ELOOP, InvalidUrl),
        (errno.ENAMETOOLONG, InvalidUrl),
        (errno.ENOSPC, RequestFailed),
        (errno.EDQUOT, RequestFailed),
        (errno.EFBIG, RequestFailed),
        (errno.EIO, RequestFailed),
    ],
)
def test_errno_decides_the_class_and_is_kept(number: int, kind: type[BlobError]) -> None:
    cause = OSError(number, "why")

    with pytest.raises(BlobError) as caught, os_errors("put", "d/f"):
        raise cause

    error = caught.value
    assert type(error) is kind
    assert (error.errno, error.code) == (number, errno.errorcode[number])
    assert (error.url, error.operation) == ("d/f", "put")
    assert error.__cause__ is cause
    assert str(error) == "put of d/f: why"


def test_errors_of_blobio_pass_unchanged() -> None:
    error = NotFound("already said")

    with pytest.raises(NotFound) as caught, os_errors("put", "f"):
        raise error

    assert caught.value is error


def test_a_name_that_cannot_be_encoded_is_an_invalid_url() -> None:
    with pytest.raises(InvalidUrl), os_errors("head", "\ud800"):
        open("\ud800")  # noqa: SIM115 - cannot be opened


def test_translated_error_pickles() -> None:
    error = translate(OSError(errno.ENOSPC, "full"), "put", "f")

    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - made here

    assert (type(copy), copy.errno, str(copy)) == (RequestFailed, errno.ENOSPC, "put of f: full")
