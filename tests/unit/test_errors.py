"""The exception tree: what catches what, what travels, and what is never told."""

from __future__ import annotations

import errno
import io
import pickle

import pytest

import blobio.errors
from blobio.errors import (
    AlreadyExists,
    BlobError,
    ChecksumMismatch,
    ConcurrentWrite,
    ConcurrentWriteFailure,
    Conflict,
    DeadlineExceeded,
    DirectoryNotEmpty,
    Error,
    InvalidConfig,
    InvalidUrl,
    IsDirectory,
    NotDirectory,
    NotFound,
    PermissionDenied,
    RangeNotSatisfiable,
    RateLimited,
    RequestFailed,
    RequestFailure,
    RestartableStreamingWriteFailure,
    TransportFailed,
    Unauthenticated,
    Unsupported,
    UploadLost,
    VersionMismatch,
    redact,
)

ALL = [
    value
    for name in blobio.errors.__all__
    if isinstance(value := getattr(blobio.errors, name), type)
]


@pytest.mark.parametrize(
    ("kind", "builtin", "number"),
    [
        (NotFound, FileNotFoundError, errno.ENOENT),
        (AlreadyExists, FileExistsError, errno.EEXIST),
        (IsDirectory, IsADirectoryError, errno.EISDIR),
        (NotDirectory, NotADirectoryError, errno.ENOTDIR),
        (DirectoryNotEmpty, OSError, errno.ENOTEMPTY),
        (PermissionDenied, PermissionError, errno.EACCES),
        (Unauthenticated, PermissionError, errno.EACCES),
        (TransportFailed, ConnectionError, errno.ECONNABORTED),
        (DeadlineExceeded, TimeoutError, errno.ETIMEDOUT),
        (Unsupported, io.UnsupportedOperation, errno.ENOTSUP),
        (InvalidUrl, ValueError, errno.EINVAL),
        (InvalidConfig, ValueError, errno.EINVAL),
        (ChecksumMismatch, OSError, errno.EIO),
        (RangeNotSatisfiable, OSError, errno.EINVAL),
        (RequestFailed, OSError, errno.EIO),
        (VersionMismatch, OSError, errno.EBUSY),
    ],
)
def test_error_is_caught_as_the_builtin(
    kind: type[BlobError], builtin: type[Exception], number: int
) -> None:
    with pytest.raises(builtin, match="message") as caught:
        raise kind("message")

    assert isinstance(caught.value, BlobError)
    assert caught.value.errno == number


@pytest.mark.parametrize(
    ("name", "caught"),
    [
        (Error, NotFound),
        (RequestFailure, VersionMismatch),
        (RequestFailure, DeadlineExceeded),
        (RequestFailure, ConcurrentWrite),
        (RequestFailure, UploadLost),
        (RequestFailure, RateLimited),
        (RequestFailure, TransportFailed),
        (ConcurrentWriteFailure, ConcurrentWrite),
        (RestartableStreamingWriteFailure, UploadLost),
        (Conflict, VersionMismatch),
        (Conflict, ConcurrentWrite),
    ],
)
def test_blobfile_name_catches_what_it_caught(
    name: type[BlobError], caught: type[BlobError]
) -> None:
    assert issubclass(caught, name)


@pytest.mark.parametrize("kind", ALL)
def test_error_pickles_with_its_fields(kind: type[BlobError]) -> None:
    error = kind(
        "what happened",
        url="s3://bucket/key",
        operation="put",
        attempts=3,
        status=412,
        code="PreconditionFailed",
        request_id="id-1",
        retryable=True,
    )

    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes

    assert type(copy) is kind
    assert str(copy) == "what happened"
    assert copy.__dict__ == error.__dict__
    assert copy.errno == error.errno


def test_error_keeps_what_is_known() -> None:
    error = RequestFailed("m", url="s3://b/k", operation="get", status=500, code="InternalError")

    assert error.url == "s3://b/k"
    assert error.attempts == 0
    assert not error.retryable
    assert error.request_string == "get s3://b/k"
    assert error.response_status == 500
    assert error.error == "InternalError"
    assert error.error_description == "m"


@pytest.mark.parametrize("kind", [RateLimited, TransportFailed, DeadlineExceeded, ChecksumMismatch])
def test_passing_trouble_is_retryable_unless_told_otherwise(kind: type[BlobError]) -> None:
    assert kind("m").retryable
    assert not kind("m", retryable=False).retryable


def test_error_without_url_has_none() -> None:
    assert BlobError("m").url is None


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("https://h/k?X-Amz-Signature=abc&x=1", "https://h/k?X-Amz-Signature=REDACTED&x=1"),
        ("https://h/k?a=b&sig=a%2Fb", "https://h/k?a=b&sig=REDACTED"),
        ("https://h/k?X-Goog-Credential=me", "https://h/k?X-Goog-Credential=REDACTED"),
        (
            "https://h/k?AWSAccessKeyId=AK&Signature=s",
            "https://h/k?AWSAccessKeyId=REDACTED&Signature=REDACTED",
        ),
        ("GET https://h/?uploadId=5 failed", "GET https://h/?uploadId=5 failed"),
        ("https://user:pass@h/k", "https://REDACTED@h/k"),
        ("s3://bucket/key?design=1", "s3://bucket/key?design=1"),
        ("s3://b/a@b:c", "s3://b/a@b:c"),
    ],
)
def test_redact_hides_secrets_only(text: str, redacted: str) -> None:
    assert redact(text) == redacted


def test_error_url_is_redacted() -> None:
    error = BlobError("m", url="https://h/k?sig=topsecret")

    assert error.url == "https://h/k?sig=REDACTED"
