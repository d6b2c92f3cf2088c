"""Delete many keys with one request: build DeleteObjects and read what became of each. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from blobio.config import S3Config
from blobio.drivers import markup
from blobio.drivers.s3.addressing import Endpoint, quote_key
from blobio.drivers.s3.errors import error_for
from blobio.drivers.s3.headers import content_md5
from blobio.transport.message import Request, Response
from blobio.values import DeleteResult

__all__ = ["BATCH", "batch_request", "failures_of", "fits_batch", "parse_batch"]

BATCH: Final = 1000

# In an <Error> of the result only the code is given, and the table goes by status as well.
_STATUS_OF: Final = {"AccessDenied": 403, "InternalError": 500, "SlowDown": 503, "NoSuchKey": 404}


def fits_batch(key: str) -> bool:
    """Tell if XML can carry `key`; control characters cannot be written in XML 1.0 at all."""
    return markup.is_legal(key)


def batch_request(
    endpoint: Endpoint,
    config: S3Config,
    keys: Sequence[str],
    subject: str,
    versions: Sequence[str] = (),
) -> Request:
    """DeleteObjects, quiet: the reply names only the keys that were not deleted.

    With `versions`, one for each key, these are deleted for good.

    It needs a checksum of its body. Content-MD5 is the one that every store takes, so it is sent
    whatever `S3Config.checksums` says.
    """
    for key in keys:
        quote_key(key)  # refuses what cannot be a key
    ids = [_version_element(each) for each in versions] or [""] * len(keys)
    names = "".join(
        [
            f"<Object><Key>{markup.escape(key)}</Key>{version}</Object>"
            for key, version in zip(keys, ids, strict=True)
        ]
    )
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"{names}<Quiet>true</Quiet></Delete>"
    ).encode()
    headers = {"content-type": "application/xml", "content-md5": content_md5(body)}
    if config.requester_pays:
        headers["x-amz-request-payer"] = "requester"
    return Request(
        method="POST",
        url=endpoint.bucket_url("delete="),
        headers=headers,
        body=body,
        operation="delete",
        subject=subject,
    )


def _version_element(version: str) -> str:
    return f"<VersionId>{markup.escape(version)}</VersionId>" if version else ""


def parse_batch(response: Response, keys: Sequence[str], bucket: str) -> list[DeleteResult]:
    """Return what became of each key, in order.

    Raises:
        RequestFailed: The reply is no DeleteResult, or speaks of a key that was not asked for.
    """
    subject = f"s3://{bucket}/"
    failures = {key: failure for (key, _), failure in failures_of(response, subject).items()}
    unknown = failures.keys() - set(keys)
    if unknown:
        failure = failures[min(unknown)]
        raise error_for(failure, operation="delete", subject=subject)
    return [
        DeleteResult(
            key=key,
            error=error_for(failures[key], operation="delete", subject=f"s3://{bucket}/{key}")
            if key in failures
            else None,
        )
        for key in keys
    ]


def failures_of(response: Response, subject: str) -> dict[tuple[str, str], Response]:
    """Return what went wrong, by key and version ("" if none was named), as replies of their own.

    Raises:
        RequestFailed: The reply is no DeleteResult.
    """
    root = markup.parse(response.body, "DeleteResult", subject)
    failures: dict[tuple[str, str], Response] = {}
    for element in markup.children(root, "Error"):
        code = markup.child(element, "Code") or "InternalError"
        detail = markup.child(element, "Message") or ""
        body = (
            f"<Code>{markup.escape(code)}</Code><Message>{markup.escape(detail)}</Message>".encode()
        )
        named = (markup.child(element, "Key") or "", markup.child(element, "VersionId") or "")
        failures[named] = Response(
            status=_STATUS_OF.get(code, 400),
            headers=response.headers,
            body=body,
            attempts=response.attempts,
            ambiguous=response.ambiguous,
        )
    return failures
