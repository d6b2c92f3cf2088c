"""`LocalDriver`: the contract of `blobio.drivers.base` over this machine's file system.

Everything that may block runs on threads, unless `Config.disk_on_loop_s` lets what is brief run on
the loop; a cancelled verb waits for its thread to stop. A cancelled write has either been published
whole or left nothing.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final, final

from blobio.drivers.base import GetResult
from blobio.drivers.local import resuming, tree, writing
from blobio.drivers.local.reading import LocalStream, OpenFile, head, open_file, open_plain
from blobio.drivers.local.special import is_special
from blobio.drivers.local.threads import Threads
from blobio.drivers.local.uploads import LocalUpload, Sink, open_sink
from blobio.drivers.resumable import Resumed, SentPart
from blobio.drivers.unfinished import Leftover, LeftoverPage
from blobio.errors import Unsupported
from blobio.url import BlobUrl
from blobio.values import (
    BlobMeta,
    Body,
    Capabilities,
    DeleteResult,
    GetOptions,
    ListOptions,
    ListPage,
    MetaPatch,
    PutOptions,
    PutResult,
    SignedUrl,
    Version,
)

__all__ = ["LocalDriver"]

_BRIEF_BYTES: Final = 1 << 20
_LARGEST_FILE: Final = (1 << 63) - 1  # off_t
_CAPABILITIES: Final = Capabilities(
    server_copy=True,
    patch=True,
    cheap_patch=True,
    sign_url=True,
    directories=True,
    local_paths=True,
    delete_batch=256,
    delete_tells_missing=True,
    max_part_bytes=_LARGEST_FILE,
    max_parts=1 << 31,
    max_put_bytes=_LARGEST_FILE,
    list_page_size=tree.PAGE_SIZE,
)


@final
class LocalDriver:
    """All files of this machine; see `blobio.drivers.base.Driver`.

    Conditions hold among writers that use blobio: `CreateOnly` against everybody, `ReplaceIf`
    against those that take the lock of `blobio.drivers.local.locking`.

    Args:
        durable: Flush writes to the disk before they are published.
        on_loop_s: As `Config.disk_on_loop_s`.
    """

    def __init__(self, *, durable: bool = False, on_loop_s: float = 0.0) -> None:
        self._durable = durable
        self._threads = Threads(0.0 if durable else on_loop_s)

    @property
    def capabilities(self) -> Capabilities:
        """What this driver can do."""
        return _CAPABILITIES

    async def head(self, key: str, *, version: Version | None = None) -> BlobMeta:
        """Describe a file or directory; see `Driver.head`."""
        return await self._threads.run_brief(lambda _stop: head(key, version))

    async def get(self, key: str, options: GetOptions) -> GetResult:
        """Open a file for reading; see `Driver.get`.

        The stream raises `VersionMismatch` if the file is changed in place while it is read; a file
        that is replaced meanwhile is served as it was. A special file is read to its end first.
        """
        opened = await self._threads.run_brief(partial(open_plain, key, options), orphan=_close)
        if opened is None:
            opened = await self._threads.run(partial(open_file, key, options), orphan=_close)
        return GetResult(opened.meta, opened.span, LocalStream(opened, self._threads))

    async def put(self, key: str, body: Body, options: PutOptions) -> PutResult:
        """Write a file, or make a directory; see `Driver.put`."""
        writing.check_options("put", key, options)

        def work(stop: threading.Event) -> PutResult:
            if key.endswith("/"):
                return writing.put_directory(key, body, options)
            return writing.put(key, body, options, stop, durable=self._durable)

        if len(body) > _BRIEF_BYTES or is_special(key):
            return await self._threads.run(work)
        return await self._threads.run_brief(work)

    async def begin_upload(self, key: str, options: PutOptions) -> LocalUpload:
        """Start a write in parts; see `Driver.begin_upload`."""
        writing.check_options("put", key, options)
        sink = await self._threads.run(
            lambda _stop: open_sink(key, options, durable=self._durable), orphan=Sink.discard
        )
        return LocalUpload(key, sink, self._threads)

    async def begin_resumable(self, key: str, options: PutOptions) -> resuming.ResumableFile | None:
        """Start a write that another process can go on with; see `Resumable.begin_resumable`."""
        writing.check_options("put", key, options)
        return await resuming.begin(key, options, self._threads, durable=self._durable)

    async def resume_upload(
        self,
        key: str,
        options: PutOptions,
        state: Mapping[str, str],
        parts: Mapping[int, SentPart],
    ) -> Resumed:
        """Find a file half written again; see `Resumable.resume_upload`."""
        found = state, parts
        return await resuming.resume(key, options, found, self._threads, durable=self._durable)

    async def list_leftovers(self, prefix: str, token: str | None) -> LeftoverPage:
        """List temporary files in the directory `prefix` and below, all on one page."""
        del token
        return LeftoverPage(await self._threads.run(partial(resuming.leftovers, prefix)))

    async def drop_leftover(self, leftover: Leftover) -> None:
        """Remove a temporary file that nobody writes; see `Tidy.drop_leftover`."""
        await self._threads.run(lambda _stop: resuming.drop(leftover))

    async def list_page(self, prefix: str, options: ListOptions, token: str | None) -> ListPage:
        """List one page; see `Driver.list_page` and `blobio.drivers.local.tree`."""
        return await self._threads.run(lambda _stop: tree.list_page(prefix, options, token))

    async def delete(
        self, keys: Sequence[str], *, if_version: Version | None = None
    ) -> Sequence[DeleteResult]:
        """Delete files, links and empty directories; see `Driver.delete`.

        Raises:
            ValueError: There are more keys than `capabilities.delete_batch`.
        """
        if len(keys) > _CAPABILITIES.delete_batch:
            message = f"delete takes {_CAPABILITIES.delete_batch} keys at once, not {len(keys)}"
            raise ValueError(message)
        if if_version is not None:
            message = "the disk deletes no version in particular"
            raise Unsupported(message, operation="delete")
        return await self._threads.run(lambda stop: _delete_until(keys, stop))

    async def copy(self, source: BlobUrl, key: str, options: PutOptions) -> PutResult:
        """Copy a file; see `Driver.copy` and `blobio.drivers.local.writing.copy`."""
        if source.scheme != "file":
            message = f"copy of {source} to {key}: the source is not a local file"
            raise Unsupported(message, url=source, operation="copy")
        writing.check_options("copy", key, options)
        return await self._threads.run(
            lambda stop: writing.copy(source.key, key, options, stop, durable=self._durable)
        )

    async def patch(
        self, key: str, change: MetaPatch, *, if_version: Version | None = None
    ) -> BlobMeta:
        """Set the modification time; see `Driver.patch`. It is part of the version."""
        return await self._threads.run(lambda _stop: writing.patch(key, change, if_version))

    async def sign_url(self, key: str, method: str, expires_s: float) -> SignedUrl:
        """Return `file://` and the absolute path, which needs no signature and never expires.

        The path is not percent-encoded, so that `BlobUrl.parse` gives the same file back.
        """
        del method, expires_s
        return SignedUrl(url=_file_url(key), expires_at=None)

    async def aclose(self) -> None:
        """Let the threads end; see `Driver.aclose`."""
        self._threads.close()


def _delete_until(keys: Sequence[str], stop: threading.Event) -> list[DeleteResult]:
    results = []
    for key in keys:
        if stop.is_set():
            break
        results.append(writing.delete(key))
    return results


def _file_url(key: str) -> str:
    return "file://" + os.path.join(os.getcwd(), key)


def _close(opened: OpenFile | None) -> None:
    if opened is not None:
        opened.file.close()
