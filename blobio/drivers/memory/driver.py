"""`MemoryDriver`: the contract of `blobio.drivers.base` over a `MemoryStore`."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Final, final

import google_crc32c

from blobio.drivers.base import GetResult
from blobio.drivers.memory.store import Content, MemoryStore
from blobio.drivers.parts import PartTable
from blobio.drivers.ranges import resolve
from blobio.errors import IsDirectory, NotFound, Unsupported, UploadLost
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
    PartToken,
    PutOptions,
    PutResult,
    SignedUrl,
    Version,
)

__all__ = ["MemoryDriver", "MemoryUpload"]

_CHUNK_BYTES: Final = 1 << 20
_HASH_ON_LOOP_BYTES: Final = 1 << 20
_CAPABILITIES: Final = Capabilities(
    server_copy=True,
    patch=True,
    cheap_patch=True,
    metadata=True,
    delete_batch=1000,
    delete_tells_missing=True,
    list_anywhere=True,
)


@final
class MemoryDriver:
    """One bucket of a `MemoryStore`; see `blobio.drivers.base.Driver`.

    Every verb lets other tasks run once before it acts, as one that talks to a server would, then
    acts in one step: a cancelled verb has done nothing or everything.
    """

    def __init__(self, bucket: str, store: MemoryStore) -> None:
        self._bucket = bucket
        self._store = store

    @property
    def capabilities(self) -> Capabilities:
        """What this driver can do."""
        return _CAPABILITIES

    async def head(self, key: str, *, version: Version | None = None) -> BlobMeta:
        """Describe a blob; see `Driver.head`."""
        await asyncio.sleep(0)
        return self._store.find("head", self._url(key), version).describe()

    async def get(self, key: str, options: GetOptions) -> GetResult:
        """Open a blob for reading; see `Driver.get`."""
        await asyncio.sleep(0)
        blob = self._store.find("get", self._url(key), options.version)
        span = resolve(options.range, blob.meta.size, self._url(key))
        served = memoryview(blob.content.data)[span.start : span.stop]
        return GetResult(blob.describe(), span, _Chunks(served))

    async def put(self, key: str, body: Body, options: PutOptions) -> PutResult:
        """Write a blob; see `Driver.put`.

        Raises:
            IsDirectory: The key is empty.
        """
        self._check_key("put", key)
        return await _commit(self._store, self._url(key), bytes(body), options)

    async def begin_upload(self, key: str, options: PutOptions) -> MemoryUpload:
        """Start a write in parts; see `Driver.begin_upload`.

        Raises:
            IsDirectory: The key is empty.
        """
        await asyncio.sleep(0)
        self._check_key("put", key)
        return MemoryUpload(self._store, self._url(key), options)

    async def list_page(self, prefix: str, options: ListOptions, token: str | None) -> ListPage:
        """List one page; see `Driver.list_page`."""
        await asyncio.sleep(0)
        return self._store.page(self._url(prefix), options, token)

    async def delete(
        self, keys: Sequence[str], *, if_version: Version | None = None
    ) -> Sequence[DeleteResult]:
        """Delete blobs; see `Driver.delete`. Missing keys are reported.

        Raises:
            ValueError: There are more keys than `capabilities.delete_batch`.
        """
        if len(keys) > _CAPABILITIES.delete_batch:
            message = f"delete takes {_CAPABILITIES.delete_batch} keys at once, not {len(keys)}"
            raise ValueError(message)
        if if_version is not None:
            message = "the memory store deletes no version in particular"
            raise Unsupported(message, operation="delete")
        await asyncio.sleep(0)
        return [self._delete_one(key) for key in keys]

    async def copy(self, source: BlobUrl, key: str, options: PutOptions) -> PutResult:
        """Copy from any bucket of the store; see `Driver.copy`.

        Content type and metadata are the source's, but for what `options` sets.

        Raises:
            IsDirectory: The key is empty.
        """
        if source.scheme != "memory":
            message = f"copy of {source} to {self._url(key)}: the source is not in memory"
            raise Unsupported(message, url=source, operation="copy")
        self._check_key("copy", key)
        await asyncio.sleep(0)
        blob = self._store.find("copy", source, None)
        merged = replace(
            options,
            content_type=options.content_type or blob.meta.content_type,
            metadata={**blob.meta.metadata, **options.metadata},
        )
        version = self._store.commit("copy", self._url(key), blob.content, merged)
        return PutResult(version=version, md5=blob.content.md5, crc32c=blob.content.crc32c)

    async def patch(
        self, key: str, change: MetaPatch, *, if_version: Version | None = None
    ) -> BlobMeta:
        """Change metadata; see `Driver.patch`. The version changes, the store's times stay."""
        await asyncio.sleep(0)
        return self._store.patch(self._url(key), change, if_version)

    async def sign_url(self, key: str, method: str, expires_s: float) -> SignedUrl:
        """Raise `Unsupported`: no URL leads into the memory of a process."""
        del method, expires_s
        message = f"sign_url of {self._url(key)}: no URL leads into the memory of a process"
        raise Unsupported(message, url=self._url(key), operation="sign_url")

    async def aclose(self) -> None:
        """Do nothing: the data belong to the store."""

    def _url(self, key: str) -> BlobUrl:
        return BlobUrl("memory", self._bucket, key)

    def _check_key(self, operation: str, key: str) -> None:
        if not key:
            message = f"{operation} of {self._url(key)}: a bucket is not a blob; name a key in it"
            raise IsDirectory(message, url=self._url(key), operation=operation)

    def _delete_one(self, key: str) -> DeleteResult:
        try:
            self._store.remove(self._url(key))
        except NotFound as error:
            return DeleteResult(key=key, error=error)
        return DeleteResult(key=key)


