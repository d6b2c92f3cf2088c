from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from blobio.config import Config, ReadConfig, WriteConfig
from blobio.core.context import AsyncContext
from blobio.errors import (
    AlreadyExists,
    NotFound,
    PermissionDenied,
    VersionMismatch,
)
from blobio.values import BlobMeta, PutOptions
from tests.unit.core.fakes import DATA

CONFIG = Config(
    read=ReadConfig(part_bytes=100, window=3),
    write=WriteConfig(part_bytes=100, window=3),
    buffer_bytes=100,
)
PATH = "memory://opening/key"


@pytest.fixture
async def context() -> AsyncIterator[AsyncContext]:
    async with AsyncContext(CONFIG) as context:
        yield context
        if await context.exists("memory://opening"):
            await context.rmtree("memory://opening")


async def test_a_file_is_read_as_a_context_manager_or_by_awaiting(context: AsyncContext) -> None:
    await context.write_bytes(PATH, DATA)

    async with context.open(PATH) as file:
        assert await file.read() == DATA
    opened = await context.open(PATH, buffer_size=10)
    assert await opened.read(5) == DATA[:5]
    await opened.aclose()


async def test_a_file_is_written(context: AsyncContext) -> None:
    async with context.open(PATH, "wb") as file:
        await file.write(DATA)

    assert await context.read_bytes(PATH) == DATA


@pytest.mark.parametrize("mode", ["r", "w", "rt", "w+b", "", "xb+"])
async def test_another_mode_is_refused_at_once(context: AsyncContext, mode: str) -> None:
    with pytest.raises(ValueError, match="mode"):
        context.open(PATH, cast("Any", mode))


async def test_nothing_is_sent_before_a_file_is_entered(context: AsyncContext) -> None:
    context.open("memory://opening/nothing")

    with pytest.raises(NotFound):
        await context.open("memory://opening/nothing")


async def test_mode_x_publishes_only_what_is_new_at_the_end(context: AsyncContext) -> None:
    async with context.open(PATH, "xb") as file:
        await file.write(b"mine")
    late = await context.open(PATH, "xb")
    await late.write(b"late")

    with pytest.raises(AlreadyExists):
        await late.aclose()
    assert await context.read_bytes(PATH) == b"mine"


async def test_a_version_pins_a_read_and_conditions_a_write(context: AsyncContext) -> None:
    await context.write_bytes(PATH, b"one")
    version = (await context.stat(PATH)).version
    async with context.open(PATH, "wb", version=version) as file:
        await file.write(b"two")

    with pytest.raises(VersionMismatch):
        await context.open(PATH, version=version)
    stale = await context.open(PATH, "wb", version=version)
    with pytest.raises(VersionMismatch):
        await stale.aclose()
    assert await context.read_bytes(PATH) == b"two"


async def test_a_raising_body_publishes_nothing(context: AsyncContext) -> None:
    async def write() -> None:
        async with context.open(PATH, "wb") as file:
            await file.write(DATA)
            raise KeyError("user")

    with pytest.raises(KeyError):
        await write()
    assert not await context.exists(PATH)


# Appending


async def test_appending_adds_to_the_end(context: AsyncContext) -> None:
    await context.write_bytes(PATH, DATA)

    async with context.open(PATH, "ab") as file:
        assert file.tell() == 1000
        await file.write(b"more")

    assert await context.read_bytes(PATH) == DATA + b"more"


async def test_appending_to_nothing_makes_a_new_blob(context: AsyncContext) -> None:
    async with context.open(PATH, "ab") as file:
        await file.write(b"first")

    assert await context.read_bytes(PATH) == b"first"


async def test_appending_to_nothing_loses_to_one_who_was_first(context: AsyncContext) -> None:
    file = await context.open(PATH, "ab")
    await file.write(b"late")
    await context.write_bytes(PATH, b"first")

    with pytest.raises(AlreadyExists):
        await file.aclose()
    assert await context.read_bytes(PATH) == b"first"


async def test_appending_never_loses_what_another_appended(context: AsyncContext) -> None:
    await context.write_bytes(PATH, b"old ")
    one, two = await context.open(PATH, "ab"), await context.open(PATH, "ab")
    await one.write(b"one")
    await two.write(b"two")
    await one.aclose()

    with pytest.raises(VersionMismatch):
        await two.aclose()
    assert await context.read_bytes(PATH) == b"old one"


async def test_appending_to_a_version_that_is_gone_is_refused(context: AsyncContext) -> None:
    with pytest.raises(NotFound):
        await context.open(PATH, "ab", version="no such")
    await context.write_bytes(PATH, b"now")

    with pytest.raises(VersionMismatch):
        await context.open(PATH, "ab", version="no such")


async def test_an_append_that_cannot_read_the_old_content_leaves_it(
    context: AsyncContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    await context.write_bytes(PATH, DATA)
    driver, url = context.stores.blob(PATH, "read")

    async def refuse(*args: object) -> object:
        raise PermissionDenied(str(args))

    monkeypatch.setattr(driver, "get", refuse)

    with pytest.raises(PermissionDenied):
        await context.open(PATH, "ab")
    assert (await driver.head(url.key)).size == 1000


async def test_appending_where_the_store_has_no_versions_overwrites(
    context: AsyncContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    await context.write_bytes(PATH, b"old ")
    driver, _ = context.stores.blob(PATH, "read")
    seen: list[PutOptions] = []
    head, put = driver.head, driver.put

    async def untold(key: str, **options: Any) -> BlobMeta:

        return (await head(key, **options))._replace(version=None)

    async def remember(key: str, body: Any, options: PutOptions) -> object:
        seen.append(options)
        return await put(key, body, options)

    monkeypatch.setattr(driver, "head", untold)
    monkeypatch.setattr(driver, "put", remember)

    async with context.open(PATH, "ab") as file:
        await file.write(b"new")

    assert [type(options.mode).__name__ for options in seen] == ["Overwrite"]
    assert await context.read_bytes(PATH) == b"old new"
