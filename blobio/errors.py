"""Every exception blobio raises, as one tree.

::

    BlobError(OSError)
    ├ NotFound(FileNotFoundError)        nothing is stored under that name
    ├ AlreadyExists(FileExistsError)     a create-only write lost
    ├ IsDirectory(IsADirectoryError)     a directory was given where a blob is needed
    ├ NotDirectory(NotADirectoryError)   a blob was given where a directory is needed
    ├ DirectoryNotEmpty                  `rmdir` of a directory with content
    ├ ChecksumMismatch                   bytes differ from the checksum that came with them
    ├ CopyIncomplete                     `copytree` could not copy some of the blobs
    ├ RangeNotSatisfiable                the range starts at or after the end of the blob
    ├ Unsupported(io.UnsupportedOperation)   this backend cannot do that; no request was sent
    ├ InvalidUrl(ValueError)             not a path or URL blobio can address
    ├ InvalidConfig(ValueError)          a setting that cannot be honoured
    └ RequestFailure                     the store said no, or nothing
      ├ PermissionDenied(PermissionError)
      │ └ Unauthenticated                the store does not know who asks
      ├ Conflict                         somebody else wrote at the same time
      │ ├ VersionMismatch                the blob is not the version that was named
      │ └ ConcurrentWrite                two writes raced and the store refused this one
      ├ RequestFailed                    any other reply that means failure
      │ ├ RateLimited                    429 or 503 until the retries ran out
      │ └ UploadLost                     an upload in progress is gone; write again from byte 0
      ├ TransportFailed(ConnectionError) no complete reply: connect, reset, TLS, short body
      └ DeadlineExceeded(TimeoutError)   the no-progress deadline or the caller's deadline ran out

`blobfile`'s names catch what they caught there: `Error` is `BlobError`, `RequestFailure` covers
conflicts and deadlines too, `ConcurrentWriteFailure` is `ConcurrentWrite`, and
`RestartableStreamingWriteFailure` is `UploadLost`.

All of them pickle with their fields. Messages never carry credentials: `redact` is applied to
each of them.
"""

from __future__ import annotations

import errno
import io
import re
from typing import ClassVar, Final

__all__ = [
    "AlreadyExists",
    "BlobError",
    "ChecksumMismatch",
    "ConcurrentWrite",
    "ConcurrentWriteFailure",
    "Conflict",
    "CopyIncomplete",
    "DeadlineExceeded",
    "DirectoryNotEmpty",
    "Error",
    "InvalidConfig",
    "InvalidUrl",
    "IsDirectory",
    "NotDirectory",
    "NotFound",
    "PermissionDenied",
    "RangeNotSatisfiable",
    "RateLimited",
    "RequestFailed",
    "RequestFailure",
    "RestartableStreamingWriteFailure",
    "TransportFailed",
    "Unauthenticated",
    "Unsupported",
    "UploadLost",
    "VersionMismatch",
    "redact",
]

# Names of query parameters that hold a secret, alone or as the last word of a longer name. Matching
# starts behind a separator only, which keeps it linear in whatever a stranger's reply may hold.
_SECRET_PARAMETER: Final = re.compile(
    r"(?i)(?<=[?&#])((?:[\w.-]*[_.-])?(?:signature|sig|credential|token|secret|password|passwd|pwd"
    r"|apikey|key|jwt|sas|auth|authorization)|awsaccesskeyid|upload_id)=(?!REDACTED\b)[^&#\s]*"
    # as in an `Authorization` header of AWS
    r"|(?<=[\s,])(signature)=[0-9a-f]+"
)
# The same in a header, up to the end of its value; possessive, so that a second time finds nothing.
_SECRET_HEADER: Final = re.compile(
    r"(?i)\b((?:authorization|cookie|x-amz-security-token|x-[a-z-]{1,40}-key)"
    r"['\"]?+\s{0,3}+:\s{0,3}+['\"]?+)(?!REDACTED)[^\r\n'\"]+"
)
_SECRET_SCHEME: Final = re.compile(
    r"(?i)\b(bearer|sharedkey(?:lite)?)\s++(?!REDACTED)[\w.~+/:=-]{16,}"
)
_USER_INFO: Final = re.compile(r"(?<=://)[^/?#\s]*@")
_WEB: Final = ("http://", "https://")


def redact(text: str) -> str:
    """Replace the secrets a URL can carry (signatures, tokens, `user:password@`) by `REDACTED`.

    Likewise the values of headers such as `Authorization`, and what stands behind `Bearer`.
    What stands before an `@` is a secret if it has a colon, or in an http(s) URL, where it may be a
    token; in `az://container@account` it is a container.
    """
    text = _SECRET_PARAMETER.sub(_hide_parameter, _USER_INFO.sub(_hide_user, text))
    text = _SECRET_HEADER.sub(r"\1REDACTED", text)
    return _SECRET_SCHEME.sub(r"\1 REDACTED", text)


def _hide_parameter(match: re.Match[str]) -> str:
    return f"{match[1] or match[2]}=REDACTED"


def _hide_user(match: re.Match[str]) -> str:
    before = match.string[max(0, match.start() - 8) : match.start()].lower()
    return "REDACTED@" if ":" in match[0] or before.endswith(_WEB) else match[0]


