from __future__ import annotations

from operator import attrgetter
from pathlib import Path

import pytest

from blobio.testing.conformance import Case, capabilities_of, cases, open_harness
from blobio.url import BlobUrl


@pytest.mark.parametrize(
    "case", cases(capabilities_of(BlobUrl("file", "", "/"))), ids=attrgetter("name")
)
async def test_local_driver(case: Case, tmp_path: Path) -> None:
    async with open_harness(BlobUrl.parse(f"{tmp_path}/")) as harness:
        await case.run(harness)
