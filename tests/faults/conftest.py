"""One strict S3 server and one proxy for all tests; a bucket, or a blob in it, for each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from blobio.drivers.s3 import driver
from blobio.testing.emulators import AzureServer, GcsServer
from blobio.testing.faultproxy import FaultProxy
from blobio.testing.strict_azure import StrictAzure, strict_azure
from blobio.testing.strict_gcs import StrictGcs, strict_gcs
from blobio.testing.strict_hub import StrictHub, strict_hub
from blobio.testing.strict_s3 import StrictS3, strict_s3
from tests.faults.clouds import (
    Cloud,
    azurite_cloud,
    fake_gcs_cloud,
    strict_azure_cloud,
    strict_gcs_cloud,
)
from tests.faults.sites import Site, Store, azure_site, gcs_site, hub_site, serve_http


@pytest.fixture(scope="session")
def s3_server() -> Iterator[StrictS3]:
    with strict_s3(min_part_bytes=1) as server:
        yield server


@pytest.fixture(scope="session")
def s3_proxy(s3_server: StrictS3) -> Iterator[FaultProxy]:
    with FaultProxy(s3_server.url) as proxy:
        yield proxy


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let uploads have parts of any size, as the strict server takes them; S3 wants 5 MiB."""
    ours = driver.capabilities_of
    monkeypatch.setattr(
        driver, "capabilities_of", lambda config: replace(ours(config), min_part_bytes=1)
    )


@pytest.fixture
def s3(s3_server: StrictS3, s3_proxy: FaultProxy, small_parts: None) -> Iterator[Store]:  # noqa: ARG001 - a patch
    """An empty bucket behind a proxy; whatever happens, no upload may be left in it."""
    store = Store.make(s3_server, s3_proxy)
    yield store
    assert store.orphans == []


@pytest.fixture(scope="session")
def web() -> Iterator[Site]:
    with serve_http() as site:
        yield site


@pytest.fixture(scope="session")
def gcs_server() -> Iterator[StrictGcs]:
    with strict_gcs() as server:
        yield server


@pytest.fixture(scope="session")
def gcs_proxy(gcs_server: StrictGcs) -> Iterator[FaultProxy]:
    with FaultProxy(gcs_server.url) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def azure() -> Iterator[tuple[StrictAzure, FaultProxy]]:
    with strict_azure() as server, FaultProxy(server.url) as proxy:
        yield server, proxy


@pytest.fixture(scope="session")
def hub() -> Iterator[tuple[StrictHub, dict[bool, FaultProxy]]]:
    """A Hub, a proxy before it (False), and one before the host that delivers large files."""
    with (
        strict_hub() as server,
        FaultProxy(server.url) as itself,
        FaultProxy(server.delivery_url) as other,
    ):
        yield server, {False: itself, True: other}


@pytest.fixture(scope="session")
def servers(
    s3_proxy: FaultProxy,
    gcs_proxy: FaultProxy,
    azure: tuple[StrictAzure, FaultProxy],
    hub: tuple[StrictHub, dict[bool, FaultProxy]],
    web: Site,
) -> None:
    """Start all servers of ours: a test that asks by name must have them before it counts."""


@pytest.fixture(scope="session")
def emulators(fake_gcs_proxy: FaultProxy, azurite_proxy: FaultProxy) -> None:
    """Start the emulators, as above."""


@pytest.fixture(params=["s3-crc32c", "gcs"])
def checked(request: pytest.FixtureRequest, servers: None) -> Site:  # noqa: ARG001 - see there
    """One blob with a CRC32C, in S3 and in Google's store."""
    if request.param == "gcs":
        return gcs_site(request.getfixturevalue("gcs_server"), request.getfixturevalue("gcs_proxy"))
    store: Store = request.getfixturevalue("s3")
    return store.site("crc32c")


@pytest.fixture(params=["s3-crc32c", "s3-bare", "gcs", "azure", "http", "hub", "hub-git"])
def site(request: pytest.FixtureRequest, servers: None) -> Site:  # noqa: ARG001 - see there
    """One blob: in S3 with a checksum and without, in Google's store, in Azure, on the web.

    And two of the Hub: one that another host delivers, and one that comes from itself.
    """
    if request.param == "gcs":
        return gcs_site(request.getfixturevalue("gcs_server"), request.getfixturevalue("gcs_proxy"))
    if request.param == "azure":
        return azure_site(*request.getfixturevalue("azure"))
    if request.param.startswith("hub"):
        server, proxies = request.getfixturevalue("hub")
        return hub_site(server, proxies[request.param == "hub"], lfs=request.param == "hub")
    if request.param == "http":
        found: Site = request.getfixturevalue("web")
        found.proxy.clear()
        return found.renamed()
    store: Store = request.getfixturevalue("s3")
    return store.site(request.param.removeprefix("s3-"))


@pytest.fixture(scope="session")
def fake_gcs_proxy(gcs: GcsServer) -> Iterator[FaultProxy]:
    with FaultProxy(gcs.url) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def azurite_proxy(azurite: AzureServer) -> Iterator[FaultProxy]:
    with FaultProxy(azurite.url) as proxy:
        yield proxy


_STRICT = ("gcs", "gcs-session", "azure")


@pytest.fixture(params=_STRICT)
def cloud(request: pytest.FixtureRequest, servers: None) -> Iterator[Cloud]:  # noqa: ARG001 - see there
    """A blob to be written to a strict server; whatever happens, nothing unfinished is left."""
    found = _cloud(request)
    yield found
    assert found.left() == []


@pytest.fixture(params=[*_STRICT, "fake-gcs", "azurite"])
def any_cloud(
    request: pytest.FixtureRequest,
    servers: None,  # noqa: ARG001 - see there
    emulators: None,  # noqa: ARG001 - as above
) -> Iterator[Cloud]:
    """As `cloud`, or to an emulator."""
    found = _cloud(request)
    yield found
    assert found.left() == []


def _cloud(request: pytest.FixtureRequest) -> Cloud:
    if request.param == "azure":
        return strict_azure_cloud(*request.getfixturevalue("azure"))
    if request.param == "fake-gcs":
        return fake_gcs_cloud(
            request.getfixturevalue("gcs"), request.getfixturevalue("fake_gcs_proxy")
        )
    if request.param == "azurite":
        return azurite_cloud(
            request.getfixturevalue("azurite"), request.getfixturevalue("azurite_proxy")
        )
    return strict_gcs_cloud(
        request.getfixturevalue("gcs_server"),
        request.getfixturevalue("gcs_proxy"),
        parallel=request.param == "gcs",
    )
