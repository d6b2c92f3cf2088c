"""The end of a blob, and what the look at it costs."""

from __future__ import annotations

import pytest

from blobio.config import Config
from blobio.core.stores import Stores
from blobio.core.tail import Tail, read_tail
from blobio.drivers import registry
from blobio.drivers.base import Driver
from blobio.errors import (
    NotFound,
    PermissionDenied,
    RangeNotSatisfiable,
    TransportFailed,
    VersionMismatch,
)
from blobio.testing.faults import Counting, Fault, Flaky, Wrapped
from blobio.values import PutOptions, Version
from tests.unit.core.fakes import DATA, loaded, memory

PATH = "memory://bucket/key"


async def look(
    monkeypatch: pytest.MonkeyPatch,
    *faults: Fault,
    data: bytes = DATA,
    size: int | None = None,
    version: Version | None = None,
) -> tuple[Tail, list[str]]:
    """Read the last 100 bytes of a blob; return them and the verbs it took."""
    counting = Counting()
    inner = await loaded(memory(), {"key": data})
    driver: Driver = Wrapped(inner, counting, Flaky(*faults))
    monkeypatch.setitem(registry._registered, "memory", lambda *_: driver)
    tail = await read_tail(Stores(Config()), PATH, 100, size=size, version=version)
    return tail, [call.verb for call in counting.calls if call.verb in ("head", "get")]


async def test_one_request_tells_end_size_and_version(monkeypatch: pytest.MonkeyPatch) -> None:
    tail, verbs = await look(monkeypatch)

    assert (tail.data, tail.size, verbs) == (DATA[-100:], 1000, ["get"])
    assert tail.version is not None


async def test_known_size_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    tail, verbs = await look(monkeypatch, size=1000)

    assert (tail.data, verbs) == (DATA[-100:], ["get"])


async def test_blob_that_is_larger_than_was_known_is_looked_at_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tail, verbs = await look(monkeypatch, size=900)

    assert (tail.data, tail.size, verbs) == (DATA[-100:], 1000, ["get", "head", "get"])


async def test_small_blob_comes_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    tail, _ = await look(monkeypatch, data=b"short")

    assert (tail.data, tail.size) == (b"short", 5)


async def test_empty_blob_has_an_empty_end(monkeypatch: pytest.MonkeyPatch) -> None:
    tail, _ = await look(monkeypatch, data=b"")

    assert (tail.data, tail.size) == (b"", 0)


async def test_body_that_breaks_off_is_read_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    tail, verbs = await look(monkeypatch, Fault("chunk", TransportFailed("cut")))

    assert (tail.data, verbs) == (DATA[-100:], ["get", "head", "get"])


async def test_failure_that_will_not_pass_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    final = TransportFailed("no", retryable=False)

    for error in (final, PermissionDenied("no"), NotFound("no")):
        with pytest.raises(type(error)):
            await look(monkeypatch, Fault("get", error))


async def test_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises((VersionMismatch, RangeNotSatisfiable)):
        await look(monkeypatch, version=Version("another"))


async def test_end_beyond_the_blob_of_a_known_version_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    driver = await loaded(memory(), {"key": DATA})
    version = (await driver.put("key", DATA, PutOptions())).version
    monkeypatch.setitem(registry._registered, "memory", lambda *_: driver)

    with pytest.raises(RangeNotSatisfiable):
        await read_tail(Stores(Config()), PATH, 100, size=5000, version=version)
