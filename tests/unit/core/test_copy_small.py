"""A blob that its listing says is small is read with one request, and as safely as any other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from blobio.config import Config, ReadConfig, WriteConfig
from blobio.core.copying import copy
from blobio.core.ends import End, Means
from blobio.core.flow import ByteBudget
from blobio.drivers.base import Driver, GetResult
from blobio.errors import ChecksumMismatch
from blobio.testing.faults import Counting
from blobio.url import BlobUrl
from blobio.values import Capabilities, PutOptions
from tests.unit.core.fakes import Bent, Breaking, Bytes, content, memory, spoiled, stored, url

CONFIG = Config(
    read=ReadConfig(part_bytes=100, window=3), write=WriteConfig(part_bytes=100, window=3)
)
BODY = b"0123456789" * 9
PLAIN = Capabilities(metadata=False)
FAR = BlobUrl("far", "bucket", "copy")


async def run_copy(source: Driver, size: int | None, *, limits: Capabilities = PLAIN) -> bytes:
    target = memory(limits=limits)
    budget = ByteBudget(1_000)
    ends = End(source, url(), size=size), End(target, FAR)
    try:
        await copy(*ends, PutOptions(), Means(CONFIG, budget))
    finally:
        await budget.acquire(1_000)  # all of it was given back
    return await content(target, "copy")


@pytest.mark.parametrize("body", [BODY, b""])
async def test_it_is_one_request(body: bytes) -> None:
    counting = Counting()
    source = await stored(counting, data=body)
    counting.calls.clear()

    assert await run_copy(source, len(body)) == body

    assert [call.verb for call in counting.calls if call.verb != "chunk"] == ["get"]


@pytest.mark.parametrize(
    ("size", "limits"),
    [(None, PLAIN), (101, PLAIN), (90, Capabilities(metadata=True))],
    ids=["unknown", "large", "metadata"],
)
async def test_others_are_looked_at_first(size: int | None, limits: Capabilities) -> None:
    counting = Counting()
    source = await stored(counting, data=BODY)
    counting.calls.clear()

    assert await run_copy(source, size, limits=limits) == BODY

    assert counting.calls[0].verb == "head"


async def test_a_body_that_breaks_off_is_read_by_a_reader_that_resumes() -> None:
    source = await stored(Breaking(2, 3), data=BODY)

    assert await run_copy(source, len(BODY)) == BODY


async def test_one_that_has_grown_since_is_copied_whole() -> None:
    source = await stored(data=BODY * 5)

    assert await run_copy(source, 10) == BODY * 5


async def test_a_body_shorter_than_announced_is_not_believed() -> None:
    short = [True]

    def cut(result: GetResult) -> GetResult:
        return replace(result, stream=Bytes(BODY[:50])) if short.pop() else result

    source = Bent((await spoiled(lambda result: result, BODY)).driver, on_get=cut)
    short.insert(0, False)

    assert await run_copy(source, len(BODY)) == BODY
    assert len(source.gets) == 2


async def test_bytes_other_than_the_store_vouches_for_are_not_published() -> None:
    source = await spoiled(lambda result: replace(result, stream=Bytes(b"x" * 90)), BODY)

    with pytest.raises(ChecksumMismatch):
        await run_copy(source, len(BODY))
