import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobio.drivers.memory import MemoryDriver, MemoryStore
from blobio.values import ListOptions
from tests.unit.drivers.calls import listing, pages, write


@pytest.fixture
def driver() -> MemoryDriver:
    return MemoryDriver("b", MemoryStore())


async def test_listing_with_delimiter_rolls_up_and_keeps_the_marker(driver: MemoryDriver) -> None:
    for key in ("d/", "d/a", "d/b/1", "d/b/2", "d/b0", "d/c/", "e", "d"):
        await write(driver, key)

    found = await pages(driver, "d/", ListOptions(delimiter="/", page_size=2))

    assert found == [(["d/", "d/a"], []), (["d/b0"], ["d/b/"]), ([], ["d/c/"])]


async def test_listing_starts_after_a_key(driver: MemoryDriver) -> None:
    for key in "abc":
        await write(driver, key)

    assert await pages(driver, "", ListOptions(start_after="a")) == [(["b", "c"], [])]


async def test_listing_of_nothing_is_an_empty_page(driver: MemoryDriver) -> None:
    assert await pages(driver, "nothing/", ListOptions()) == [([], [])]


async def test_listing_is_in_utf8_order(driver: MemoryDriver) -> None:
    keys = ["a", "a/b", "a b", "z", "é", "\uffff", "\U0001f600"]
    for key in keys:
        await write(driver, key)

    found = await pages(driver, "", ListOptions())

    assert found == [(["a", "a b", "a/b", "z", "é", "\uffff", "\U0001f600"], [])]


async def test_listing_forgets_most_of_what_was_deleted(driver: MemoryDriver) -> None:
    for key in "abcdef":
        await write(driver, key)
    assert await pages(driver, "", ListOptions()) == [(["a", "b", "c", "d", "e", "f"], [])]

    await driver.delete(["a", "b", "c", "e"])
    await write(driver, "c")
    await write(driver, "g")
    await driver.delete(["g"])

    assert await pages(driver, "", ListOptions()) == [(["c", "d", "f"], [])]
    await driver.delete(["c", "d"])
    assert await pages(driver, "", ListOptions()) == [(["f"], [])]


@pytest.mark.slow
@given(
    steps=st.lists(st.tuples(st.text("ab/", min_size=1, max_size=4), st.sampled_from("+-l"))),
    prefix=st.text("ab/", max_size=2),
    delimiter=st.sampled_from(["", "/"]),
    page_size=st.integers(1, 4),
)
def test_listing_equals_a_plain_model(
    steps: list[tuple[str, str]], prefix: str, delimiter: str, page_size: int
) -> None:
    options = ListOptions(delimiter=delimiter, page_size=page_size)

    async def run() -> tuple[list[str], list[str]]:
        driver = MemoryDriver("b", MemoryStore())
        for key, step in steps:
            if step == "+":
                await write(driver, key)
            elif step == "-":
                await driver.delete([key])
            else:
                await driver.list_page(prefix, options, None)
        return await listing(driver, prefix, options)

    writes = [step for step in steps if step[1] != "l"]
    present = {key for key, step in dict(writes).items() if step == "+"}
    below = sorted(key for key in present if key.startswith(prefix))
    rolled = [key for key in below if delimiter and "/" in key[len(prefix) :]]
    cut = {key[: key.index("/", len(prefix)) + 1] for key in rolled}

    assert asyncio.run(run()) == ([key for key in below if key not in rolled], sorted(cut))
