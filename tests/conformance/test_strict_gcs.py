from __future__ import annotations

import re
from dataclasses import replace
from operator import attrgetter
from typing import Final

import pytest

from blobio.config import Config, GcsConfig
from blobio.testing.conformance import Case, Feature, capabilities_of, cases, open_harness
from blobio.testing.strict_gcs import StrictGcs
from blobio.url import BlobUrl

ROOT = BlobUrl("gs", "conformance", "")
CAPABILITIES = capabilities_of(ROOT, Config(gcs=GcsConfig(anonymous=True)))
LACKS = {Feature.NEWLINES: "Google Cloud Storage itself has no such keys, and neither has this"}
_WRITES_IN_PARTS: Final = re.compile("part|complete|abort|cancel|upload")


@pytest.mark.parametrize("case", cases(CAPABILITIES, LACKS), ids=attrgetter("name"))
async def test_gcs_driver_on_the_strict_server(case: Case) -> None:
    async with StrictGcs() as server:
        bucket = server.make_bucket(ROOT.authority)
        async with open_harness(ROOT, server.config()) as harness:
            await case.run(harness)

        assert not [key for key in bucket.objects if key.startswith(".blobio-components/")]


@pytest.mark.parametrize(
    "case",
    [case for case in cases(CAPABILITIES, LACKS) if _WRITES_IN_PARTS.search(case.name)],
    ids=attrgetter("name"),
)
async def test_gcs_driver_with_one_session_for_all_parts(case: Case) -> None:
    async with StrictGcs() as server:
        server.make_bucket(ROOT.authority)
        config = server.config()
        config = replace(config, gcs=replace(config.gcs, parallel_uploads=False))
        async with open_harness(ROOT, config) as harness:
            await case.run(harness)

        assert server.requests["objects.compose"] == 0
