from __future__ import annotations

from operator import attrgetter

import pytest

from blobio.testing.conformance import Case, capabilities_of, cases, open_harness
from blobio.testing.strict_azure import StrictAzure
from blobio.url import BlobUrl

ROOT = BlobUrl("az", "account/conformance", "")
CAPABILITIES = capabilities_of(ROOT, StrictAzure().config())


@pytest.mark.parametrize("case", cases(CAPABILITIES), ids=attrgetter("name"))
async def test_azure_driver_on_the_strict_server(case: Case) -> None:
    async with StrictAzure() as server:
        server.make_container("conformance")
        async with open_harness(ROOT, server.config()) as harness:
            await case.run(harness)
