"""Faults at the driver's door: fail, hold or count the calls to anything that is a `Driver`.

::

    counting, slow = Counting(), Slow("put_part")
    flaky = Flaky(Fault("put", TransportFailed("reset")))
    driver = Wrapped(MemoryDriver(...), counting, flaky, slow)

Hooks see the calls in the order given, the first outermost. Nothing here sleeps or guesses: a fault
names the call it meets, and a held call waits until the test lets it go.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol, TypeVar, final

from blobio.drivers.base import Driver, GetResult, Upload
from blobio.transport.message import ByteStream
from blobio.url import BlobUrl
from blobio.values import (
    BlobMeta,
    Body,
    Capabilities,
    DeleteResult,
    GetOptions,
    ListOptions,
    ListPage,
    MetaPatch,
    PartToken,
    PutOptions,
    PutResult,
    SignedUrl,
    Version,
)

__all__ = ["Call", "Counting", "Fault", "Flaky", "Hook", "Slow", "Wrapped"]

_T = TypeVar("_T")


@final
@dataclass(frozen=True, slots=True)
class Call:
    """One call as hooks see it.

    Attributes:
        verb: A method of `Driver` or `Upload`, or `"chunk"` for one step of reading a body.
        key: The key or prefix; for `delete` the first of the keys.
        start: First byte concerned: of the blob for `"put_part"` and `"chunk"`, else 0.
        size: Bytes sent; for `delete` the number of keys; else 0.
    """

    verb: str
    key: str
    start: int = 0
    size: int = 0


class Hook(Protocol):
    """Something that stands around every call."""

    async def around(self, call: Call, act: Callable[[], Awaitable[_T]]) -> _T:
        """Do `act`, or not; return its result, or raise."""
        ...


@final
class Counting:
    """Remembers calls.

    Attributes:
        calls: Every call, in the order they began.
    """

    def __init__(self) -> None:
        self.calls: Final[list[Call]] = []
        self._running: Counter[str] = Counter()
        self._most: Counter[str] = Counter()

    def count(self, verb: str) -> int:
        """Return how many calls of `verb` have begun."""
        return sum(call.verb == verb for call in self.calls)

    def most_at_once(self, verb: str) -> int:
        """Return how many calls of `verb` were ever under way together."""
        return self._most[verb]

    async def around(self, call: Call, act: Callable[[], Awaitable[_T]]) -> _T:
        """See `Hook.around`."""
        self.calls.append(call)
        self._running[call.verb] += 1
        self._most[call.verb] = max(self._most[call.verb], self._running[call.verb])
        try:
            return await act()
        finally:
            self._running[call.verb] -= 1


@final
@dataclass(frozen=True, slots=True)
class Fault:
    """One failure, used up when it happens.

    Attributes:
        verb: The verb it meets.
        error: What the caller gets.
        skip: Matching calls that pass before.
        committed: The call is done all the same: only its reply is lost.
        key: Meet only calls of this key; None for any.
    """

    verb: str
    error: BaseException
    skip: int = 0
    committed: bool = False
    key: str | None = None

    def matches(self, call: Call) -> bool:
        """Tell whether `call` is one of those it counts."""
        return call.verb == self.verb and self.key in (None, call.key)


@final
class Flaky:
    """Fails the calls that its faults name."""

    def __init__(self, *faults: Fault) -> None:
        self._faults = list(faults)

    @property
    def left(self) -> Sequence[Fault]:
        """The faults that have not happened yet."""
        return tuple(self._faults)

    async def around(self, call: Call, act: Callable[[], Awaitable[_T]]) -> _T:
        """See `Hook.around`."""
        fault = self._due(call)
        if fault is None:
            return await act()
        if fault.committed:
            result = await act()
            if isinstance(result, GetResult):
                await result.stream.aclose()
        raise fault.error

    def _due(self, call: Call) -> Fault | None:
        for index, fault in enumerate(self._faults):
            if fault.matches(call):
                if fault.skip == 0:
                    return self._faults.pop(index)
                self._faults[index] = replace(fault, skip=fault.skip - 1)
        return None


@final
class Slow:
    """Holds the calls of some verbs until they are let go.

    Args:
        verbs: What to hold.
    """

    def __init__(self, *verbs: str) -> None:
        self._verbs = verbs
        self._waiting: list[tuple[Call, asyncio.Event]] = []
        self._changed = asyncio.Condition()
        self._open = False

    @property
    def held(self) -> Sequence[Call]:
        """The calls that wait, longest first."""
        return tuple(call for call, _ in self._waiting)

    async def until_held(self, count: int) -> None:
        """Wait until `count` calls are held at once."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._waiting) >= count)

    def let_go(self, index: int = 0) -> None:
        """Let the call at `index` of `held` go on."""
        self._waiting.pop(index)[1].set()

    def open(self) -> None:
        """Let all calls go on, and hold none from now on."""
        self._open = True
        while self._waiting:
            self.let_go()

    async def around(self, call: Call, act: Callable[[], Awaitable[_T]]) -> _T:
        """See `Hook.around`."""
        if call.verb in self._verbs and not self._open:
            entry = (call, asyncio.Event())
            self._waiting.append(entry)
            async with self._changed:
                self._changed.notify_all()
            try:
                await entry[1].wait()
            finally:
                if entry in self._waiting:
                    self._waiting.remove(entry)
        return await act()


