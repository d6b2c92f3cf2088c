from __future__ import annotations

from operator import attrgetter

import pytest

from blobio.config import AzureConfig, Config
from blobio.testing.conformance import Case, Feature, capabilities_of, cases, open_harness
from blobio.testing.emulators import AzureServer
from blobio.url import BlobUrl

ROOT = BlobUrl("az", "devstoreaccount1/conformance", "")
CAPABILITIES = capabilities_of(ROOT, Config(azure=AzureConfig(account_key="a2V5")))
AZURITE_LACKS = {
    Feature.BACKSLASHES: "a backslash in a path is taken for a slash",
    Feature.CONTROLS: "a listing with such a key is answered with status 500",
}


@pytest.fixture(scope="session")
def azurite_container(azurite: AzureServer) -> AzureServer:
    azurite.make_container("conformance")
    return azurite


@pytest.mark.parametrize("case", cases(CAPABILITIES, AZURITE_LACKS), ids=attrgetter("name"))
async def test_azure_driver_on_azurite(case: Case, azurite_container: AzureServer) -> None:
    async with open_harness(ROOT, azurite_container.config()) as harness:
        await case.run(harness)
