"""Rows 14 to 19, 22, 24, 32, 36: writes to Google Cloud Storage and Azure, and what is left then.

As test_lost_writes and test_failed_writes for S3, over both clouds: strict servers, and for what
these can show, fake-gcs-server and Azurite. After each test no part of a write may be left.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from blobio import Context
from blobio.aio import AsyncContext
from blobio.errors import (
    AlreadyExists,
    BlobError,
    Conflict,
    PermissionDenied,
    UploadLost,
    VersionMismatch,
)
from blobio.testing.faultproxy import Action, Forward, answer, drop_reply, reset
from blobio.testing.scripted import Received, Reply
from tests.faults.clouds import DATA, OTHER, Cloud
from tests.faults.writes import LOST

SMALL, OLD = DATA[:1000], OTHER[:500]
SIZES = pytest.mark.parametrize("data", [SMALL, DATA], ids=["one put", "parts"])


@LOST
@SIZES
@pytest.mark.parametrize("times", [1, 2])
def test_row_14_committed_write_whose_reply_is_lost_is_a_success(
    any_cloud: Cloud, data: bytes, lost: Action, times: int
) -> None:
    any_cloud.put(OLD)
    any_cloud.breaks_commit(lost, times=times)

    any_cloud.write(data)

    assert any_cloud.stored() == data


@LOST
@SIZES
@pytest.mark.parametrize("times", [1, 2])
def test_row_15_own_create_only_write_whose_reply_is_lost_is_no_conflict(
    any_cloud: Cloud, data: bytes, lost: Action, times: int
) -> None:
    any_cloud.breaks_commit(lost, times=times)

    any_cloud.write(data, overwrite=False)

    assert any_cloud.stored() == data


@LOST
@SIZES
def test_row_15_own_replacement_whose_reply_is_lost_is_no_conflict(
    cloud: Cloud, data: bytes, lost: Action
) -> None:
    cloud.put(OLD)
    old = cloud.version()
    cloud.breaks_commit(lost)

    cloud.write(data, version=old)

    assert cloud.stored() == data


@LOST
@SIZES
def test_row_15_reply_lost_of_a_create_only_write_that_lost_is_a_conflict(
    cloud: Cloud, data: bytes, lost: Action
) -> None:
    cloud.put(OLD)
    cloud.breaks_commit(lost)

    with pytest.raises(AlreadyExists):
        cloud.write(data, overwrite=False)

    assert cloud.stored() == OLD


@SIZES
@pytest.mark.parametrize("streaming", [True, False])
def test_row_16_exception_in_a_with_block_publishes_nothing(
    any_cloud: Cloud, data: bytes, streaming: bool
) -> None:
    any_cloud.put(OLD)

    def write_and_fail(context: Context) -> None:
        with context.BlobFile(any_cloud.url, "wb", streaming=streaming) as file:
            file.write(data)
            raise ZeroDivisionError

    with Context(any_cloud.config) as context, pytest.raises(ZeroDivisionError):
        write_and_fail(context)

    assert any_cloud.stored() == OLD


@LOST
def test_row_17_completion_whose_reply_is_lost_for_good_is_found_by_its_token(
    cloud: Cloud, lost: Action
) -> None:
    """No reply ever comes: the blob itself tells that it is ours."""
    skip = 0 if cloud.kind != "session" else 2
    cloud.breaks_commit(lost, times=None, skip=skip)

    cloud.write(DATA, overwrite=False)

    assert cloud.stored() == DATA


def test_row_18_error_in_a_200_is_never_taken_for_a_success(cloud: Cloud) -> None:
    """Neither store sends any; whatever stands in between might."""
    cloud.put(OLD)
    cloud.breaks_commit(answer(200, {}, b"<Error>no JSON, no ETag</Error>"), times=None)

    with pytest.raises(BlobError):
        cloud.write(DATA, overwrite=False)

    assert cloud.stored() == OLD


DENIED = answer(403, {}, b'{"error": {"code": 403, "errors": [{"reason": "forbidden"}]}}')


@pytest.mark.parametrize("skip", [0, 1, 2])
@pytest.mark.parametrize("streaming", [True, False])
def test_row_19_part_that_is_refused_is_an_error_and_aborts(
    any_cloud: Cloud, skip: int, streaming: bool
) -> None:
    any_cloud.put(OLD)
    any_cloud.breaks_part(DENIED, times=None, skip=skip)

    def write_by_file(context: Context) -> None:
        with context.BlobFile(any_cloud.url, "wb", streaming=streaming) as file:
            file.write(DATA)

    with Context(any_cloud.config) as context, pytest.raises(PermissionDenied):
        write_by_file(context)

    assert any_cloud.stored() == OLD


def test_row_19_part_that_breaks_twice_is_sent_again(any_cloud: Cloud) -> None:
    any_cloud.breaks_part(reset(), times=1)
    any_cloud.breaks_part(drop_reply(), times=1, skip=1)
    any_cloud.breaks_part(answer(503), times=2, skip=2)

    any_cloud.write(DATA)

    assert any_cloud.stored() == DATA


def _flip(request: Received, forward: Forward) -> Reply:
    at = len(request.body) * 3 // 4
    body = request.body
    return forward(replace(request, body=body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]))


@SIZES
def test_row_22_byte_flipped_on_its_way_up_publishes_nothing_wrong(
    cloud: Cloud, data: bytes
) -> None:
    """Sent again where the store refuses it; an error where only its last reply tells."""
    cloud.breaks_part(_flip)
    if data is SMALL:
        cloud.breaks_commit(_flip)

    try:
        cloud.write(data)
    except BlobError:
        assert cloud.stored() is None
    else:
        assert cloud.stored() == data


@SIZES
def test_row_22_byte_that_is_always_flipped_on_its_way_up_is_an_error(
    cloud: Cloud, data: bytes
) -> None:
    cloud.breaks_part(_flip, times=None)
    if data is SMALL:
        cloud.breaks_commit(_flip, times=None)

    with pytest.raises(BlobError):
        cloud.write(data)

    assert cloud.stored() is None


@pytest.mark.parametrize("skip", [0, 1, 2])
@pytest.mark.parametrize("acts", ["early", "late"])
async def test_row_32_write_cancelled_while_a_part_is_sent_leaves_nothing(
    cloud: Cloud, skip: int, acts: str
) -> None:
    """The store has acted on the part when the write is cancelled, or acts on it afterwards."""
    cloud.put(OLD)
    loop = asyncio.get_running_loop()
    arrived, go_on = asyncio.Event(), threading.Event()

    def hold(request: Received, forward: Forward) -> Reply:
        reply = forward(request) if acts == "early" else None
        loop.call_soon_threadsafe(arrived.set)
        go_on.wait(timeout=10)
        return forward(request) if reply is None else reply

    cloud.breaks_part(hold, skip=skip)
    async with AsyncContext(cloud.config) as context:
        task = asyncio.ensure_future(context.write_bytes(cloud.url, DATA))
        await arrived.wait()
        task.cancel()
        loop.call_later(0.05, go_on.set)
        with pytest.raises(asyncio.CancelledError):
            await task
    go_on.set()

    # The last request of a session both sends and publishes: held, it was done.
    published = cloud.kind == "session" and cloud.stored() == DATA
    assert published or cloud.stored() == OLD


def test_rule_07_source_that_is_changed_while_it_is_moved_is_not_removed(cloud: Cloud) -> None:
    """The store itself compares, so even the last moment counts."""
    cloud.put(DATA)

    def change(request: Received, forward: Forward) -> Reply:
        cloud.put(OTHER)
        return forward(request)

    cloud.breaks(change, method="DELETE", path=r"/blob(?:-\d+)?(?:$|\?)")
    with Context(cloud.config) as context, pytest.raises(VersionMismatch):
        context.move(cloud.url, f"{cloud.url}-moved")

    assert cloud.stored() == OTHER


@LOST
def test_rule_07_removal_after_a_move_whose_reply_is_lost_is_a_success(
    cloud: Cloud, lost: Action
) -> None:
    cloud.put(DATA)
    cloud.breaks(lost, method="DELETE", path=r"/blob(?:-\d+)?(?:$|\?)")

    with Context(cloud.config) as context:
        context.move(cloud.url, f"{cloud.url}-moved")
        assert context.read_bytes(f"{cloud.url}-moved") == DATA

    assert cloud.stored() is None


LOSSES = (AlreadyExists, VersionMismatch, Conflict, UploadLost)


@SIZES
@pytest.mark.parametrize("mode", ["create", "replace", "overwrite"])
def test_row_36_of_two_writers_one_wins_whole(cloud: Cloud, data: bytes, mode: str) -> None:
    """Both have sent everything before either publishes."""
    other = OTHER[: len(data)]
    condition: dict[str, bool | str] = {} if mode == "overwrite" else {"overwrite": False}
    if mode == "replace":
        cloud.put(OLD)
        condition = {"version": cloud.version()}

    told = _race(
        cloud,
        lambda: cloud.write(data, **condition),
        lambda: cloud.write(other, **condition),
    )

    losses = [error for error in told if error is not None]
    assert all(isinstance(error, LOSSES) for error in losses)
    # Of Azure's writers in blocks the first to publish drops the blocks of the other.
    assert len(losses) == 1 or mode == "overwrite"
    assert cloud.stored() in [d for d, e in zip((data, other), told, strict=True) if e is None]


def _race(cloud: Cloud, *writers: Callable[[], None]) -> list[BaseException | None]:
    gate = threading.Barrier(len(writers))
    told: list[BaseException | None] = [None] * len(writers)

    def wait(request: Received, forward: Forward) -> Reply:
        gate.wait(timeout=10)
        return forward(request)

    cloud.breaks_commit(wait, times=len(writers))

    def run(index: int) -> None:
        try:
            writers[index]()
        except BlobError as error:
            told[index] = error

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(writers))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return told
