"""The strict server by itself, asked by `azure-storage-blob`, which shares no code with blobio."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from typing import TypeVar

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobBlock, BlobClient, ContainerClient

from blobio.testing.strict_azure import StoredBlob, StrictAzure
from blobio.testing.strict_azure.signatures import KEY

T = TypeVar("T")


async def ask(server: StrictAzure, question: Callable[[ContainerClient], T]) -> T:
    """Ask the server through the SDK, which blocks."""

    def run() -> T:
        with ContainerClient(
            f"{server.url}/account",
            "container",
            credential={"account_name": "account", "account_key": KEY},
            retry_total=0,
        ) as client:
            return question(client)

    return await asyncio.to_thread(run)


def block(number: int) -> str:
    return base64.b64encode(f"{number:04}".encode()).decode()


async def code_of(server: StrictAzure, question: Callable[[ContainerClient], object]) -> str:
    """Return the code that the server refuses with."""
    with pytest.raises(HttpResponseError) as caught:
        await ask(server, question)
    code = getattr(caught.value, "error_code", None)
    return str(getattr(code, "value", code))


def blob(client: ContainerClient) -> BlobClient:
    return client.get_blob_client("key")


async def test_sdk_writes_reads_and_lists() -> None:
    async with StrictAzure() as server:
        server.make_container("container")

        def question(client: ContainerClient) -> tuple[bytes, list[str]]:
            client.upload_blob("a b/é", b"data", metadata={"a": "b"})
            data = client.download_blob("a b/é").readall()
            return data, [item.name for item in client.list_blobs()]

        assert await ask(server, question) == (b"data", ["a b/é"])


async def test_sdk_publishes_blocks() -> None:
    async with StrictAzure() as server:
        container = server.make_container("container")

        def question(client: ContainerClient) -> None:
            one = blob(client)
            for number in range(3):
                one.stage_block(block(number), str(number).encode())
            one.commit_block_list([BlobBlock(block(number)) for number in (2, 0)])

        await ask(server, question)

        assert container.blobs["key"].body == b"20"
        assert not container.uncommitted


REFUSALS: dict[str, tuple[str, Callable[[ContainerClient], object]]] = {
    "id of another length": (
        "InvalidBlobOrBlock",
        lambda client: [blob(client).stage_block(one, b"x") for one in (block(1), "YQ==")],
    ),
    "unknown block": (
        "InvalidBlockList",
        lambda client: blob(client).commit_block_list([BlobBlock(block(9))]),
    ),
    "create over a blob": (
        "BlobAlreadyExists",
        lambda client: client.upload_blob("taken", b"x"),
    ),
    "another version": (
        "ConditionNotMet",
        lambda client: client.upload_blob(
            "taken",
            b"x",
            overwrite=True,
            etag='"other"',
            match_condition=MatchConditions.IfNotModified,
        ),
    ),
    "nothing there": ("BlobNotFound", lambda client: client.download_blob("none").readall()),
    "leased": ("LeaseIdMissing", lambda client: client.delete_blob("leased")),
    "blocks into an append blob": (
        "InvalidBlobType",
        lambda client: client.get_blob_client("appended").stage_block(block(1), b"x"),
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
async def test_what_azure_refuses_is_refused(name: str) -> None:
    code, question = REFUSALS[name]
    async with StrictAzure() as server:
        container = server.make_container("container")
        container.store("taken", StoredBlob(body=b"old"))
        container.store("leased", StoredBlob(body=b"old")).lease = "id"
        container.store("appended", StoredBlob(body=b"old", blob_type="AppendBlob"))

        assert await code_of(server, question) == code


async def test_commit_drops_the_blocks_of_others() -> None:
    async with StrictAzure() as server:
        container = server.make_container("container")
        container.add_block("key", block(1), b"theirs")

        await ask(server, lambda client: client.upload_blob("key", b"ours"))

        assert not container.uncommitted
