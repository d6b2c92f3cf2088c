"""A write in parts through one resumable session: the parts go out one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final, final

from blobio import checksum
from blobio.drivers.gcs import writing
from blobio.drivers.gcs.bucket import Bucket
from blobio.drivers.gcs.resource import put_result
from blobio.drivers.gcs.resumable import GRANULE, Session
from blobio.drivers.gcs.writing import Claim
from blobio.drivers.parts import PartTable
from blobio.drivers.resumable import SentPart
from blobio.errors import DeadlineExceeded, TransportFailed, UploadLost
from blobio.values import Body, PartToken, PutOptions, PutResult

__all__ = ["SequentialUpload", "begin"]

_IN_THREAD_BYTES: Final = 4 << 20
_NO_PARTS: Final[Mapping[int, SentPart]] = {}


async def begin(bucket: Bucket, key: str, options: PutOptions) -> SequentialUpload:
    """Start an upload: 1 POST."""
    token = writing.new_token()
    session = await Session.begin(bucket, key, options, token=token)
    return SequentialUpload(Claim(bucket, key, token, options.mode), session)


@final
class SequentialUpload:
    """An `Upload`.

    A part waits for those before it that are being sent. One whose turn has not come although
    nobody sends those before it is kept in memory until they have been.

    Args:
        claim: The write.
        session: Its session.
        parts: The first parts, if they were sent before; what the session has of the next one is
            not sent again.
    """

    def __init__(
        self, claim: Claim, session: Session, *, parts: Mapping[int, SentPart] = _NO_PARTS
    ) -> None:
        self._claim = claim
        self._session = session
        self._table = PartTable(claim.subject)
        self._waiting: dict[int, bytes] = {}
        self._active: set[int] = set()
        self._next = 0
        self._rest = b""
        self._end = 0  # of the parts taken
        self._sent = session.stop
        self._crc32c = 0
        for index in range(len(parts)):
            part = parts[index]
            self._table.add(index, part.offset, part.size)
            self._crc32c = checksum.combine(self._crc32c, part.crc32c, part.size)
            self._end += part.size
            self._next += 1
        self._changed = asyncio.Event()
        self._failure: Exception | None = None
        self._is_over = False

    async def put_part(self, index: int, offset: int, body: Body) -> PartToken:
        """Send a part when its turn has come.

        Raises:
            UploadLost: The session is gone, and with it bytes that only the caller may still have.
        """
        self._active.add(index)
        try:
            await self._wait_for_turn(index)
            self._check()
            if index > self._next:
                self._waiting[index] = bytes(body)
            elif index == self._next:
                await self._take(body)
            while (more := self._waiting.get(self._next)) is not None:
                await self._take(more)
                del self._waiting[self._next - 1]
        except Exception as error:
            self._failure = self._failure or error
            raise
        finally:
            self._end_turn(index)
        return self._table.add(index, offset, len(body))

    async def complete(self, parts: Sequence[PartToken], *, size: int) -> PutResult:
        """Publish: the last bytes, and 1 GET if a lost reply has to be resolved."""
        self._check()
        self._table.check(parts, size)
        claim = self._claim
        try:
            response = await self._session.send(self._rest, self._sent, size)
        except (TransportFailed, DeadlineExceeded) as fault:
            found = await writing.own_after_fault(claim, fault)
        except UploadLost as lost:
            own = await writing.is_own(claim) if lost.ambiguous else None
            if own is None:
                raise
            found = own
        else:
            assert response is not None, "the last bytes were sent"
            found = await writing.resource_of(claim, response)
        self._is_over = True
        await writing.confirm(claim.bucket, claim.key, found, self._crc32c)
        return put_result(found)

    async def abort(self) -> None:
        """Drop the session: 1 DELETE, none after `complete` returned or an earlier abort."""
        if not self._is_over:
            await self._session.cancel()
            self._is_over = True

    @property
    def state(self) -> Mapping[str, str]:
        """What finds the upload again; see `ResumableUpload`."""
        return {"upload_id": self._session.upload_id, "token": self._claim.token or ""}

    async def leave(self) -> None:
        """Let go of the upload as it is: no request."""
        self._is_over = True

    async def _take(self, body: Body) -> None:
        """Send the next part, but for what makes no granule and at least the last byte.

        Nothing is noted before all of it has arrived, so it can be interrupted and done again.
        """
        if len(body) > _IN_THREAD_BYTES:
            data, crc32c = await asyncio.to_thread(self._joined, body)
        else:
            data, crc32c = self._joined(body)
        sent = (len(data) - 1) // GRANULE * GRANULE if data else 0
        if sent:
            await self._session.send(memoryview(data)[:sent], self._sent, None)
        self._sent += sent
        self._rest = data[sent:]
        self._end += len(body)
        self._crc32c = crc32c
        self._next += 1

    def _joined(self, body: Body) -> tuple[bytes, int]:
        """Return what is to be sent next, and the CRC32C of all up to its end.

        A session that was gone on with may have bytes of this part already.
        """
        fresh = memoryview(body)[max(0, self._sent + len(self._rest) - self._end) :]
        return self._rest + fresh, checksum.crc32c(body, self._crc32c)

    async def _wait_for_turn(self, index: int) -> None:
        while min(self._active) != index:
            await self._changed.wait()

    def _end_turn(self, index: int) -> None:
        self._active.discard(index)
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._is_over:
            message = f"put of {self._claim.subject}: the upload is over"
            raise UploadLost(message, url=self._claim.subject, operation="put")
