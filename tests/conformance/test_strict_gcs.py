from __future__ import annotations

from operator import attrgetter

import pytest

from blobio.config import Config, GcsConfig
from blobio.testing.conformance import Case, Feature, capabilities_of, cases, open_harness
from blobio.testing.strict_gcs import StrictGcs
from blobio.url import BlobUrl

ROOT = BlobUrl("gs", "conformance", "")
CAPABILITIES = capabilities_of(ROOT, Config(gcs=GcsConfig(anonymous=True)))
LACKS = {Feature.NEWLINES: "Google Cloud Storage itself has no such keys, and neither has this"}


@pytest.mark.parametrize("case", cases(CAPABILITIES, LACKS), ids=attrgetter("name"))
async def test_gcs_driver_on_the_strict_server(case: Case) -> None:
    async with StrictGcs() as server:
        bucket = server.make_bucket(ROOT.authority)
        async with open_harness(ROOT, server.config()) as harness:
            await case.run(harness)

        assert not [key for key in bucket.objects if key.startswith(".blobio-components/")]
