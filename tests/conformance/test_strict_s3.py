from __future__ import annotations

from operator import attrgetter

import pytest

from blobio.testing.conformance import Case, capabilities_of, cases, open_harness
from blobio.testing.strict_s3 import StrictS3
from blobio.url import BlobUrl

ROOT = BlobUrl("s3", "conformance", "")
CAPABILITIES = capabilities_of(ROOT, StrictS3().config())


@pytest.mark.parametrize("case", cases(CAPABILITIES), ids=attrgetter("name"))
async def test_s3_driver_on_the_strict_server(case: Case) -> None:
    async with StrictS3() as server:
        server.make_bucket(ROOT.authority)
        async with open_harness(ROOT, server.config()) as harness:
            await case.run(harness)

        assert not server.orphans(ROOT.authority)
