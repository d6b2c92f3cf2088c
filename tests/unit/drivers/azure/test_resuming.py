"""Blocks that another process sent are found again, or known to be lost."""

from __future__ import annotations

import pytest

from blobio.drivers.azure.headers import metadata_headers
from blobio.drivers.azure.upload import AzureUpload
from blobio.drivers.azure.wire import block_id
from blobio.drivers.resumable import Resumable, SentPart
from blobio.drivers.unfinished import Leftover, Tidy
from blobio.errors import NotFound, PermissionDenied, RequestFailed, Unsupported, UploadLost
from blobio.transport.message import Response
from blobio.transport.mock import reply
from blobio.values import PartToken, PutOptions
from tests.unit.drivers.azure.kit import error, scripted, wrote

SESSION = "a" * 32
TOKEN = "b" * 32
STATE = {"session": SESSION, "token": TOKEN}
SENT = {0: SentPart(0, 4, 7, PartToken("0")), 1: SentPart(4, 4, 8, PartToken("1"))}


def blocks(*sizes: int, session: str = SESSION) -> Response:
    """Return the list of blocks of those sizes."""
    rows = "".join(
        f"<Block><Name>{block_id(session, index)}</Name><Size>{size}</Size></Block>"
        for index, size in enumerate(sizes)
    )
    text = f"<BlockList><CommittedBlocks/><UncommittedBlocks>{rows}</UncommittedBlocks></BlockList>"
    return reply(200, b"\xef\xbb\xbf" + text.encode())


async def test_blocks_are_found_and_published_with_new_ones() -> None:
    driver, mock = scripted([blocks(4, 4), reply(201), wrote()])

    found = await driver.resume_upload("key", PutOptions(), STATE, SENT)
    assert isinstance(found.upload, AzureUpload)
    last = await found.upload.put_part(2, 8, b"end")
    await found.upload.complete([PartToken("0"), PartToken("1"), last], size=11)

    assert found.parts == {0, 1}
    assert found.upload.state == STATE
    assert mock.requests[0].url.endswith("?comp=blocklist&blocklisttype=uncommitted")
    names = [f"<Uncommitted>{block_id(SESSION, index)}</Uncommitted>" for index in range(3)]
    assert "".join(names) in bytes(mock.requests[2].body).decode()
    assert "x-ms-blob-content-md5" not in mock.requests[2].headers


async def test_a_block_of_another_size_or_writer_is_not_done() -> None:
    driver, _ = scripted([blocks(4, 3)])

    found = await driver.resume_upload("key", PutOptions(), STATE, SENT)

    assert found.parts == {0}


@pytest.mark.parametrize(
    "listed", [blocks(), blocks(4, 4, session="c" * 32), error(404, "BlobNotFound")]
)
async def test_without_blocks_of_its_own_it_is_lost(listed: Response) -> None:
    driver, _ = scripted([listed, error(404, "BlobNotFound")])

    with pytest.raises(UploadLost):
        await driver.resume_upload("key", PutOptions(), STATE, SENT)


async def test_blocks_that_were_published_are_told_by_their_token() -> None:
    there = {"etag": '"e"', "content-length": "8", **metadata_headers({}, TOKEN)}
    driver, mock = scripted([blocks(), reply(200, b"", there)])

    found = await driver.resume_upload("key", PutOptions(), STATE, SENT)

    assert found.upload is None
    assert found.published is not None
    assert [request.method for request in mock.requests] == ["GET", "HEAD"]


@pytest.mark.parametrize("state", [{}, {"session": SESSION}, {**STATE, "session": "<x>"}])
async def test_what_is_no_state_is_lost_without_a_request(state: dict[str, str]) -> None:
    driver, mock = scripted([])

    with pytest.raises(UploadLost):
        await driver.resume_upload("key", PutOptions(), state, SENT)
    assert not mock.requests


@pytest.mark.parametrize(
    ("listed", "kind"),
    [
        (error(403, "AuthorizationFailure"), PermissionDenied),
        (error(404, "ContainerNotFound"), NotFound),
        (
            reply(200, b"<BlockList><UncommittedBlocks><Block/></UncommittedBlocks></BlockList>"),
            RequestFailed,
        ),
    ],
)
async def test_blocks_that_are_not_told_are_an_error(
    listed: Response, kind: type[Exception]
) -> None:
    driver, _ = scripted([listed])

    with pytest.raises(kind):
        await driver.resume_upload("key", PutOptions(), STATE, SENT)


async def test_only_the_service_drops_blocks() -> None:
    driver, mock = scripted([])

    assert isinstance(driver, Resumable)
    assert isinstance(driver, Tidy)
    with pytest.raises(Unsupported):
        await driver.drop_leftover(Leftover(key="key", kind="unpublished blocks"))
    assert not mock.requests