class BlobError(OSError):
    """Base of all errors of blobio.

    Attributes:
        message: What was asked, of which URL, what came back, what to try.
        url: The blob or directory concerned, secrets redacted, or None.
        operation: The driver verb or API call that failed (`"get"`, `"put"`, ...), or None.
        attempts: Requests sent for the operation, counting retries; 0 if none was.
        status: HTTP status of the last reply, or None.
        code: The store's own error code (`"NoSuchKey"`), or None.
        request_id: The store's id of the failed request, for its support desk, or None.
        retryable: Whether the same call may succeed later without any change by the caller.
        ambiguous: The store may have acted on the request all the same: the reply was lost.
        retried: A limit of `RetryConfig` ended the attempts: nobody should add some of his own.
    """

    ambiguous: bool = False
    retried: bool = False
    default_errno: ClassVar[int | None] = None
    default_retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str = "",
        *,
        url: object = None,
        operation: str | None = None,
        attempts: int = 0,
        status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
        retryable: bool | None = None,
    ) -> None:
        message = redact(message)  # here, so that no message anywhere can forget it
        super().__init__(message)
        self.errno: int | None = self.default_errno
        self.message = message
        self.url: str | None = None if url is None else redact(str(url))
        self.operation = operation
        self.attempts = attempts
        self.status = status
        self.code = code
        self.request_id = request_id
        self.retryable: bool = self.default_retryable if retryable is None else retryable

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[object, ...]:
        fields = {name: value for name, value in self.__dict__.items() if name != "message"}
        return _rebuild, (type(self), self.message, self.errno, fields)


def _rebuild(
    kind: type[BlobError], message: str, number: int | None, fields: dict[str, object]
) -> BlobError:
    error = kind(message)
    error.errno = number  # not in `__dict__`: a slot of OSError
    error.__dict__.update(fields)
    return error


class NotFound(BlobError, FileNotFoundError):
    """Nothing is stored under that name."""

    default_errno: ClassVar[int | None] = errno.ENOENT


class AlreadyExists(BlobError, FileExistsError):
    """A create-only write found the name taken; what was there is unchanged."""

    default_errno: ClassVar[int | None] = errno.EEXIST


class IsDirectory(BlobError, IsADirectoryError):
    """A directory was given where a blob is needed."""

    default_errno: ClassVar[int | None] = errno.EISDIR


class NotDirectory(BlobError, NotADirectoryError):
    """A blob was given where a directory is needed."""

    default_errno: ClassVar[int | None] = errno.ENOTDIR


class DirectoryNotEmpty(BlobError):
    """`rmdir` found something in the directory."""

    default_errno: ClassVar[int | None] = errno.ENOTEMPTY


class ChecksumMismatch(BlobError):
    """Bytes differ from the checksum that the store sent or that blobio computed."""

    default_errno: ClassVar[int | None] = errno.EIO
    default_retryable: ClassVar[bool] = True


class CopyIncomplete(BlobError):
    """`copytree` could not copy some of the blobs; the others are there.

    Attributes:
        failures: Source, destination and error of what was not copied, the first 100 of them. The
            first error is also the cause of this one.
        failed: How many blobs were not copied.
    """

    failures: tuple[tuple[str, str, BlobError], ...] = ()
    failed: int = 0
    default_errno: ClassVar[int | None] = errno.EIO


class RangeNotSatisfiable(BlobError):
    """The range starts at or after the end of the blob."""

    default_errno: ClassVar[int | None] = errno.EINVAL


class Unsupported(BlobError, io.UnsupportedOperation):
    """This backend cannot do what was asked; no request was sent."""

    default_errno: ClassVar[int | None] = errno.ENOTSUP


class InvalidUrl(BlobError, ValueError):
    """Not a path or URL that blobio can address."""

    default_errno: ClassVar[int | None] = errno.EINVAL


class InvalidConfig(BlobError, ValueError):
    """A setting that is out of range or cannot be honoured."""

    default_errno: ClassVar[int | None] = errno.EINVAL


class RequestFailure(BlobError):
    """The store refused a request or gave no usable reply.

    Its properties are blobfile's names for what `BlobError` also holds.
    """

    @property
    def request_string(self) -> str:
        """The operation and URL, as blobfile called them."""
        return f"{self.operation} {self.url}"

    @property
    def response_status(self) -> int | None:
        """HTTP status of the last reply, or None."""
        return self.status

    @property
    def error(self) -> str | None:
        """The store's own error code, or None."""
        return self.code

    @property
    def error_description(self) -> str:
        """The message."""
        return self.message


class PermissionDenied(RequestFailure, PermissionError):
    """The credentials are known but do not allow this."""

    default_errno: ClassVar[int | None] = errno.EACCES


class Unauthenticated(PermissionDenied):
    """The store does not accept the credentials, or none were sent where some are needed."""


class Conflict(RequestFailure):
    """Somebody else wrote at the same time; nothing of this write was published."""

    default_errno: ClassVar[int | None] = errno.EBUSY


class VersionMismatch(Conflict):
    """The blob is not, or no longer, the version that was named."""


class ConcurrentWrite(Conflict):
    """Two writes raced and the store refused this one."""


class RequestFailed(RequestFailure):
    """A reply that means failure and that no other class describes."""

    default_errno: ClassVar[int | None] = errno.EIO


class RateLimited(RequestFailed):
    """The store kept answering 429 or 503 until the retries ran out."""

    default_retryable: ClassVar[bool] = True


class UploadLost(RequestFailed):
    """An upload in progress is no longer known to the store; write again from byte 0."""


class TransportFailed(RequestFailure, ConnectionError):
    """No complete reply: connection refused or reset, TLS failure, body cut short."""

    default_errno: ClassVar[int | None] = errno.ECONNABORTED
    default_retryable: ClassVar[bool] = True


class DeadlineExceeded(RequestFailure, TimeoutError):
    """The no-progress deadline, or the caller's own deadline, ran out."""

    default_errno: ClassVar[int | None] = errno.ETIMEDOUT
    default_retryable: ClassVar[bool] = True


# blobfile's names
Error = BlobError
ConcurrentWriteFailure = ConcurrentWrite
RestartableStreamingWriteFailure = UploadLost
