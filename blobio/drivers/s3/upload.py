"""A write in parts: begun, filled in any order, published once, or taken back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Final, final

from blobio import checksum
from blobio.drivers import markup
from blobio.drivers.outcomes import outcome_unknown
from blobio.drivers.s3 import multipart, pending, writing
from blobio.drivers.s3.bucket import Bucket
from blobio.drivers.s3.errors import error_for, raise_for
from blobio.drivers.s3.multipart import Part, UploadTarget
from blobio.drivers.s3.replies import quoted
from blobio.errors import (
    AlreadyExists,
    BlobError,
    Conflict,
    DeadlineExceeded,
    NotFound,
    RequestFailed,
    TransportFailed,
    UploadLost,
)
from blobio.transport.message import Response
from blobio.values import Body, PartToken, PutOptions, PutResult, Version, WriteMode

__all__ = ["S3Upload", "begin", "begin_described"]

_NOT_FOUND: Final = 404
_CANCEL_GRACE_S: Final = 5.0


async def begin(bucket: Bucket, key: str, options: PutOptions) -> S3Upload:
    """Start an upload: 1 POST.

    A lost reply to this POST leaves an empty upload that nobody knows of: listing uploads does not
    show what would prove one to be ours, so none is aborted on suspicion. It holds no bytes; a
    lifecycle rule (`AbortIncompleteMultipartUpload`) removes it.
    """
    wire = await bucket.wire()
    token = writing.new_upload_token()
    description = wire.description(options, token)
    crc32c = bucket.config.checksums == "crc32c"
    return await begin_described(
        bucket, key, description, token=token, mode=options.mode, crc32c=crc32c
    )


async def begin_described(
    bucket: Bucket,
    key: str,
    description: Mapping[str, str],
    *,
    token: str,
    mode: WriteMode,
    crc32c: bool,
    operation: str = "put",
) -> S3Upload:
    """Start an upload whose object gets exactly the headers in `description`: 1 POST."""
    create = asyncio.ensure_future(_create(bucket, key, description, crc32c=crc32c))
    try:
        target = await asyncio.shield(create)
    except asyncio.CancelledError:
        # The store may have begun it: wait a moment for its name, so that it can be taken back.
        with contextlib.suppress(BlobError, TimeoutError):
            async with asyncio.timeout(_CANCEL_GRACE_S):
                target = await create
                await S3Upload(bucket, target, token=token, mode=mode).abort()
        raise
    return S3Upload(bucket, target, token=token, mode=mode, operation=operation)


async def _create(
    bucket: Bucket, key: str, description: Mapping[str, str], *, crc32c: bool
) -> UploadTarget:
    subject = f"s3://{bucket.name}/{key}"
    response = await bucket.send(
        lambda wire: multipart.create_request(wire, key, description, crc32c=crc32c)
    )
    raise_for(response, operation="put", subject=subject)
    return multipart.parse_created(
        key, response.body, response.headers, crc32c=crc32c, subject=subject
    )


@final
class S3Upload:
    """An `Upload`, one of its bucket's `unfinished` until it is published or taken back.

    Attributes:
        target: The upload's identity at the store.
    """

    def __init__(
        self,
        bucket: Bucket,
        target: UploadTarget,
        *,
        token: str,
        mode: WriteMode,
        operation: str = "put",
    ) -> None:
        self.target = target
        self._bucket = bucket
        self._token = token
        self._mode = mode
        self._operation = operation
        bucket.unfinished.add(self)
        self._subject = f"s3://{bucket.name}/{target.key}"

    async def put_part(self, index: int, offset: int, body: Body) -> PartToken:  # noqa: ARG002 - a part is placed by its number
        """Send a part: 1 PUT."""
        checks = await writing.checks_of(body, self._bucket.config)
        response = await self._bucket.send(
            lambda wire: multipart.part_request(wire, self.target, index, body, checks)
        )
        self._raise_for(response)
        writing.confirm_body(response, checks, self._bucket.config, self._subject)
        sent = checks.get("x-amz-checksum-crc32c")
        crc32c = None if sent is None else checksum.from_base64(sent)
        part = multipart.part_from_reply(response.headers, len(body), crc32c)
        if part is None:
            message = f"put of {self._subject}: the store confirmed part {index} without an ETag"
            raise RequestFailed(message, url=self._subject, operation=self._operation)
        return part.token()

    async def complete(self, parts: Sequence[PartToken], *, size: int) -> PutResult:
        """Publish: 1 POST, and 1 HEAD if a lost reply has to be resolved."""
        if not parts:
            parts = [await self.put_part(0, 0, b"")]
        pieces = [Part.from_token(token) for token in parts]
        if sum(piece.size for piece in pieces) != size:
            message = f"put of {self._subject}: the parts do not add up to {size} bytes"
            raise RequestFailed(message, url=self._subject, operation=self._operation)
        try:
            response = await self._bucket.send(
                lambda wire: multipart.complete_request(
                    wire, self.target, pieces, self._mode, self._operation
                )
            )
        except (TransportFailed, DeadlineExceeded) as fault:
            own = await writing.settle_fault(self._claim(size), fault)
            if own is None:
                raise
            self._end()
            return own
        return await self._settle(response, pieces, size)

    async def abort(self) -> None:
        """Drop the upload: 1 DELETE, none after `complete` returned or an earlier abort."""
        if self not in self._bucket.unfinished:
            return
        response = await self._bucket.send(lambda wire: multipart.abort_request(wire, self.target))
        if response.status != _NOT_FOUND:
            raise_for(response, operation=self._operation, subject=self._subject)
        self._end()

    @property
    def state(self) -> Mapping[str, str]:
        """What finds the upload again; see `ResumableUpload`."""
        return pending.state_of(self.target, self._token)

    async def leave(self) -> None:
        """Let go of the upload as it is: no request."""
        self._end()

    async def _settle(self, response: Response, pieces: list[Part], size: int) -> PutResult:
        root = markup.root_name(response.body)
        if response.status < 300 and root != "Error":  # noqa: PLR2004 - first status that fails
            result = self._published(response, pieces)
            self._end()
            return result
        error = self._error(response)
        if isinstance(error, UploadLost):
            # Some stores forget an upload the moment it is complete: MinIO, older Ceph.
            try:
                own = await writing.is_own(self._claim(size))
            except BlobError as unknown:
                if isinstance(unknown, NotFound) and not response.ambiguous:
                    self._end()
                    raise error from None
                raise outcome_unknown(error, self._subject) from unknown
            self._end()
            if own is None:
                raise error
            return own
        try:
            result = await writing.settle(self._claim(size), response, error)
        except (AlreadyExists, Conflict):
            with contextlib.suppress(BlobError):
                await self.abort()
            raise
        self._end()
        return result

    def _end(self) -> None:
        self._bucket.unfinished.discard(self)

    def _claim(self, size: int) -> writing.Claim:
        return writing.Claim(self._bucket, self.target.key, self._token, self._mode, size)

    def _published(self, response: Response, pieces: Sequence[Part]) -> PutResult:
        try:
            root = markup.parse(response.body, "CompleteMultipartUploadResult", self._subject)
        except RequestFailed as error:
            error.ambiguous = True
            raise
        announced = markup.child(root, "ChecksumCRC32C")
        multipart.check_completion(announced, pieces, self._subject)
        etag = markup.child(root, "ETag")
        return PutResult(
            version=Version(quoted(etag)) if etag else None,
            crc32c=checksum.from_base64(announced) if announced else None,
        )

    def _error(self, response: Response) -> BlobError:
        error = error_for(
            response, operation=self._operation, subject=self._subject, mode=self._mode
        )
        if isinstance(error, NotFound) and error.code is None:
            message = f"{self._operation} of {self._subject}: the store does not know the upload"
            return UploadLost(message, url=self._subject, operation=self._operation, status=404)
        return error

    def _raise_for(self, response: Response) -> None:
        if response.status >= 300:  # noqa: PLR2004 - first status that fails
            raise self._error(response)
