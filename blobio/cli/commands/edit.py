"""`blobio edit`: open a blob in an editor and write it back, only over what was read."""

from __future__ import annotations

import argparse
import asyncio
import os

from blobio.cli.editing import Draft, editor_of, open_editor
from blobio.cli.exits import Exit, Stop, code_of
from blobio.cli.session import Session
from blobio.core.metadata import MTIME_KEY
from blobio.core.writer import PartWriter
from blobio.drivers.base import Driver
from blobio.errors import AlreadyExists, BlobError, NotFound, VersionMismatch
from blobio.url import BlobUrl
from blobio.values import BlobMeta, CreateOnly, PutOptions, PutResult, ReplaceIf

__all__ = ["configure", "run"]


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the command and add its options."""
    parser.description = (
        "Open a blob in $VISUAL, $EDITOR or vi, and write it back if it was changed: only over the "
        "version that was read, else exit 6. Content type and metadata stay. The blob is held in "
        "memory."
    )
    parser.add_argument("url", metavar="URL", help="a blob, there or not")


async def run(args: argparse.Namespace, session: Session) -> Exit:
    """Read, edit, write: 1 HEAD and 1 GET or more, then as a write of that size."""
    driver, url = session.context.stores.blob(args.url, "edit")
    if not driver.capabilities.writable:
        raise Stop(Exit.USAGE, f"{url} cannot be written, and so not be edited")
    command = editor_of(os.environ)
    meta, data = await _read(driver, url, session)
    options = _options(meta, url, driver)
    draft = await asyncio.to_thread(Draft, url.name, data)
    try:
        await open_editor(command, draft.path)
        result = await _publish(draft, data, session.context.stores.writer(str(url), options))
    except BaseException as error:
        kept = draft.settle()
        if kept is None:
            raise
        told = f"what you wrote is kept in {kept}"
        if isinstance(error, VersionMismatch | AlreadyExists):
            message = f"{url} was changed by somebody else meanwhile, and was left alone; {told}"
            raise Stop(code_of(error), message) from error
        if isinstance(error, BlobError | Stop):
            raise Stop(code_of(error), f"{error}; {told}") from error
        session.output.error(Stop(Exit.SOME_FAILED, told), src=str(url))
        raise
    await asyncio.to_thread(draft.drop)
    if result is None:
        line = f"skipped edit {url} (not changed)"
        session.output.record("result", line, dst=str(url), status="skipped", reason="not changed")
    else:
        line = f"edit {url}"
        session.output.record("result", line, dst=str(url), etag=result.version, status="done")
    return Exit.DONE


async def _read(driver: Driver, url: BlobUrl, session: Session) -> tuple[BlobMeta | None, bytes]:
    """Return a blob and what it holds, both of one version; None and nothing if it is not there."""
    try:
        meta = await driver.head(url.key)
    except NotFound:
        return None, b""
    reader = session.context.stores.reader(
        str(url), size=meta.size, version=meta.version, crc32c=meta.crc32c
    )
    return meta, await reader.read_all()


def _options(meta: BlobMeta | None, url: BlobUrl, driver: Driver) -> PutOptions:
    """Return how to write: over what was read only, or where nothing is.

    Raises:
        Stop: The store could not tell if somebody else had written meanwhile.
    """
    able = driver.capabilities
    if meta is None and able.create_only:
        return PutOptions(mode=CreateOnly())
    if meta is None or meta.version is None or not able.replace_if:
        message = (
            f"{url} has no versions that its store compares, so that what others write meanwhile "
            "would be lost unseen; copy it to a file with cp, and back"
        )
        raise Stop(Exit.USAGE, message)
    metadata = {name: value for name, value in meta.metadata.items() if name != MTIME_KEY}
    return PutOptions(
        mode=ReplaceIf(meta.version), content_type=meta.content_type, metadata=metadata
    )


async def _publish(draft: Draft, before: bytes, writer: PartWriter) -> PutResult | None:
    """Write what the draft holds now; None if that is what was there before."""
    data = await asyncio.to_thread(draft.read)
    return None if data == before else await writer.write_all(data)
