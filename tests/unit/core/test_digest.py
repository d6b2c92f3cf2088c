from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

import pytest

from blobio.config import ReadConfig
from blobio.core.digest import MD5_KEY, md5
from blobio.core.metadata import MTIME_KEY, to_stat
from blobio.drivers.base import Driver
from blobio.errors import (
    BlobError,
    ConcurrentWrite,
    NotFound,
    PermissionDenied,
    TransportFailed,
    VersionMismatch,
)
from blobio.testing.faults import Counting, Fault, Flaky, Hook, Wrapped
from blobio.values import BlobMeta, PutOptions
from tests.unit.core.fakes import DATA, Changing, loaded, memory, url

CONFIG = ReadConfig(part_bytes=100, window=3)
DIGEST = hashlib.md5(DATA).hexdigest()  # noqa: S324 - what MD5 is for here


def untold(*hooks: Hook, driver: Driver | None = None) -> Driver:
    """A store that holds no MD5 of its own."""
    return Wrapped(driver or memory(), *hooks, Changing("head", lambda m: m._replace(md5=None)))


async def test_the_stores_own_md5_costs_one_head() -> None:
    counting = Counting()
    driver = await loaded(memory(counting), {"key": DATA})
    counting.calls.clear()

    assert await md5(driver, url(), CONFIG) == DIGEST
    assert [call.verb for call in counting.calls] == ["head"]


@pytest.mark.parametrize("size", [0, 1, 100, 1000])
async def test_an_md5_that_the_store_has_not_is_computed_from_the_bytes(size: int) -> None:
    driver = await loaded(untold(), {"key": DATA[:size]})

    assert await md5(driver, url(), CONFIG) == hashlib.md5(DATA[:size]).hexdigest()  # noqa: S324


async def test_a_computed_md5_is_kept_with_the_blob() -> None:
    counting = Counting()
    driver = await loaded(untold(counting), {"key": DATA})

    await md5(driver, url(), CONFIG)
    counting.calls.clear()

    assert await md5(driver, url(), CONFIG) == DIGEST
    assert [call.verb for call in counting.calls] == ["head"]
    assert (await driver.head("key")).metadata == {MD5_KEY: DIGEST}


@pytest.mark.parametrize("lacks", ["cheap_patch", "metadata"])
async def test_nothing_is_kept_where_that_rewrites_the_blob_or_cannot_be(lacks: str) -> None:
    counting = Counting()
    limits = replace(memory().capabilities, **{lacks: False})
    driver = await loaded(untold(counting, driver=memory(limits=limits)), {"key": DATA})

    assert await md5(driver, url(), CONFIG) == DIGEST
    assert counting.count("patch") == 0


@pytest.mark.parametrize("kept", ["", "1B2M2Y8AsgTpgAmY7PhCfg==", DIGEST.upper(), f"{DIGEST}0"])
async def test_a_kept_value_that_is_no_hex_md5_is_not_believed(kept: str) -> None:
    driver = untold()
    await driver.put("key", DATA, PutOptions(metadata={MD5_KEY: kept}))

    assert await md5(driver, url(), CONFIG) == DIGEST


@pytest.mark.parametrize("error", [NotFound, PermissionDenied, VersionMismatch, ConcurrentWrite])
async def test_a_refusal_to_keep_it_is_no_failure(error: type[BlobError]) -> None:
    driver = await loaded(untold(Flaky(Fault("patch", error("no")))), {"key": DATA})

    assert await md5(driver, url(), CONFIG) == DIGEST


async def test_a_fault_while_keeping_it_is_a_failure() -> None:
    driver = await loaded(untold(Flaky(Fault("patch", TransportFailed("reset")))), {"key": DATA})

    with pytest.raises(TransportFailed):
        await md5(driver, url(), CONFIG)


async def test_it_is_kept_only_with_the_version_it_was_computed_of() -> None:
    """Between the last byte and the change of metadata somebody writes."""
    plain = await loaded(memory(), {"key": DATA})

    class Rival:
        async def around(self, call: object, act: Callable[[], object]) -> object:
            if getattr(call, "verb", "") == "patch":
                await plain.put("key", b"new", PutOptions())
            return await act()  # type: ignore[misc]  # an awaitable of whatever the verb returns

    driver = untold(Rival(), driver=plain)  # type: ignore[arg-type]  # passes results on

    assert await md5(driver, url(), CONFIG) == DIGEST
    assert (await plain.head("key")).metadata == {}


async def test_a_blob_that_changes_while_it_is_read_has_no_md5() -> None:
    plain = await loaded(memory(), {"key": DATA})
    stale = await plain.head("key")
    await plain.put("key", bytes(1000), PutOptions())
    driver = Wrapped(plain, Changing("head", lambda _: stale._replace(md5=None)))

    with pytest.raises(VersionMismatch):
        await md5(driver, url(), CONFIG)


async def test_the_md5_of_nothing_raises() -> None:
    with pytest.raises(NotFound):
        await md5(memory(), url(), CONFIG)


# What users see


def described(**metadata: str) -> BlobMeta:
    return BlobMeta(key="k", size=3, mtime=10.0, ctime=9.0, metadata=metadata)


def test_a_stat_has_what_the_store_tells() -> None:
    stat = to_stat(described())

    assert (stat.size, stat.mtime, stat.ctime, stat.md5, stat.version) == (3, 10.0, 9.0, None, None)


@pytest.mark.parametrize(("text", "mtime"), [("5.5", 5.5), ("-1", -1.0), ("soon", 10.0), ("", 10)])
def test_a_time_that_the_user_set_comes_first_if_it_is_one(text: str, mtime: float) -> None:
    assert to_stat(described(**{MTIME_KEY: text})).mtime == mtime
