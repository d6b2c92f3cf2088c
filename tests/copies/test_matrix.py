"""Every copy: from each store to each other, of each size, under each condition."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable
from functools import cache
from typing import Final

import pytest

from blobio.errors import AlreadyExists, VersionMismatch
from blobio.testing.conformance import Feature
from tests.copies.conftest import Between
from tests.copies.stores import CONTENT_TYPE, METADATA, SIZES, STORES, Place, body, size_of

PAIRS: Final = [
    (source, target)
    for source, target in itertools.product(STORES, STORES)
    if not STORES[target].is_source_only
]
WINNING: Final = ("overwrite", "free", "right version")
LOSING: Final = {"taken": AlreadyExists, "wrong version": VersionMismatch}
OLD: Final = b"what was there before"


ON_COMPLETE: Final = {
    "taken": Feature.CREATE_ON_COMPLETE,
    "wrong version": Feature.REPLACE_ON_COMPLETE,
}


def is_shown(source: str, target: str, size: str, condition: str) -> bool:
    """Tell whether the server of the destination looks at the condition of such a copy."""
    if condition not in LOSING:
        return True
    needed = {Feature.CONDITIONS}
    if source == target:
        needed.add(Feature.CONDITIONAL_COPIES)
    elif size == "many parts":
        needed.add(ON_COMPLETE[condition])
    return STORES[target].lacks.isdisjoint(needed)


def copies(conditions: Iterable[str]) -> list[object]:
    return [
        pytest.param(
            *(source, target, size_of(size, target), condition),
            id=f"{source}-{target}-{size}-{condition}",
        )
        for (source, target), size, condition in itertools.product(PAIRS, SIZES, conditions)
        if is_shown(source, target, size, condition)
    ]


@cache
def content(size: int) -> tuple[bytes, str]:
    """Return the bytes of a source and their MD5."""
    return body(size), hashlib.md5(body(size)).hexdigest()  # noqa: S324


@pytest.mark.parametrize(("source", "target", "size", "condition"), copies(WINNING))
async def test_a_copy_whose_condition_holds(
    between: Between, source: str, target: str, size: int, condition: str
) -> None:
    context, here, there = between(source, target)
    data, digest = content(size)
    path, version = await here.put("blob", data), await prepare(there, condition)

    told = await context.copy(
        path,
        there.path("copy"),
        overwrite=condition == "overwrite",
        dst_version=version,
        return_md5=True,
    )

    assert told == digest
    assert await there.get("copy") == await here.get("blob") == data
    assert not there.orphans()


@pytest.mark.parametrize(("source", "target", "size", "condition"), copies(LOSING))
async def test_a_copy_whose_condition_does_not_hold_changes_nothing(
    between: Between, source: str, target: str, size: int, condition: str
) -> None:
    context, here, there = between(source, target)
    path = await here.put("blob", content(size)[0])
    version = await prepare(there, condition)

    with pytest.raises(LOSING[condition]):
        await context.copy(path, there.path("copy"), dst_version=version)

    assert await there.get("copy") == OLD
    assert not there.orphans()


async def prepare(there: Place, condition: str) -> str | None:
    """Make what the condition is about; return the version that it names."""
    if condition == "free":
        return None
    if condition != "wrong version":
        await there.put("copy", OLD)
        return await there.version("copy") if condition == "right version" else None
    await there.put("copy", b"older still")
    version = await there.version("copy")
    await there.put("copy", OLD)
    return version


@pytest.mark.parametrize(("source", "target"), PAIRS)
async def test_a_copy_without_md5_returns_none(between: Between, source: str, target: str) -> None:
    context, here, there = between(source, target)
    path = await here.put("blob", b"data")

    assert await context.copy(path, there.path("copy")) is None

    assert await there.get("copy") == b"data"


@pytest.mark.parametrize("size", ["one byte", "many parts"])
@pytest.mark.parametrize(("source", "target"), PAIRS)
async def test_content_type_and_metadata_come_along_as_far_as_both_stores_have_them(
    between: Between, source: str, target: str, size: str
) -> None:
    context, here, there = between(source, target)
    path = await here.put("blob", body(size_of(size, target)))

    await context.copy(path, there.path("copy"))

    meta = await there.describe("copy")
    if there.capabilities().metadata:
        told = (await here.describe("blob")).content_type
        assert told in (None, "application/octet-stream", CONTENT_TYPE)
        assert told is None or meta.content_type == told
        assert dict(meta.metadata) == (METADATA if here.capabilities().metadata else {})


@pytest.mark.parametrize(("source", "target"), PAIRS)
async def test_a_copy_of_nothing_leaves_what_is_there(
    between: Between, source: str, target: str
) -> None:
    context, here, there = between(source, target)
    await there.put("copy", OLD)

    with pytest.raises(FileNotFoundError, match="missing"):
        await context.copy(here.path("missing"), there.path("copy"), overwrite=True)

    assert await there.get("copy") == OLD


@pytest.mark.parametrize(("source", "target"), PAIRS)
async def test_a_tree_is_copied(between: Between, source: str, target: str) -> None:
    context, here, there = between(source, target)
    if not here.capabilities().listable:
        with pytest.raises(OSError, match="cannot be listed"):
            await context.copytree(here.root, there.path("tree"))
        return
    for name in ("a", "d/b", "d/e/c"):
        await here.put(name, name.encode())

    await context.copytree(here.root, there.path("tree"), concurrency=2)

    for name in ("a", "d/b", "d/e/c"):
        assert await there.get(f"tree/{name}") == name.encode()


def test_each_store_can_be_written_or_is_named_as_one_that_cannot() -> None:
    """A row without a destination would quietly take its column out of the table."""
    assert {target for _, target in PAIRS} == set(STORES) - {"http"}
    assert {source for source, _ in PAIRS} == set(STORES)
