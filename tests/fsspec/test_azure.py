"""Azure as adlfs's users reach it: by a connection string alone, with paths `container/key`."""

from __future__ import annotations

from collections.abc import Iterator

import fsspec
import pytest

from blobio.fsspec import register, unregister
from blobio.testing.emulators import AzureServer
from tests.fsspec.conftest import BUCKET


@pytest.fixture
def abfs() -> Iterator[None]:
    register("abfs")
    yield
    unregister("abfs")


def _connection_string(server: AzureServer) -> str:
    return (
        f"DefaultEndpointsProtocol=http;AccountName={server.account};AccountKey={server.key};"
        f"BlobEndpoint={server.url}/{server.account};"
    )


@pytest.mark.usefixtures("abfs")
def test_connection_string_of_adlfs_names_the_account(azurite: AzureServer) -> None:
    azurite.make_container(BUCKET)
    options = {"connection_string": _connection_string(azurite)}
    root = f"{BUCKET}/connected"

    with fsspec.open(f"abfs://{root}/a/one.bin", "wb", **options) as file:
        file.write(b"one")
    fs = fsspec.filesystem("abfs", **options)
    fs.pipe({f"{root}/two.bin": b"two"})

    assert fs.find(root) == [f"{root}/a/one.bin", f"{root}/two.bin"]
    assert fs.cat([f"{root}/a/one.bin"]) == {f"{root}/a/one.bin": b"one"}
    fs.rm(root, recursive=True)
    assert fs.find(root) == []


@pytest.mark.parametrize(
    ("connection_string", "prefix"),
    [
        ("AccountName=named;AccountKey=a2V5;EndpointSuffix=core.windows.net", "az://named/"),
        ("BlobEndpoint=https://hosted.blob.example/;SharedAccessSignature=sig=a", "az://hosted/"),
        ("BlobEndpoint=http://127.0.0.1:10000/local;SharedAccessSignature=sig=a", "az://local/"),
    ],
)
@pytest.mark.usefixtures("abfs")
def test_account_of_any_connection_string_is_known(connection_string: str, prefix: str) -> None:
    fs = fsspec.filesystem("abfs", connection_string=connection_string, skip_instance_cache=True)

    assert fs.url_prefix == prefix


@pytest.mark.usefixtures("abfs")
def test_account_name_goes_before_the_connection_string() -> None:
    fs = fsspec.filesystem(
        "abfs",
        account_name="first",
        connection_string="AccountName=second;AccountKey=a2V5",
        skip_instance_cache=True,
    )

    assert fs.url_prefix == "az://first/"
