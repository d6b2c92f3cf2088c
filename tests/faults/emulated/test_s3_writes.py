"""Writes through broken connections: one whole object or none, and never an orphaned part."""

from __future__ import annotations

import asyncio
import signal
import threading
from dataclasses import replace
from operator import attrgetter
from typing import NamedTuple

import pytest

from blobio import Context
from blobio.core.flow import settle
from blobio.errors import AlreadyExists, BlobError, PermissionDenied, VersionMismatch
from blobio.testing.faultproxy import (
    Action,
    Forward,
    Rule,
    answer,
    drop_reply,
    halve_request,
    reset,
)
from blobio.testing.scripted import End, Received, Reply
from tests.faults.emulated.grounds import KIB, MIB, Ground, Other, pattern_bytes

SMALL = pattern_bytes(100 * KIB)
LARGE = bytes(5 * MIB) + pattern_bytes(1 * MIB)  # two parts: the first has the least S3 takes
DENIED = answer(403, body=b"<Error><Code>AccessDenied</Code></Error>")
BUSY = answer(503, body=b"<Error><Code>SlowDown</Code></Error>")
BROKEN = answer(500, body=b"<Error><Code>InternalError</Code></Error>")


class Step(NamedTuple):
    """A request of a write, by method and path."""

    method: str
    path: str

    def fails(self, action: Action, times: int | None = 1) -> Rule:
        return Rule(action, method=self.method, path=self.path, times=times)


PUT = Step("PUT", r"/blob$")
BEGIN = Step("POST", r"\?uploads")
PART = Step("PUT", r"partNumber=1&")
COMPLETE = Step("POST", r"\?uploadId=")


def after_reply(action: Action) -> Action:
    """Let the server do its work, then answer in its place."""

    def act(request: Received, forward: Forward) -> Reply:
        forward(request)
        return action(request, forward)

    return act


@pytest.mark.parametrize(
    "action",
    [
        pytest.param(drop_reply(End.RST), id="reset"),
        pytest.param(drop_reply(End.FIN), id="closed"),
        pytest.param(after_reply(BROKEN), id="500"),
    ],
)
@pytest.mark.parametrize("overwrite", [True, False])
async def test_a_put_whose_reply_was_lost_is_a_success(
    s3: Ground, other: Other, action: Action, overwrite: bool
) -> None:
    s3.breaks(Rule(action))

    async with s3.context() as context:
        result = await context.write_bytes(f"{s3.root}/blob", SMALL, overwrite=overwrite)

        assert result.version == (await context.stat(f"{s3.root}/blob")).version
    assert other.get() == SMALL


async def test_a_create_only_put_that_really_lost_is_a_conflict(s3: Ground, other: Other) -> None:
    """A rival writes first, and our first request gets no answer either way."""
    other.put(b"theirs")
    s3.breaks(PUT.fails(drop_reply()))

    async with s3.context() as context:
        with pytest.raises(AlreadyExists):
            await context.write_bytes(f"{s3.root}/blob", SMALL, overwrite=False)
    assert other.get() == b"theirs"


async def test_a_put_over_a_version_whose_reply_was_lost_is_a_success(
    s3: Ground, other: Other
) -> None:
    async with s3.context() as context:
        first = await context.write_bytes(f"{s3.root}/blob", b"first")
        s3.breaks(PUT.fails(drop_reply()))
        await context.write_bytes(f"{s3.root}/blob", SMALL, version=first.version)

        with pytest.raises(VersionMismatch):
            await context.write_bytes(f"{s3.root}/blob", b"late", version=first.version)
    assert other.get() == SMALL


@pytest.mark.parametrize("step", [PUT, BEGIN, PART, COMPLETE], ids=attrgetter("path"))
@pytest.mark.parametrize("action", [BUSY, BROKEN, reset()], ids=["503", "500", "reset"])
@pytest.mark.parametrize("overwrite", [True, False])
async def test_a_step_that_fails_twice_is_repeated(
    s3: Ground, other: Other, step: Step, action: Action, overwrite: bool
) -> None:
    data = SMALL if step is PUT else LARGE
    s3.breaks(step.fails(action, 2))

    async with s3.context() as context:
        await context.write_bytes(f"{s3.root}/blob", data, overwrite=overwrite)

    assert other.get() == data


@pytest.mark.parametrize("overwrite", [True, False])
async def test_a_part_whose_reply_was_lost_is_sent_again(
    s3: Ground, other: Other, overwrite: bool
) -> None:
    s3.breaks(PART.fails(drop_reply()))

    async with s3.context() as context:
        await context.write_bytes(f"{s3.root}/blob", LARGE, overwrite=overwrite)
    assert other.get() == LARGE


