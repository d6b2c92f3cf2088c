"""Cases of keys that are easily damaged on their way."""

from __future__ import annotations

from typing import Final

from blobio.errors import NotFound
from blobio.testing.conformance.case import Feature, case, case_for_each
from blobio.testing.conformance.checks import list_keys, raises, read
from blobio.testing.conformance.harness import Harness
from blobio.values import PutOptions

_FILE_NAMES: Final = {
    "space": "a b",
    "spaces-around": " a ",
    "plus": "a+b",
    "percent": "100%",
    "percent-escape": "a%20b",
    "percent-slash": "a%2Fb",
    "hash": "a#b",
    "question": "a?b=c&d",
    "ampersand": "a&b;c=d",
    "star": "a*[b]{c}",
    "quotes": "'a' \"b\" `c`",
    "angles": "<a>&amp;</a>",
    "brackets": "(a)[b]{c}|d^e~f",
    "at-colon": "a@b:c,d$e!",
    "dots": "a..b...",
    "hidden": ".hidden",
    "umlaut": "äöü",
    "combining": "a\u0308",
    "chinese": "中文",
    "emoji": "😀👩‍💻",
    "astral": "\U0001d54f",
    "long-segment": "x" * 240,
    "query-like": "a?X-Amz-Signature=abc&sig=def",
    "subresource": "a?uploads",
    "dash-first": "-rf",
    "tilde": "~/a",
}
_PATH_KEYS: Final = {
    "double-slash": "a//b",
    "dot-segment": "a/./b",
    "dot-dot-segment": "a/../b",
    "dot-dot-first": "../b",
    "only-dots": "..",
    "slash-first": "/a",
    "slashes": "///",
    "slash-last": "a/",
    "slashes-last": "a//",
}
_LINE_BREAKS: Final = {"newline": "a\nb", "return": "a\rb"}
_CONTROLS: Final = {"tab": "a\tb", "delete": "a\x7fb"}


async def _survives(harness: Harness, name: str) -> None:
    """Check that head, get, list and delete mean the same key as the write."""
    driver, key, data = harness.driver, harness.key(name), name.encode()
    await driver.put(key, data, PutOptions())

    assert (await driver.head(key)).key == key
    assert await read(driver, key) == data
    assert await list_keys(driver, harness.key("")) == ([name], [])
    [result] = await driver.delete([key])

    assert (result.key, result.error) == (key, None)
    with raises(NotFound):
        await driver.head(key)


@case_for_each(_FILE_NAMES, needs="writable listable")
async def exact_key_survives(harness: Harness, name: str) -> None:
    await _survives(harness, name)


@case_for_each(_PATH_KEYS, Feature.PATH_KEYS, needs="writable listable", without="directories")
async def exact_key_that_is_no_path_survives(harness: Harness, name: str) -> None:
    await _survives(harness, name)


@case_for_each(_CONTROLS, Feature.PATH_KEYS, needs="writable listable", without="directories")
async def exact_key_with_a_control_character_survives(harness: Harness, name: str) -> None:
    await _survives(harness, name)


@case(Feature.PATH_KEYS, Feature.BACKSLASHES, needs="writable listable", without="directories")
async def exact_key_with_a_backslash_survives(harness: Harness) -> None:
    await _survives(harness, "a\\b")


@case(Feature.PATH_KEYS, Feature.CONTROLS, needs="writable listable", without="directories")
async def exact_key_with_an_escape_character_survives(harness: Harness) -> None:
    await _survives(harness, "a\x1bb")


@case_for_each(_LINE_BREAKS, Feature.NEWLINES, needs="writable listable")
async def exact_key_with_a_line_break_survives(harness: Harness, name: str) -> None:
    await _survives(harness, name)


@case(Feature.LONG_KEYS, needs="writable listable", without="directories")
async def exact_key_of_1024_bytes_survives(harness: Harness) -> None:
    room = 1024 - len(harness.key("").encode())

    await _survives(harness, ("é" * room)[: room // 2] + "x" * (room % 2))


@case_for_each(_FILE_NAMES, without="writable")
async def exact_key_is_read(harness: Harness, name: str) -> None:
    key = await harness.seed(name, name.encode())

    assert (await harness.driver.head(key)).key == key
    assert await read(harness.driver, key) == name.encode()


@case_for_each(_FILE_NAMES, needs="writable")
async def upload_to_an_exact_key_survives(harness: Harness, name: str) -> None:
    key = harness.key(name)
    upload = await harness.driver.begin_upload(key, PutOptions())
    token = await upload.put_part(0, 0, name.encode())
    await upload.complete([token], size=len(name.encode()))

    assert await read(harness.driver, key) == name.encode()


@case(Feature.PATH_KEYS, needs="writable", without="directories")
async def keys_that_look_alike_are_different_blobs(harness: Harness) -> None:
    names = ["a/b", "a//b", "a/./b", "a%2Fb", "a/b/", "a/B", "a/b ", "a+b", "a b", "a%20b"]
    for name in names:
        await harness.driver.put(harness.key(name), name.encode(), PutOptions())

    for name in names:
        assert await read(harness.driver, harness.key(name)) == name.encode()


@case(Feature.NAMES_AND_PREFIXES, needs="writable", without="directories")
async def a_key_may_be_the_beginning_of_another(harness: Harness) -> None:
    for name in ("a", "a/b", "a/b/c"):
        await harness.driver.put(harness.key(name), name.encode(), PutOptions())

    for name in ("a", "a/b", "a/b/c"):
        assert await read(harness.driver, harness.key(name)) == name.encode()
