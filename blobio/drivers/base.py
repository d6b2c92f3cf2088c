"""THE contract between the core and a store: nine verbs and a goodbye.

A driver serves one (scheme, authority): one bucket, one host, the disk. It belongs to the event
loop it was made on. Keys are exact strings, see `blobio.url`. There are no defaults here, no base
class and no helpers: anything that has these methods is a driver, and anything can wrap one.

What every driver promises:

* **Atomic.** A `put` or a completed `Upload` appears whole or not at all. Until `complete` returns,
  readers see the old blob; after `abort`, a failure or a cancellation, they still do, and no part
  stays behind that the store would keep or bill.
* **Conditions are the store's.** `WriteMode` and versions are decided by the store in the request
  that commits. A driver whose store cannot do that raises `Unsupported` before any request.
* **Truthful.** A lost reply to a write is resolved by reading back, so that our own success is
  never reported as a conflict, nor a lost race as success.
* **Exact.** `get` yields exactly the bytes of `GetResult.span`, or an error. A store that ignores
  the range is sliced or refused. Ranges past the end are cut at the end; a range that *starts* at
  or past the end raises `RangeNotSatisfiable`, except that a whole-blob read or `Last` of an empty
  blob is empty.
* **Directories.** In a store of keys, a directory is any prefix ending in `/`; a blob whose key
  ends in `/` is its marker. With `capabilities.directories`, keys ending in `/` are real
  directories: `put` of one (empty body) makes it and its parents, `head` of one describes it,
  `delete` of one removes it if empty, flat listings name each of them, and `head` or `get` of a
  directory *without* the slash raises `IsDirectory`.
* **Cancellation.** Every verb may be cancelled at any await; sockets and files are released.

Errors are those of `blobio.errors`, mapped at one place per driver. `retryable` faults have already
been retried inside the transport; what a driver raises is the last word on that request.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol, final

from blobio.transport.message import ByteStream
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
    Span,
    Version,
)

__all__ = ["Driver", "GetResult", "Upload"]


@final
@dataclass(frozen=True, slots=True)
class GetResult:
    """An open read: use it as an async context manager and iterate over `chunks`.

    Attributes:
        meta: The blob as the reply describes it: `size` is that of the whole blob, `version` the
            one served.
        span: The bytes that `chunks` will yield, in blob offsets; the request cut at the end.
        stream: The bytes. Yields exactly `len(span)` of them, or raises: `TransportFailed` when the
            body ends early, stalls or is longer than announced, `ChecksumMismatch` when the whole
            blob was asked for and the store's checksum disagrees (raised after the last chunk, so
            the caller must not publish before the iteration ends).
    """

    meta: BlobMeta
    span: Span
    stream: ByteStream

    async def __aenter__(self) -> GetResult:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stream.aclose()

    def chunks(self) -> AsyncIterator[bytes]:
        """Iterate over the bytes of `span`, in chunks of the transport's size."""
        return self.stream.__aiter__()


class Upload(Protocol):
    """A write in several parts, invisible until `complete` returns.

    Parts run concurrently and finish in any order. Before `complete` or after `abort` nothing is
    visible; an `Upload` that is neither completed nor aborted leaks what the store keeps for it.
    """

    async def put_part(self, index: int, offset: int, body: Body) -> PartToken:
        """Send part `index` (from 0, contiguous), whose first byte is byte `offset` of the blob.

        Once this has returned, the memory of `body` is its caller's again, and may be filled with
        the next part: a driver that needs the bytes for longer keeps a copy.
        """
        ...

    async def complete(self, parts: Sequence[PartToken], *, size: int) -> PutResult:
        """Publish: `parts` in index order, `size` bytes in all. The `WriteMode` is decided here.

        Raises:
            AlreadyExists: `CreateOnly` lost.
            VersionMismatch: `ReplaceIf` lost.
            ConcurrentWrite: The store refused this write because of another.
            UploadLost: The store no longer knows this upload and did not publish it.
        """
        ...

    async def abort(self) -> None:
        """Drop the upload and its parts. Idempotent; does nothing after `complete` returned."""
        ...


class Driver(Protocol):
    """One store, bound to one (scheme, authority) and one event loop."""

    @property
    def capabilities(self) -> Capabilities:
        """What this store can do. Constant for the life of the driver."""
        ...

    async def head(self, key: str, *, version: Version | None = None) -> BlobMeta:
        """Describe a blob.

        Raises:
            NotFound: No such blob (or bucket).
            VersionMismatch: `version` was given and is not what is there.
            IsDirectory: See "Directories" above.
        """
        ...

    async def get(self, key: str, options: GetOptions) -> GetResult:
        """Open a blob, or part of one, for reading. The caller closes the result.

        Raises:
            NotFound, VersionMismatch, IsDirectory: As in `head`.
            RangeNotSatisfiable: The range starts at or past the end.
        """
        ...

    async def put(self, key: str, body: Body, options: PutOptions) -> PutResult:
        """Write a whole blob in one request.

        Raises:
            AlreadyExists: `CreateOnly` lost.
            VersionMismatch: `ReplaceIf` lost.
            ConcurrentWrite: The store refused this write because of another.
            Unsupported: The store cannot decide `options.mode`; nothing was sent.
        """
        ...

    async def begin_upload(self, key: str, options: PutOptions) -> Upload:
        """Start a write in parts. Raises `Unsupported` as `put` does."""
        ...

    async def list_page(self, prefix: str, options: ListOptions, token: str | None) -> ListPage:
        """List keys that start with `prefix`, one page; stateless, so a page can be asked again.

        `token` is None for the first page, then what the page before returned, with the same
        prefix and options. Nothing below the prefix is an empty page, not an error.

        Raises:
            NotFound: The bucket itself does not exist.
        """
        ...

    async def delete(
        self, keys: Sequence[str], *, if_version: Version | None = None
    ) -> Sequence[DeleteResult]:
        """Delete up to `capabilities.delete_batch` keys; one result each, in order.

        A key that is not there counts as deleted where the store cannot tell the difference;
        where it can, its result holds `NotFound`.

        With `if_version`, which takes a single key and `capabilities.conditional_delete`, the store
        deletes that version only; the result of a blob with another one holds `VersionMismatch`.

        Raises:
            BlobError: The batch as a whole failed; any of its keys may be gone.
        """
        ...

    async def copy(self, source: BlobUrl, key: str, options: PutOptions) -> PutResult:
        """Copy within the store, without moving bytes here. Metadata comes along.

        The source is pinned: if it changes while being copied in parts, `VersionMismatch`.

        Raises:
            NotFound: No such source.
            Unsupported: `source` is not reachable for the store; the caller streams instead.
            AlreadyExists, VersionMismatch, ConcurrentWrite: As in `put`.
        """
        ...

    async def patch(
        self, key: str, change: MetaPatch, *, if_version: Version | None = None
    ) -> BlobMeta:
        """Change metadata and return the new description (the version may change).

        Raises:
            NotFound: No such blob.
            VersionMismatch: `if_version` was given and is not what is there.
        """
        ...

    async def sign_url(self, key: str, method: str, expires_s: float) -> SignedUrl:
        """Make a URL that lets its holder `method` this key for `expires_s` seconds."""
        ...

    async def aclose(self) -> None:
        """Release what the driver owns (not the shared pool). Idempotent."""
        ...
