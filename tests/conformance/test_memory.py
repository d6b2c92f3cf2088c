from __future__ import annotations

from operator import attrgetter

import pytest

from blobio.drivers.memory import MemoryDriver, MemoryStore
from blobio.testing.conformance import Case, Feature, cases, open_harness
from blobio.url import BlobUrl

LACKS = {Feature.MISSING_BUCKETS: "every bucket of a memory store exists"}


@pytest.mark.parametrize(
    "case", cases(MemoryDriver("bucket", MemoryStore()).capabilities, LACKS), ids=attrgetter("name")
)
async def test_memory_driver(case: Case) -> None:
    async with open_harness(BlobUrl("memory", "conformance", "")) as harness:
        await case.run(harness)
