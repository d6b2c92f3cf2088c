"""The one place where an `OSError` of the file system becomes an error of blobio."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

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
    Unsupported,
)

__all__ = ["os_errors", "translate"]

_KINDS: Final[Mapping[int, type[BlobError]]] = {
    errno.ENOENT: NotFound,
    errno.EEXIST: AlreadyExists,
    errno.EISDIR: IsDirectory,
    errno.ENOTDIR: NotDirectory,
    errno.ENOTEMPTY: DirectoryNotEmpty,
    errno.EACCES: PermissionDenied,
    errno.EPERM: PermissionDenied,
    errno.EROFS: PermissionDenied,
    errno.ELOOP: InvalidUrl,
    errno.ENAMETOOLONG: InvalidUrl,
    errno.ENOTSUP: Unsupported,
}


def translate(error: OSError, operation: str, path: str, *, source: str = "") -> BlobError:
    """Return the error of blobio that says what `error` says, with its errno.

    Args:
        error: What the system said.
        operation: The driver verb.
        path: Of what. A listing names the directory below it that was the trouble as well.
        source: What was being copied there.
    """
    number = error.errno or errno.EIO
    what = f"{source} to {path}" if source else path
    inside = error.filename if operation == "list" and isinstance(error.filename, str) else path
    where = "" if inside.rstrip("/") == path.rstrip("/") else f" at {inside}"
    message = f"{operation} of {what}: {error.strerror or os.strerror(number)}{where}"
    kind = _KINDS.get(number, RequestFailed)
    code = errno.errorcode.get(number)
    translated = kind(message, url=path, operation=operation, code=code)
    translated.errno = number
    return translated


@contextmanager
def os_errors(operation: str, path: str, *, source: str = "") -> Iterator[None]:
    """Translate what the body raises, on behalf of `operation` of `path`, see `translate`.

    Raises:
        InvalidUrl: The path cannot be encoded for the file system.
        BlobError: By the table above; `RequestFailed` for all that it does not name.
    """
    try:
        yield
    except BlobError:
        raise
    except OSError as error:
        raise translate(error, operation, path, source=source) from error
    except UnicodeEncodeError as error:
        message = f"{operation} of {path!r}: the file system cannot have a name like this"
        raise InvalidUrl(message, operation=operation) from error
