"""Resumable sessions: bytes arrive in order, and after a fault the store says how far it got.

The protocol is that of https://docs.cloud.google.com/storage/docs/performing-resumable-uploads,
read 2026-11-27. What a fault leaves is never guessed: the session is asked. Only bytes that the
store has confirmed are given up here, and it may not go back behind them.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple, final
from urllib.parse import parse_qsl, urlsplit

from blobio.drivers.gcs.bucket import Bucket
from blobio.drivers.gcs.errors import error_for, raise_for
from blobio.drivers.gcs.judge import judge
from blobio.errors import (
    BlobError,
    DeadlineExceeded,
    RequestFailed,
    TransportFailed,
    UploadLost,
)
from blobio.transport.message import Response
from blobio.transport.retry import Verdict
from blobio.values import Body, PutOptions

__all__ = ["GRANULE", "Persisted", "Session", "content_range", "persisted"]

GRANULE: Final = 256 << 10
"""A request that is not the last carries a multiple of so many bytes."""

_RESUME: Final = 308
_RANGE: Final = re.compile(r"bytes=0-(\d{1,18})", re.ASCII)
_FIRST_FAILURE: Final = 300
_LOST: Final = frozenset({404, 410, 499})


class Persisted(NamedTuple):
    """How far a session is: so many bytes from its start; `is_told` if the reply had a Range."""

    stop: int
    is_told: bool


def content_range(start: int, size: int, total: int | None) -> str:
    """Return the header of `size` bytes from `start`; of none, the question how far it is."""
    end = "*" if total is None else str(total)
    return f"bytes {start}-{start + size - 1}/{end}" if size else f"bytes */{end}"


def persisted(response: Response, subject: str) -> Persisted:
    """Return how many bytes a 308 says are stored; without a Range none are.

    Raises:
        RequestFailed: Its Range cannot be read.
    """
    text = response.headers.get("range")
    if text is None:
        return Persisted(0, is_told=False)
    match = _RANGE.fullmatch(text.strip())
    if match is None:
        message = f"put of {subject}: the session answered with the range {text[:80]!r}"
        raise RequestFailed(message, url=subject, operation="put")
    return Persisted(int(match.group(1)) + 1, is_told=True)


@final
class Session:
    """One resumable session.

    Args:
        bucket: The bucket.
        key: The key to be written.
        upload_id: The session's name, which is as good as a password.
        sleep: Waits that many seconds.

    Attributes:
        upload_id: See above.
        stop: Bytes from the start that the store has confirmed.
        is_ambiguous: A request that would have ended the session got no reply.
    """

    def __init__(
        self,
        bucket: Bucket,
        key: str,
        upload_id: str,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.stop: int = 0
        self.is_ambiguous: bool = False
        self.upload_id: str = upload_id
        self._bucket = bucket
        self._key = key
        self._sleep = sleep
        self._is_interrupted = False

    @classmethod
    async def begin(
        cls,
        bucket: Bucket,
        key: str,
        options: PutOptions,
        *,
        token: str | None,
        crc32c: int | None = None,
    ) -> Session:
        """Start a session: 1 POST.

        Raises:
            AlreadyExists, VersionMismatch: The condition cannot hold any more.
        """
        subject = bucket.subject(key)
        response = await bucket.send(bucket.wire.begin_session(key, options, token, crc32c))
        raise_for(response, operation="put", subject=subject, mode=options.mode)
        # The address is our own, whatever host Location names: the token goes along.
        query = dict(parse_qsl(urlsplit(response.headers.get("location", "")).query))
        upload_id = query.get("upload_id")
        if not upload_id:
            message = f"put of {subject}: the store began an upload without saying where"
            raise RequestFailed(message, url=subject, operation="put")
        return cls(bucket, key, upload_id)

    async def ask(self) -> Response | None:
        """Ask how far a session is that was begun elsewhere, and go on from there: 1 PUT.

        Returns:
            The reply of a session that has made its object; None if more bytes are to come.

        Raises:
            UploadLost: The session is gone.
            BlobError: It does not answer.
        """
        reply = await self._put(memoryview(b""), None, is_question=True)
        if isinstance(reply, BlobError):
            raise reply
        subject = self._bucket.subject(self._key)
        if reply.status == _RESUME:
            self.stop = persisted(reply, subject).stop
            return None
        if reply.status in _LOST:
            raise self._lost(f"the session is gone (status {reply.status})")
        raise_for(reply, operation="put", subject=subject)
        return reply

    async def send(self, data: Body, start: int, total: int | None) -> Response | None:
        """Store all of `data`, whose first byte is byte `start`; end the session if `total` is set.

        If it is interrupted it can be called again with the same bytes: the session is asked first.

        Args:
            data: Bytes; a multiple of `GRANULE` unless `total` is set.
            start: Where they belong: all before them are stored.
            total: Size of the whole object, if these are its last bytes.

        Returns:
            The reply that made the object or refused it; None if more bytes are to come.

        Raises:
            UploadLost: The session is gone, or forgot bytes that it had confirmed.
            TransportFailed, DeadlineExceeded, RequestFailed: Too many faults without progress.
        """
        is_question, self._is_interrupted = self._is_interrupted, True
        reply = await self._send_all(memoryview(data), start, total, is_question=is_question)
        self._is_interrupted = False
        return reply

    async def _send_all(
        self, view: memoryview, start: int, total: int | None, *, is_question: bool
    ) -> Response | None:
        end = start + len(view)
        faults = 0
        while True:
            before = self.stop
            body = view[self.stop - start :] if not is_question else view[:0]
            reply = await self._put(body, total, is_question=is_question)
            if isinstance(reply, Response) and reply.status != _RESUME:
                return self._final(reply, total)
            is_known = isinstance(reply, Response) and self._advance(
                reply, end, is_answer=is_question
            )
            if is_known and total is None and self.stop == end:
                return None
            is_question = not is_known
            faults = 0 if self.stop > before else faults + 1
            if faults > 2 * self._bucket.retry.attempts:
                raise self._no_progress(reply)
            if faults:
                await self._pause(faults)

    async def cancel(self) -> None:
        """Drop the session and what it holds: 1 DELETE. One that is gone already is dropped."""
        request = self._bucket.wire.session("DELETE", self.upload_id, self._key)
        response = await self._bucket.send(request)
        if response.status not in _LOST:
            raise_for(response, operation="put", subject=self._bucket.subject(self._key))

    async def _put(
        self, body: memoryview, total: int | None, *, is_question: bool
    ) -> Response | BlobError:
        """Send bytes or the question; a fault after which asking helps is returned.

        Replies that may pass are faults too, since the transport does not send bytes again.
        """
        header = content_range(self.stop, len(body), total)
        request = self._bucket.wire.session("PUT", self.upload_id, self._key, header, body)
        try:
            response = await self._bucket.send(request)
        except (TransportFailed, DeadlineExceeded) as fault:
            self.is_ambiguous = self.is_ambiguous or (fault.ambiguous and total is not None)
            if is_question or not fault.ambiguous or isinstance(fault, DeadlineExceeded):
                raise
            return fault
        if response.status != _RESUME and judge(request, response) is Verdict.RETRY:
            self.is_ambiguous = self.is_ambiguous or total is not None
            if not is_question:
                return self._error(response)
        return response

    def _advance(self, reply: Response, end: int, *, is_answer: bool) -> bool:
        """Take note of what a 308 confirms; False if it does not tell and has to be asked.

        A reply to bytes that has no Range may mean that none are stored, or nothing at all:
        https://github.com/googleapis/java-storage/issues/2182, read 2026-11-27.
        """
        found = persisted(reply, self._bucket.subject(self._key))
        if not found.is_told and not is_answer:
            return False
        if found.stop < self.stop:
            raise self._lost(f"{self.stop} bytes were confirmed, now there are {found.stop}")
        if found.stop > end:
            message = (
                f"put of {self._bucket.subject(self._key)}: the session says that it has "
                f"{found.stop} bytes, {end} were sent"
            )
            raise RequestFailed(message, url=self._bucket.subject(self._key), operation="put")
        self.stop = found.stop
        return True

    def _final(self, reply: Response, total: int | None) -> Response:
        if reply.status in _LOST:
            raise self._lost(f"the session is gone (status {reply.status})")
        if reply.status < _FIRST_FAILURE and total is None:
            raise self._lost("the store ended the upload before its last byte")
        reply.ambiguous = reply.ambiguous or self.is_ambiguous
        return reply

    def _lost(self, why: str) -> UploadLost:
        subject = self._bucket.subject(self._key)
        message = f"put of {subject}: {why}; write again from byte 0"
        lost = UploadLost(message, url=subject, operation="put")
        lost.ambiguous = self.is_ambiguous
        return lost

    def _error(self, reply: Response) -> BlobError:
        return error_for(reply, operation="put", subject=self._bucket.subject(self._key))

    def _no_progress(self, reply: Response | BlobError) -> BlobError:
        if isinstance(reply, BlobError):
            return reply
        subject = self._bucket.subject(self._key)
        message = f"put of {subject}: the session takes no more than {self.stop} bytes"
        return RequestFailed(message, url=subject, operation="put", retryable=True)

    async def _pause(self, faults: int) -> None:
        retry = self._bucket.retry
        bound = min(retry.max_s, retry.base_s * 2.0 ** min(faults - 1, 60))
        await self._sleep(random.uniform(0.0, bound))  # noqa: S311 - jitter, no secret