@final
class _Hooks:
    """Several hooks as one."""

    def __init__(self, hooks: Sequence[Hook]) -> None:
        self._hooks = tuple(hooks)

    async def around(self, call: Call, act: Callable[[], Awaitable[_T]], depth: int = 0) -> _T:
        if depth == len(self._hooks):
            return await act()
        return await self._hooks[depth].around(call, lambda: self.around(call, act, depth + 1))


@final
class Wrapped:
    """A driver whose every call passes through hooks; see `blobio.drivers.base.Driver`."""

    def __init__(self, driver: Driver, *hooks: Hook) -> None:
        self._driver = driver
        self._hooks = _Hooks(hooks)

    @property
    def capabilities(self) -> Capabilities:
        """Those of the driver within."""
        return self._driver.capabilities

    async def head(self, key: str, *, version: Version | None = None) -> BlobMeta:
        """See `Driver.head`."""
        return await self._hooks.around(
            Call("head", key), lambda: self._driver.head(key, version=version)
        )

    async def get(self, key: str, options: GetOptions) -> GetResult:
        """See `Driver.get`; each chunk of the body passes the hooks too."""
        result = await self._hooks.around(Call("get", key), lambda: self._driver.get(key, options))
        stream = _WrappedStream(result.stream, Call("chunk", key, result.span.start), self._hooks)
        return replace(result, stream=stream)

    async def put(self, key: str, body: Body, options: PutOptions) -> PutResult:
        """See `Driver.put`."""
        return await self._hooks.around(
            Call("put", key, size=len(body)), lambda: self._driver.put(key, body, options)
        )

    async def begin_upload(self, key: str, options: PutOptions) -> _WrappedUpload:
        """See `Driver.begin_upload`; the upload's calls pass the hooks too."""
        upload = await self._hooks.around(
            Call("begin_upload", key), lambda: self._driver.begin_upload(key, options)
        )
        return _WrappedUpload(upload, key, self._hooks)

    async def list_page(self, prefix: str, options: ListOptions, token: str | None) -> ListPage:
        """See `Driver.list_page`."""
        return await self._hooks.around(
            Call("list_page", prefix), lambda: self._driver.list_page(prefix, options, token)
        )

    async def delete(
        self, keys: Sequence[str], *, if_version: Version | None = None
    ) -> Sequence[DeleteResult]:
        """See `Driver.delete`."""
        call = Call("delete", keys[0] if keys else "", size=len(keys))
        return await self._hooks.around(
            call, lambda: self._driver.delete(keys, if_version=if_version)
        )

    async def copy(self, source: BlobUrl, key: str, options: PutOptions) -> PutResult:
        """See `Driver.copy`."""
        return await self._hooks.around(
            Call("copy", key), lambda: self._driver.copy(source, key, options)
        )

    async def patch(
        self, key: str, change: MetaPatch, *, if_version: Version | None = None
    ) -> BlobMeta:
        """See `Driver.patch`."""
        return await self._hooks.around(
            Call("patch", key), lambda: self._driver.patch(key, change, if_version=if_version)
        )

    async def sign_url(self, key: str, method: str, expires_s: float) -> SignedUrl:
        """See `Driver.sign_url`."""
        return await self._hooks.around(
            Call("sign_url", key), lambda: self._driver.sign_url(key, method, expires_s)
        )

    async def aclose(self) -> None:
        """Close the driver within; no hook sees it."""
        await self._driver.aclose()


@final
class _WrappedUpload:
    """See `blobio.drivers.base.Upload`."""

    def __init__(self, upload: Upload, key: str, hooks: _Hooks) -> None:
        self._upload = upload
        self._key = key
        self._hooks = hooks

    async def put_part(self, index: int, offset: int, body: Body) -> PartToken:
        call = Call("put_part", self._key, offset, len(body))
        return await self._hooks.around(call, lambda: self._upload.put_part(index, offset, body))

    async def complete(self, parts: Sequence[PartToken], *, size: int) -> PutResult:
        call = Call("complete", self._key, size=size)
        return await self._hooks.around(call, lambda: self._upload.complete(parts, size=size))

    async def abort(self) -> None:
        await self._hooks.around(Call("abort", self._key), self._upload.abort)


@final
class _WrappedStream:
    """See `blobio.transport.message.ByteStream`."""

    def __init__(self, stream: ByteStream, first: Call, hooks: _Hooks) -> None:
        self._stream = stream
        self._first = first
        self._hooks = hooks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        start = self._first.start
        chunks = aiter(self._stream)
        while True:
            call = replace(self._first, start=start)
            chunk = await self._hooks.around(call, lambda: anext(chunks, b""))
            if not chunk:
                return
            yield chunk
            start += len(chunk)

    async def aclose(self) -> None:
        await self._stream.aclose()
