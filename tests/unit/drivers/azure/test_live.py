"""The Azure driver on Azurite: what scripted replies cannot prove."""

from __future__ import annotations

import time

import pytest

from blobio.config import AzureConfig, Config
from blobio.drivers.registry import DriverServices, make_driver
from blobio.errors import NotFound, PermissionDenied, Unsupported
from blobio.testing.conformance import open_harness
from blobio.testing.conformance.harness import DriverHarness
from blobio.testing.emulators import AzureServer
from blobio.transport.message import Request
from blobio.transport.observe import Event
from blobio.url import BlobUrl
from blobio.values import CreateOnly, GetOptions, ListOptions, PutOptions


def root(server: AzureServer) -> BlobUrl:
    return BlobUrl("az", f"{server.account}/live", "")


async def read(harness: DriverHarness, key: str) -> bytes:
    async with await harness.driver.get(key, GetOptions()) as result:
        return b"".join([chunk async for chunk in result.chunks()])


async def test_bearer_token_opens_everything(azurite_oauth: AzureServer) -> None:
    azurite_oauth.make_container("live")
    async with open_harness(root(azurite_oauth), azurite_oauth.token_config()) as harness:
        key = harness.key("key")
        await harness.driver.put(key, b"data", PutOptions())
        copied = harness.key("copy")
        await harness.driver.copy(harness.url(key), copied, PutOptions(mode=CreateOnly()))

        assert await read(harness, copied) == b"data"
        results = await harness.driver.delete([key, copied])
        assert [one.error for one in results] == [None, None]


async def test_wrong_key_is_one_request(azurite: AzureServer) -> None:
    events: list[Event] = []
    azure = AzureConfig(endpoint_url=azurite.endpoint_url, account_key="d3Jvbmc=")
    async with open_harness(root(azurite), Config(azure=azure, on_event=events.append)) as harness:
        with pytest.raises(PermissionDenied):  # the store itself would say more
            await harness.driver.put("key", b"data", PutOptions())

    assert len(events) == 1


@pytest.mark.parametrize("lives_s", [60, -60], ids=["good", "expired"])
async def test_sas_token_opens_what_it_is_for(azurite: AzureServer, lives_s: int) -> None:
    from datetime import UTC, datetime

    from azure.storage.blob import generate_container_sas

    azurite.make_container("live")
    sas = generate_container_sas(
        azurite.account,
        "live",
        account_key=azurite.key,
        permission="rwdl",
        expiry=datetime.fromtimestamp(time.time() + lives_s, UTC),
    )
    azure = AzureConfig(endpoint_url=azurite.endpoint_url, sas_token=sas)
    async with open_harness(root(azurite), Config(azure=azure)) as harness:
        key = harness.key("key")
        if lives_s < 0:
            with pytest.raises(PermissionDenied) as caught:
                await harness.driver.put(key, b"data", PutOptions())
            assert "sig=" not in str(caught.value)
            return
        await harness.driver.put(key, b"data", PutOptions())
        await harness.driver.copy(harness.url(key), harness.key("copy"), PutOptions())

        assert await read(harness, harness.key("copy")) == b"data"
        with pytest.raises(Unsupported, match="SAS token cannot sign"):
            await harness.driver.sign_url(key, "GET", 60)


async def test_connection_string_is_enough(azurite: AzureServer) -> None:
    azurite.make_container("live")
    text = (
        f"DefaultEndpointsProtocol=http;AccountName={azurite.account};AccountKey={azurite.key};"
        f"BlobEndpoint={azurite.url}/{azurite.account};"
    )
    config = Config(azure=AzureConfig(connection_string=text))
    async with open_harness(root(azurite), config) as harness:
        await harness.driver.put(harness.key("key"), b"data", PutOptions())

        assert await read(harness, harness.key("key")) == b"data"


async def test_public_container_is_read_anonymously(azurite: AzureServer) -> None:
    from azure.storage.blob import ContainerClient, PublicAccess

    azurite.make_container("live-public")
    url = f"{azurite.url}/{azurite.account}"
    credential = {"account_name": azurite.account, "account_key": azurite.key}
    with ContainerClient(
        url, "live-public", credential=credential, api_version="2023-11-03"
    ) as client:
        client.set_container_access_policy({}, public_access=PublicAccess.CONTAINER)
        client.upload_blob("key", b"data", overwrite=True)
    azure = AzureConfig(endpoint_url=azurite.endpoint_url, anonymous=True)
    public = BlobUrl("az", f"{azurite.account}/live-public", "")
    async with open_harness(public, Config(azure=azure)) as harness:
        assert await read(harness, "key") == b"data"
        assert [
            meta.key for meta in (await harness.driver.list_page("", ListOptions(), None)).blobs
        ] == ["key"]
        assert await harness.fetch(await harness.driver.sign_url("key", "GET", 60)) == b"data"


async def test_append_and_page_blobs_are_read(azurite: AzureServer) -> None:
    from azure.storage.blob import BlobType, ContainerClient

    azurite.make_container("live")
    url = f"{azurite.url}/{azurite.account}"
    credential = {"account_name": azurite.account, "account_key": azurite.key}
    with ContainerClient(url, "live", credential=credential, api_version="2023-11-03") as client:
        client.upload_blob("appended", b"data", blob_type=BlobType.APPENDBLOB, overwrite=True)
        client.upload_blob("pages", b"p" * 512, blob_type=BlobType.PAGEBLOB, overwrite=True)
    async with open_harness(root(azurite), azurite.config()) as harness:
        assert await read(harness, "appended") == b"data"
        assert await read(harness, "pages") == b"p" * 512


async def test_signed_urls_of_a_key_write_and_delete(azurite: AzureServer) -> None:
    azurite.make_container("live")
    before = time.time()
    async with open_harness(root(azurite), azurite.config()) as harness:
        key = harness.key("a b/é?#%")
        put = await harness.driver.sign_url(key, "PUT", 60)
        request = Request(method="PUT", url=put.url, headers=put.headers, body=b"data")
        assert (await harness._base.send(request)).status == 201
        assert await read(harness, key) == b"data"
        delete = await harness.driver.sign_url(key, "DELETE", 60)
        assert (await harness._base.send(Request(method="DELETE", url=delete.url))).status == 202
        with pytest.raises(NotFound):
            await harness.driver.head(key)

    assert put.expires_at is not None
    assert 59 <= put.expires_at - before <= 62
    assert "sig=" not in repr(put)


async def test_copy_between_accounts_is_streamed_where_the_store_cannot(
    azurite: AzureServer,
) -> None:
    azurite.make_container("live")
    azurite.make_container("live", account=azurite.second_account)
    async with open_harness(root(azurite), azurite.config()) as harness:
        key = harness.key("key")
        await harness.driver.put(key, b"data", PutOptions())
        services: DriverServices = harness._services
        other = make_driver(BlobUrl("az", f"{azurite.second_account}/live", ""), services)

        with pytest.raises(Unsupported):
            await other.copy(harness.url(key), "copy", PutOptions())

        await other.aclose()
