"""`PartWriter`: a stream of parts becomes one blob, or nothing.

The first part is held back until it is known that there are more: a body of one part or less is a
single PUT. Otherwise they go out side by side, `WriteConfig.window` at a time, within the context's
byte budget. The one request that publishes is sent by `finish`; anything else that happens ends in
`abort`.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import Final, final

from blobio.config import WriteConfig
from blobio.core.flow import Budget, settle
from blobio.drivers.base import Driver, Upload
from blobio.errors import RequestFailed, Unsupported
from blobio.url import BlobUrl
from blobio.values import Body, Capabilities, PartToken, PutOptions, PutResult

__all__ = ["PartBuffer", "PartWriter", "part_size"]

_GROWTH_STEPS: Final = 10
_MIB: Final = 1 << 20


def part_size(index: int, total: int | None, first: int, limits: Capabilities) -> int:
    """Return how many bytes part `index` should have.

    With a known total all parts have one size, `first` or as much as the store's number of parts
    demands. Otherwise the size doubles each time a tenth of the parts is used up, which brings
    10,000 parts of 8 MiB to 8 TiB, unless the store wants equal parts.
    """
    size = min(max(first, limits.min_part_bytes), limits.max_part_bytes)
    if total is not None:
        needed = -(-total // limits.max_parts)
        if needed > size:
            size = -(-needed // _MIB) * _MIB
    elif not limits.equal_parts:
        size <<= index * _GROWTH_STEPS // limits.max_parts
    return min(size, limits.max_part_bytes)


@final
class PartBuffer:
    """Collects what is written, in pieces of any size, into one part after another."""

    def __init__(self, part_bytes: int) -> None:
        self.part_bytes = part_bytes
        self._data = bytearray()

    def fill(self, view: memoryview) -> int:
        """Copy as much of `view` as the part has room for; return how much."""
        room = self.part_bytes - len(self._data)
        piece = view[:room]
        self._data += piece
        return len(piece)

    @property
    def is_full(self) -> bool:
        """Whether the part has its size."""
        return len(self._data) >= self.part_bytes

    def take(self) -> bytearray:
        """Hand the part over and start the next one, of the same size until told otherwise."""
        data, self._data = self._data, bytearray()
        return data


@final
class PartWriter:
    """Writes one blob from parts handed over in order.

    A failure of any part is raised by the next call, and leaves nothing behind once `abort` has
    returned. A call that fails or is cancelled may have lost bytes it was given: nothing can be
    published after it. Not for use from two tasks at once.

    Args:
        driver: Serves `url`.
        url: The blob to write.
        options: Condition and description; `size` if it is known.
        config: Size of parts, and how many are in flight.
        budget: Bounds the bytes in flight.
        uploads: Holds this from its first part until it is published or taken back, so that its
            owner can abort what was forgotten.
    """

    def __init__(
        self,
        driver: Driver,
        url: BlobUrl,
        options: PutOptions,
        config: WriteConfig,
        budget: Budget,
        *,
        uploads: set[PartWriter] | None = None,
        sent: Callable[[Body], None] | None = None,
    ) -> None:
        self.url = url
        self._driver = driver
        self._options = options
        self._config = config
        self._budget = budget
        self._uploads: set[PartWriter] = set() if uploads is None else uploads
        self._sent = sent
        self._held: Body | None = None
        self._upload: Upload | None = None
        self._tasks: list[asyncio.Task[PartToken]] = []
        self._failure: BaseException | None = None
        self._window = asyncio.Semaphore(config.window)
        self._offset = 0
        self._done = False

    @property
    def next_part_bytes(self) -> int:
        """The size the next part handed to `write_part` must have."""
        index = len(self._tasks) + (self._held is not None)
        size = self._options.size
        return part_size(index, size, self._config.part_bytes, self._driver.capabilities)

    async def write_part(self, body: Body) -> int:
        """Take over one full part; wait only while the window is full.

        `body` has `next_part_bytes`, belongs to the writer from now on and must not change.

        Returns:
            The size that the part after this one must have.

        Raises:
            BlobError: This or an earlier part failed; call `abort`.
        """
        self._check_whole()
        # What is in one part only has to wait for the next; a size that says more spares the wait.
        if self._options.size is None or self._options.size <= len(body):
            held, self._held = self._held, body
        else:
            held = body
        if held is not None:
            try:
                await self._send(held)
            except BaseException as error:
                self._failure = self._failure or error
                raise
        return self.next_part_bytes

    async def write_all(self, body: Body) -> PutResult:
        """Write and publish a whole blob that is in memory; see `finish`."""
        view = memoryview(body)
        size = self.next_part_bytes
        start = 0
        try:
            while len(view) - start > size:
                part, start = view[start : start + size], start + size
                size = await self.write_part(part)
            return await self.finish(view[start:] if start else body)
        except BaseException:
            await self.abort()
            raise

    async def finish(self, last: Body) -> PutResult:
        """Publish everything, with `last` (which may be empty) as the end.

        If this is cancelled while the publishing request is under way, the blob may appear, whole;
        otherwise nothing does.

        Raises:
            BlobError: Nothing was published (see the error for the one exception, a reply that was
                lost for good); call `abort`.
        """
        self._check_whole()
        try:
            result = await self._publish(last)
        except BaseException as error:
            self._failure = self._failure or error
            raise
        self._end()
        return result

    async def _publish(self, last: Body) -> PutResult:
        rest = [body for body in (self._held, last) if body is not None and len(body)]
        if self._upload is None and len(rest) <= 1:
            return await self._driver.put(self.url.key, rest[0] if rest else b"", self._options)
        for body in rest:
            await self._send(body)
        assert self._upload is not None
        try:
            parts = await asyncio.gather(*self._tasks)
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if current is None or not current.cancelling():
                self._check_whole()  # not this task was cancelled: another one has called `abort`
            raise
        return await self._upload.complete(parts, size=self._offset)

    async def abort(self) -> None:
        """Stop, and take back every part that was sent. Idempotent; nothing after `finish`.

        If it fails or is cancelled, it can be called again.
        """
        self._failure = self._failure or asyncio.CancelledError()
        self._held = None
        if self._done:
            return
        await settle(self._tasks)
        if self._upload is not None:
            await self._upload.abort()
        self._end()

    def _end(self) -> None:
        self._held = None
        self._done = True
        self._uploads.discard(self)

    def _check_whole(self) -> None:
        """Raise if bytes of this blob may have been lost."""
        if isinstance(self._failure, Exception):
            raise self._failure
        if self._failure is not None:
            message = f"write of {self.url}: it was interrupted, so nothing can be published"
            raise RequestFailed(message, url=self.url, operation="put")

    async def _send(self, body: Body) -> None:
        limits = self._driver.capabilities
        if len(self._tasks) >= limits.max_parts:
            message = (
                f"write of {self.url}: the store takes {limits.max_parts} parts and all are used "
                f"at {self._offset} bytes; raise WriteConfig.part_bytes or pass the size"
            )
            raise Unsupported(message, url=self.url, operation="put")
        if self._upload is None:
            self._upload = await self._driver.begin_upload(self.url.key, self._options)
            self._uploads.add(self)
        await self._window.acquire()
        try:
            self._check_whole()
            await self._budget.acquire(len(body))
        except BaseException:
            self._window.release()
            raise
        offset = self._offset
        self._offset += len(body)
        task = asyncio.ensure_future(self._upload.put_part(len(self._tasks), offset, body))
        # a callback, since a task that is cancelled before its first step runs no `finally`
        task.add_done_callback(functools.partial(self._part_ended, body))
        self._tasks.append(task)

    def _part_ended(self, body: Body, task: asyncio.Task[PartToken]) -> None:
        self._budget.release(len(body))
        self._window.release()
        error = None if task.cancelled() else task.exception()
        self._failure = self._failure or error
        if self._sent is not None and error is None and not task.cancelled():
            self._sent(body)
