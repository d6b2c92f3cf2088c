"""Cases of what a driver says it cannot do: it must say `Unsupported`, and change nothing."""

from __future__ import annotations

from blobio.errors import NotFound, Unsupported
from blobio.testing.conformance.case import case
from blobio.testing.conformance.checks import put, raises, read
from blobio.testing.conformance.harness import Harness
from blobio.values import CreateOnly, ListOptions, MetaPatch, PutOptions, ReplaceIf, Version


@case(without="writable")
async def a_read_only_driver_refuses_to_write(harness: Harness) -> None:
    key = await harness.seed("blob", b"content")

    with raises(Unsupported):
        await harness.driver.put(key, b"new", PutOptions())
    with raises(Unsupported):
        await harness.driver.begin_upload(key, PutOptions())
    with raises(Unsupported):
        await harness.driver.delete([key])

    assert await read(harness.driver, key) == b"content"


@case(without="listable")
async def a_driver_that_cannot_list_refuses_to(harness: Harness) -> None:
    with raises(Unsupported):
        await harness.driver.list_page(harness.key(""), ListOptions(), None)


@case(without="server_copy")
async def a_driver_that_cannot_copy_refuses_to(harness: Harness) -> None:
    key = await harness.seed("blob", b"content")

    with raises(Unsupported):
        await harness.driver.copy(harness.url(key), harness.key("copy"), PutOptions())


@case(without="patch")
async def a_driver_that_cannot_patch_refuses_to(harness: Harness) -> None:
    key = await harness.seed("blob", b"content")

    with raises(Unsupported):
        await harness.driver.patch(key, MetaPatch(mtime=1.0))


@case(needs="writable", without="create_only")
async def a_create_only_write_that_cannot_be_decided_is_refused(harness: Harness) -> None:
    options = PutOptions(mode=CreateOnly())

    with raises(Unsupported):
        await harness.driver.put(harness.key("blob"), b"new", options)
    with raises(Unsupported):
        await harness.driver.begin_upload(harness.key("blob"), options)

    with raises(NotFound):
        await harness.driver.head(harness.key("blob"))


@case(needs="writable", without="replace_if")
async def a_replace_if_write_that_cannot_be_decided_is_refused(harness: Harness) -> None:
    key = await put(harness, "blob", b"old")
    options = PutOptions(mode=ReplaceIf(Version("anything")))

    with raises(Unsupported):
        await harness.driver.put(key, b"new", options)
    with raises(Unsupported):
        await harness.driver.begin_upload(key, options)

    assert await read(harness.driver, key) == b"old"


@case(without="sign_url")
async def a_driver_that_cannot_sign_refuses_to(harness: Harness) -> None:
    with raises(Unsupported):
        await harness.driver.sign_url(harness.key("blob"), "GET", 60)


@case(needs="sign_url", without="local_paths")
async def a_signed_url_works_without_credentials(harness: Harness) -> None:
    key = await harness.seed("a b+c%20é?", b"content")

    signed = await harness.driver.sign_url(key, "GET", 60)

    assert await harness.fetch(signed) == b"content"
