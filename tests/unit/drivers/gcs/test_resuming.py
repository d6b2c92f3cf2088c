"""A session that another process began is asked how far it is, and gone on with from there."""

from __future__ import annotations

import pytest

from blobio import checksum
from blobio.drivers.gcs.resumable import GRANULE
from blobio.drivers.gcs.sequential import SequentialUpload
from blobio.drivers.resumable import Resumable, SentPart
from blobio.drivers.unfinished import Leftover, Tidy
from blobio.errors import PermissionDenied, UploadLost
from blobio.transport.message import Response
from blobio.transport.mock import reply
from blobio.values import PartToken, PutOptions
from tests.unit.drivers.gcs.kit import error, resource, scripted

STATE = {"upload_id": "id", "token": "t"}
PART = 2 * GRANULE
DATA = bytes(range(256)) * (3 * PART // 256)


def sent(index: int) -> SentPart:
    """Return the record of a part of `DATA`."""
    piece = DATA[index * PART :][:PART]
    return SentPart(index * PART, PART, checksum.crc32c(piece), PartToken(str(index)))


def at(stop: int) -> Response:
    """Return what a session says that has so many bytes."""
    return reply(308, b"", {"range": f"bytes=0-{stop - 1}"} if stop else {})


@pytest.mark.parametrize(
    ("stop", "done"),
    [(0, set()), (PART - GRANULE, set()), (PART, {0}), (PART + GRANULE, {0}), (2 * PART, {0, 1})],
)
async def test_only_what_the_session_lacks_is_sent(stop: int, done: set[int]) -> None:
    crc = checksum.to_base64(checksum.crc32c(DATA))
    replies = [at(stop)]
    for index in range(3):
        end = (index + 1) * PART - GRANULE
        if index not in done and end > stop:
            replies.append(at(end))
    driver, mock = scripted([*replies, resource(crc32c=crc)])

    found = await driver.resume_upload("key", PutOptions(), STATE, {n: sent(n) for n in range(2)})
    assert isinstance(found.upload, SequentialUpload)
    tokens = [PartToken(str(index)) for index in range(3)]
    for index in sorted({0, 1, 2} - done):
        await found.upload.put_part(index, index * PART, DATA[index * PART :][:PART])
    await found.upload.complete(tokens, size=len(DATA))

    assert found.parts == done
    assert found.upload.state == STATE
    assert b"".join(bytes(request.body) for request in mock.requests) == DATA[stop:]
    assert mock.requests[0].headers["content-range"] == "bytes */*"


async def test_a_record_with_a_gap_ends_there() -> None:
    driver, _ = scripted([at(3 * PART - GRANULE)])

    found = await driver.resume_upload("key", PutOptions(), STATE, {1: sent(1)})

    assert found.parts == set()


async def test_a_session_that_has_ended_made_the_object() -> None:
    driver, _ = scripted([resource(generation="9")])

    found = await driver.resume_upload("key", PutOptions(), STATE, {})

    assert found.upload is None
    assert found.published is not None
    assert found.published.version == "9"


@pytest.mark.parametrize("status", [404, 410, 499])
async def test_a_session_that_is_gone_is_lost_unless_the_object_is_ours(status: int) -> None:
    driver, _ = scripted([error(status), error(404, "notFound")])
    with pytest.raises(UploadLost):
        await driver.resume_upload("key", PutOptions(), STATE, {})

    driver, _ = scripted([error(status), resource(metadata={"blobio-write": "other"})])
    with pytest.raises(UploadLost):
        await driver.resume_upload("key", PutOptions(), STATE, {})


@pytest.mark.parametrize("state", [{}, {"upload_id": "id"}, {"token": "t"}])
async def test_what_is_no_state_is_lost_without_a_request(state: dict[str, str]) -> None:
    driver, mock = scripted([])

    with pytest.raises(UploadLost):
        await driver.resume_upload("key", PutOptions(), state, {})
    assert not mock.requests


async def test_a_session_that_does_not_answer_is_left_alone() -> None:
    driver, mock = scripted([error(403, "forbidden")])

    with pytest.raises(PermissionDenied):
        await driver.resume_upload("key", PutOptions(), STATE, {})
    await driver.aclose()
    assert [request.method for request in mock.requests] == ["PUT"]


@pytest.mark.parametrize(
    ("prefix", "listed"),
    [("", ".blobio-components/"), (".blobio-components/a", ".blobio-components/a"), ("d/", None)],
)
async def test_components_are_listed_where_they_lie(prefix: str, listed: str | None) -> None:
    item = b'{"items": [{"name": ".blobio-components/a/0", "size": "5", "generation": "7"}]}'
    driver, mock = scripted([reply(200, item)] if listed else [])

    page = await driver.list_leftovers(prefix, None)

    assert [one.key for one in page.leftovers] == [".blobio-components/a/0"] * bool(listed)
    assert len(mock.requests) == bool(listed)


@pytest.mark.parametrize("answer", [reply(204), error(404, "notFound")], ids=["204", "404"])
async def test_a_component_is_dropped_once_or_again(answer: Response) -> None:
    driver, _ = scripted([answer])
    assert isinstance(driver, Resumable)
    assert isinstance(driver, Tidy)

    await driver.drop_leftover(Leftover(key=".blobio-components/a", kind="component"))


async def test_a_component_that_cannot_be_dropped_is_said() -> None:
    driver, _ = scripted([error(403, "forbidden")])

    with pytest.raises(PermissionDenied):
        await driver.drop_leftover(Leftover(key=".blobio-components/a", kind="component"))
