from __future__ import annotations

from operator import attrgetter

import pytest

from blobio.config import Config, GcsConfig
from blobio.errors import BlobError
from blobio.testing.conformance import Case, Feature, capabilities_of, cases, open_harness
from blobio.testing.emulators import GcsServer
from blobio.url import BlobUrl

ROOT = BlobUrl("gs", "conformance", "")
CAPABILITIES = capabilities_of(ROOT, Config(gcs=GcsConfig(anonymous=True)))
LACKS = {
    Feature.CREATE_ON_COMPLETE: "conditions are not looked at when components are composed",
    Feature.REPLACE_ON_COMPLETE: "nor here",
    Feature.CONDITIONAL_COPIES: "conditions are not looked at when an object is rewritten",
    Feature.PREFIX_PAGES: "every page has all prefixes, beyond its size",
    Feature.REMOVED_NAMES: "a name that is patched to null stays, with an empty value",
    Feature.NEWLINES: "Google Cloud Storage itself has no such keys, so the driver refuses them",
}


@pytest.fixture(scope="session")
def bucket(gcs: GcsServer) -> GcsServer:
    gcs.make_bucket(ROOT.authority)
    return gcs


@pytest.mark.parametrize("case", cases(CAPABILITIES, LACKS), ids=attrgetter("name"))
async def test_gcs_driver_on_the_emulator(case: Case, bucket: GcsServer) -> None:
    async with open_harness(ROOT, bucket.config()) as harness:
        await case.run(harness)


@pytest.mark.parametrize("feature", [one for one in LACKS if one is not Feature.NEWLINES])
async def test_the_emulator_still_lacks_what_is_said_of_it(
    feature: Feature, bucket: GcsServer
) -> None:
    """A table of excuses is no longer true when every case passes that it leaves out."""
    others = {one: reason for one, reason in LACKS.items() if one is not feature}
    failures = 0
    for case in cases(CAPABILITIES, others):
        if feature in case.shows:
            async with open_harness(ROOT, bucket.config()) as harness:
                try:
                    await case.run(harness)
                except (AssertionError, BlobError):
                    failures += 1

    assert failures