@final
class MemoryUpload:
    """Parts by index until `complete` joins them; see `blobio.drivers.base.Upload`."""

    def __init__(self, store: MemoryStore, url: BlobUrl, options: PutOptions) -> None:
        self._store = store
        self._url = url
        self._options = options
        self._table = PartTable(url)
        self._parts: dict[int, bytes] | None = {}

    async def put_part(self, index: int, offset: int, body: Body) -> PartToken:
        """Keep a copy of one part; see `Upload.put_part`. A part sent again replaces the first."""
        await asyncio.sleep(0)
        self._open_parts()[index] = data = bytes(body)
        return self._table.add(index, offset, len(data))

    async def complete(self, parts: Sequence[PartToken], *, size: int) -> PutResult:
        """Join the parts and publish; see `Upload.complete`.

        Raises:
            RequestFailed: The parts do not make a blob of `size` bytes; see `PartTable.check`.
        """
        sent = self._open_parts()
        self._table.check(parts, size)
        data = b"".join(sent[index] for index in range(len(sent)))
        result = await _commit(self._store, self._url, data, self._options)
        self._parts = None
        return result

    async def abort(self) -> None:
        """Forget the parts; see `Upload.abort`."""
        self._parts = None

    def _open_parts(self) -> dict[int, bytes]:
        if self._parts is None:
            message = f"upload of {self._url}: it is already completed or aborted"
            raise UploadLost(message, url=self._url, operation="put")
        return self._parts


@final
class _Chunks:
    """The bytes of a `get`: slices of an immutable object, so there is nothing to release."""

    def __init__(self, data: memoryview) -> None:
        self._data = data

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._data), _CHUNK_BYTES):
            await asyncio.sleep(0)
            yield bytes(self._data[start : start + _CHUNK_BYTES])

    async def aclose(self) -> None:
        pass


async def _commit(store: MemoryStore, url: BlobUrl, data: bytes, options: PutOptions) -> PutResult:
    if len(data) > _HASH_ON_LOOP_BYTES:
        content = await asyncio.to_thread(_digested, data)
    else:
        await asyncio.sleep(0)
        content = _digested(data)
    version = store.commit("put", url, content, options)
    return PutResult(version=version, md5=content.md5, crc32c=content.crc32c)


def _digested(data: bytes) -> Content:
    md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
    return Content(data, md5, google_crc32c.value(data))
