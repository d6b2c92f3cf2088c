from __future__ import annotations

import pytest

from blobio.errors import ConcurrentWrite, RequestFailed, VersionMismatch
from blobio.transport.message import Response
from blobio.values import MetaPatch, Version
from tests.unit.drivers.azure.kit import error, found, lost, scripted, sent, wrote

CHANGED = error(412, "ConditionNotMet")
CHANGE = MetaPatch(metadata={"a": "1"})


async def test_change_is_made_to_what_was_seen() -> None:
    seen = found("token", etag='"v"')
    driver, mock = scripted([seen, wrote('"w"')])

    meta = await driver.patch("key", CHANGE)

    headers = mock.requests[1].headers
    assert headers["if-match"] == '"v"'
    assert headers["x-ms-meta-a"] == "1"
    assert headers["x-ms-meta-blobio_write"] == "token"
    assert (meta.version, dict(meta.metadata)) == ('"w"', {"a": "1"})


async def test_blob_that_changed_meanwhile_is_looked_at_again() -> None:
    driver, mock = scripted([found(etag='"v"'), CHANGED, found(etag='"w"'), wrote()])

    await driver.patch("key", CHANGE)

    assert mock.requests[3].headers["if-match"] == '"w"'


async def test_blob_that_changes_all_the_time_is_given_up() -> None:
    driver, mock = scripted([found(), CHANGED] * 3)

    with pytest.raises(ConcurrentWrite, match="all the time"):
        await driver.patch("key", CHANGE)

    assert len(mock.requests) == 6


async def test_version_that_was_named_is_not_replaced_by_a_newer_one() -> None:
    driver, mock = scripted([found(etag='"v"'), CHANGED])

    with pytest.raises(VersionMismatch):
        await driver.patch("key", CHANGE, if_version=Version('"v"'))

    assert sent(mock) == ["HEAD", "PUT metadata"]


async def test_type_whose_reply_was_lost_is_found_to_be_set() -> None:
    typed = found(etag='"w"', content_type="text/new")
    driver, mock = scripted([found(etag='"v"'), lost(), CHANGED, typed])

    meta = await driver.patch("key", MetaPatch(content_type="text/new"))

    assert sent(mock) == ["HEAD", "PUT properties", "PUT properties", "HEAD"]
    assert (meta.version, meta.content_type) == ('"w"', "text/new")


async def test_store_without_etags_is_refused() -> None:
    driver, _ = scripted([Response(status=200, headers={"content-length": "1"})])

    with pytest.raises(RequestFailed, match="ETag"):
        await driver.patch("key", CHANGE)
