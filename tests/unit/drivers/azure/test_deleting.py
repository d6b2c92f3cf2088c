from __future__ import annotations

import pytest

from blobio.drivers.azure.deleting import parse_batch
from blobio.errors import (
    ConcurrentWrite,
    NotFound,
    PermissionDenied,
    RateLimited,
    Unauthenticated,
)
from blobio.transport.message import Response
from blobio.transport.mock import reply
from tests.unit.drivers.azure.kit import error, lost, scripted, sent

MULTIPART = {"content-type": "multipart/mixed; boundary=b"}


def part(number: int, status: int, code: str = "") -> bytes:
    more = f"x-ms-error-code: {code}\r\n" if code else ""
    return (
        f"--b\r\nContent-Type: application/http\r\nContent-ID: {number}\r\n\r\n"
        f"HTTP/1.1 {status} Text\r\n{more}\r\n"
    ).encode()


def answered(*parts: bytes) -> Response:
    return reply(202, b"".join(parts) + b"--b--", MULTIPART)


async def test_keys_that_the_batch_settled_are_not_asked_for_again() -> None:
    driver, mock = scripted([answered(part(1, 202), part(0, 202))])

    results = await driver.delete(["a", "b"])

    assert [(one.key, one.error) for one in results] == [("a", None), ("b", None)]
    body = bytes(mock.requests[0].body).decode()
    assert "DELETE /container/a HTTP/1.1\r\n" in body
    assert body.count("authorization: SharedKey account:") == 2
    assert mock.requests[0].url.endswith("/container?comp=batch&restype=container")


async def test_keys_that_failed_in_a_batch_are_asked_for_by_themselves() -> None:
    batch = answered(part(0, 404, "BlobNotFound"), part(1, 503, "ServerBusy"))
    driver, mock = scripted([batch, error(412, "LeaseIdMissing"), reply(202)])

    results = await driver.delete(["a", "b", "c"])

    assert [type(one.error) for one in results] == [type(None), ConcurrentWrite, type(None)]
    assert sent(mock) == ["POST batch", "DELETE", "DELETE"]


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        (error(403, "AuthenticationFailed"), Unauthenticated),
        (error(404, "ContainerNotFound"), NotFound),
        (error(503, "ServerBusy"), RateLimited),
    ],
)
async def test_refusal_of_everything_is_one_error(refusal: Response, kind: type[Exception]) -> None:
    driver, mock = scripted(lambda _: refusal)

    with pytest.raises(kind):
        await driver.delete([str(number) for number in range(100)])

    assert set(sent(mock)) == {"POST batch"}
    assert len(mock.requests) <= 4


async def test_batch_that_is_not_allowed_leaves_single_deletes() -> None:
    refusal = error(403, "AuthorizationPermissionMismatch")
    driver, mock = scripted([refusal, reply(202), refusal])

    results = await driver.delete(["a", "b"])

    assert [type(one.error) for one in results] == [type(None), PermissionDenied]
    assert sent(mock) == ["POST batch", "DELETE", "DELETE"]


async def test_blob_that_is_not_there_counts_as_deleted() -> None:
    driver, _ = scripted([lost(), error(404, "BlobNotFound")])

    (result,) = await driver.delete(["a"])

    assert result.error is None


async def test_container_that_is_not_there_is_an_error() -> None:
    driver, _ = scripted([error(404, "ContainerNotFound")])

    with pytest.raises(NotFound):
        await driver.delete(["a"])


async def test_too_many_keys_are_refused() -> None:
    driver, _ = scripted([])

    with pytest.raises(ValueError, match="at most 256"):
        await driver.delete([str(number) for number in range(257)])


@pytest.mark.parametrize(
    "response",
    [
        reply(202, part(0, 202)),
        reply(202, b"", MULTIPART),
        answered(part(7, 202)),
        answered(b"--b\r\nContent-ID: x\r\n\r\nHTTP/1.1 202\r\n"),
        answered(b"--b\r\nContent-ID: 0\r\n\r\nnothing"),
    ],
)
def test_parts_that_cannot_be_read_settle_nothing(response: Response) -> None:
    assert parse_batch(response, 2) == [None, None]