@pytest.mark.parametrize(
    "action",
    [
        pytest.param(drop_reply(End.RST), id="reset"),
        pytest.param(after_reply(BROKEN), id="500"),
    ],
)
@pytest.mark.parametrize("overwrite", [True, False])
async def test_a_completion_whose_reply_was_lost_is_a_success(
    s3: Ground, other: Other, action: Action, overwrite: bool
) -> None:
    s3.breaks(COMPLETE.fails(action))

    async with s3.context() as context:
        await context.write_bytes(f"{s3.root}/blob", LARGE, overwrite=overwrite)

    assert other.get() == LARGE


@pytest.mark.parametrize("step", [PUT, BEGIN, PART, COMPLETE], ids=attrgetter("path"))
async def test_a_step_that_is_refused_fails_at_once_and_leaves_the_old_object(
    s3: Ground, other: Other, step: Step
) -> None:
    """That no upload is left behind is looked at after every test."""
    other.put(b"old")
    s3.breaks(step.fails(DENIED, None))

    async with s3.context() as context:
        with pytest.raises(PermissionDenied, match="s3://faults/blob"):
            await context.write_bytes(f"{s3.root}/blob", SMALL if step is PUT else LARGE)

    assert s3.proxy.count(*step) == 1
    assert other.get() == b"old"


@pytest.mark.parametrize("step", [PUT, BEGIN, PART, COMPLETE], ids=attrgetter("path"))
async def test_a_step_that_always_fails_ends_and_leaves_the_old_object(
    s3: Ground, other: Other, step: Step
) -> None:
    other.put(b"old")
    s3.breaks(step.fails(BUSY, None))

    async with s3.context() as context:
        with pytest.raises(BlobError, match="s3://faults/blob"):
            await context.write_bytes(f"{s3.root}/blob", SMALL if step is PUT else LARGE)

    assert s3.proxy.count(*step) == s3.config.retry.attempts
    assert other.get() == b"old"


@pytest.mark.parametrize("step", [PUT, PART], ids=attrgetter("path"))
async def test_bytes_damaged_on_their_way_are_an_error(s3: Ground, step: Step) -> None:
    """By MD5, of which moto takes notice; it looks at no CRC32C."""
    s3.breaks(step.fails(halve_request(), None))
    config = replace(s3.config, s3=replace(s3.config.s3, checksums="md5"))

    async with s3.context(config) as context:
        with pytest.raises(BlobError):
            await context.write_bytes(f"{s3.root}/blob", SMALL if step is PUT else LARGE)


# Bodies that raise, and interruptions


@pytest.mark.parametrize("size", [100, len(LARGE)])
async def test_a_raising_body_leaves_neither_object_nor_parts(
    s3: Ground, other: Other, size: int
) -> None:
    async def write() -> None:
        async with s3.context() as context, context.open(f"{s3.root}/blob", "wb") as file:
            await file.write(LARGE[:size])
            raise KeyError("user")

    with pytest.raises(KeyError):
        await write()

    assert other.get() is None


def test_a_raising_body_of_a_blocking_file_leaves_neither_object_nor_parts(
    s3: Ground, other: Other
) -> None:
    with Context(s3.config) as context:

        def write() -> None:
            with context.BlobFile(f"{s3.root}/blob", "wb") as file:
                file.write(LARGE)
                raise KeyError("user")

        with pytest.raises(KeyError):
            write()

    assert other.get() is None


@pytest.mark.parametrize("step", [BEGIN, PART, COMPLETE], ids=attrgetter("path"))
async def test_cancelling_during_any_step_leaves_no_parts(
    s3: Ground, other: Other, step: Step
) -> None:
    """The request is under way at the server when the task is cancelled."""
    writing: asyncio.Task[object] | None = None
    loop = asyncio.get_running_loop()

    def cancel(request: Received, forward: Forward) -> Reply:
        assert writing is not None
        loop.call_soon_threadsafe(writing.cancel)
        return forward(request)

    s3.breaks(step.fails(cancel))
    async with s3.context() as context:
        writing = asyncio.ensure_future(context.write_bytes(f"{s3.root}/blob", LARGE))
        await settle([writing])

    assert other.get() in ((None, LARGE) if step is COMPLETE else (None,))


@pytest.mark.parametrize("step", [BEGIN, PART], ids=attrgetter("path"))
def test_ctrl_c_during_a_write_leaves_neither_object_nor_parts(
    s3: Ground, other: Other, step: Step
) -> None:

    def interrupt(request: Received, forward: Forward) -> Reply:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        return forward(request)

    s3.breaks(step.fails(interrupt))

    with Context(s3.config) as context:

        def write() -> None:
            with context.BlobFile(f"{s3.root}/blob", "wb") as file:
                file.write(LARGE)
                file.write(LARGE)

        with pytest.raises(KeyboardInterrupt):
            write()

    assert other.get() is None
