"""Rows 16, 18, 19, 22 and 32: writes that were broken off, refused, damaged or cancelled."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace

import pytest

from blobio import Context
from blobio.aio import AsyncContext
from blobio.errors import (
    BlobError,
    PermissionDenied,
)
from blobio.testing.faultproxy import Forward, answer, drop_reply, reset
from blobio.testing.scripted import Received, Reply
from tests.faults.sites import DATA, Store
from tests.faults.writes import (
    OLD,
    SIZES,
    SMALL,
    write,
)


@SIZES
@pytest.mark.parametrize("streaming", [True, False])
def test_row_16_exception_in_a_with_block_publishes_nothing(
    s3: Store, data: bytes, streaming: bool
) -> None:
    s3.put(OLD)

    def write_and_fail(context: Context) -> None:
        with context.BlobFile(s3.url(), "wb", streaming=streaming) as file:
            file.write(data)
            raise ZeroDivisionError

    with Context(s3.config) as context, pytest.raises(ZeroDivisionError):
        write_and_fail(context)

    assert s3.stored() == OLD


@SIZES
async def test_row_16_exception_in_an_async_with_block_publishes_nothing(
    s3: Store, data: bytes
) -> None:
    s3.put(OLD)

    async def write_and_fail(context: AsyncContext) -> None:
        async with context.open(s3.url(), "wb") as file:
            await file.write(data)
            raise ZeroDivisionError

    async with AsyncContext(s3.config) as context:
        with pytest.raises(ZeroDivisionError):
            await write_and_fail(context)

    assert s3.stored() == OLD


ERROR_IN_200 = answer(
    200,
    {"Content-Type": "application/xml"},
    b'  \n<?xml version="1.0"?>\n<Error><Code>InternalError</Code></Error>',
)


def test_row_18_error_in_a_200_is_tried_again(s3: Store) -> None:
    s3.breaks(ERROR_IN_200, method="POST", path="uploadId=", times=2)

    write(s3, DATA)

    assert s3.stored() == DATA


@pytest.mark.parametrize("code", ["InternalError", "AccessDenied"])
def test_row_18_error_in_every_200_is_an_error_and_aborts(s3: Store, code: str) -> None:
    s3.put(OLD)
    body = f"<Error><Code>{code}</Code></Error>".encode()
    s3.breaks(answer(200, {}, body), method="POST", path="uploadId=", times=None)

    with pytest.raises(BlobError, match=code):
        write(s3, DATA)

    assert s3.stored() == OLD
    assert s3.count("DELETE", "uploadId=") == 1


def test_row_18_error_in_the_200_of_a_copy_is_tried_again(s3: Store) -> None:
    s3.put(DATA)
    s3.breaks(ERROR_IN_200, method="PUT", path="/copy", times=2)

    with Context(s3.config) as context:
        context.copy(s3.url(), s3.url("copy"))

    assert s3.stored("copy") == DATA


DENIED = answer(403, {}, b"<Error><Code>AccessDenied</Code></Error>")


@pytest.mark.parametrize("part", [1, 3, 5])
@pytest.mark.parametrize("streaming", [True, False])
def test_row_19_part_that_is_refused_is_an_error_and_aborts(
    s3: Store, part: int, streaming: bool
) -> None:
    s3.put(OLD)
    s3.breaks(DENIED, method="PUT", path=f"partNumber={part}&", times=None)

    def write_by_file(context: Context) -> None:
        with context.BlobFile(s3.url(), "wb", streaming=streaming) as file:
            file.write(DATA)

    with Context(s3.config) as context, pytest.raises(PermissionDenied):
        write_by_file(context)

    assert s3.stored() == OLD
    assert s3.count("DELETE", "uploadId=") == 1


def test_row_19_abort_that_fails_once_is_sent_again(s3: Store) -> None:
    s3.breaks(DENIED, method="PUT", path="partNumber=2&", times=None)
    s3.breaks(drop_reply(), method="DELETE", times=1)

    with pytest.raises(PermissionDenied):
        write(s3, DATA)

    assert s3.count("DELETE", "uploadId=") == 2


def test_row_19_part_that_breaks_twice_is_sent_again(s3: Store) -> None:
    s3.breaks(reset(), method="PUT", path="partNumber=1&", times=1)
    s3.breaks(drop_reply(), method="PUT", path="partNumber=2&", times=2)
    s3.breaks(answer(503), method="PUT", path="partNumber=3&", times=2)

    write(s3, DATA)

    assert s3.stored() == DATA


def _flip_upload(request: Received, forward: Forward) -> Reply:
    body = request.body
    return forward(replace(request, body=body[:100] + bytes([body[100] ^ 1]) + body[101:]))


@pytest.mark.parametrize("path", [r"/blob$", "partNumber=1&", "partNumber=4&"])
def test_row_22_byte_flipped_on_its_way_up_is_sent_again(s3: Store, path: str) -> None:
    data = SMALL if path == r"/blob$" else DATA
    s3.breaks(_flip_upload, method="PUT", path=path, times=2)

    write(s3, data)

    assert s3.stored() == data


@pytest.mark.parametrize("path", [r"/blob$", "partNumber=1&"])
def test_row_22_byte_that_is_always_flipped_on_its_way_up_publishes_nothing(
    s3: Store, path: str
) -> None:
    s3.put(OLD)
    s3.breaks(_flip_upload, method="PUT", path=path, times=None)

    with pytest.raises(BlobError):
        write(s3, SMALL if path == r"/blob$" else DATA)

    assert s3.stored() == OLD


def _store_flipped(request: Received, forward: Forward) -> Reply:
    """A store that keeps other bytes than it was sent, and says so in its reply."""
    reply = forward(request)
    kept = {name.lower(): text for name, text in reply.headers.items()}
    return replace(reply, headers=kept | {"x-amz-checksum-crc32c": "AAAAAA=="})


@SIZES
def test_row_22_reply_with_another_checksum_is_an_error(s3: Store, data: bytes) -> None:
    s3.breaks(_store_flipped, method="PUT", times=None)

    with pytest.raises(BlobError, match="checksum"):
        write(s3, data)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_row_32_write_cancelled_from_outside_leaves_nothing(s3: Store, method: str) -> None:
    """Cancelled while the upload is begun, a part is under way, or it is completed."""
    s3.put(OLD)
    loop = asyncio.get_running_loop()
    arrived, go_on = asyncio.Event(), threading.Event()
    path = {"POST": "uploads", "PUT": "partNumber=3&", "DELETE": "nothing"}[method]

    def hold(request: Received, forward: Forward) -> Reply:
        reply = forward(request)
        loop.call_soon_threadsafe(arrived.set)
        go_on.wait(timeout=10)
        return reply

    if method == "DELETE":
        s3.breaks(hold, method="POST", path="uploadId=")
    else:
        s3.breaks(hold, method=method, path=path)
    async with AsyncContext(s3.config) as context:
        task = asyncio.ensure_future(context.write_bytes(s3.url(), DATA))
        await arrived.wait()
        task.cancel()
        loop.call_later(0.01, go_on.set)
        with pytest.raises(asyncio.CancelledError):
            await task
    go_on.set()

    committed = method == "DELETE"
    assert s3.stored() == (DATA if committed else OLD)
