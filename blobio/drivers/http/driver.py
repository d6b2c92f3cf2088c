"""The HTTP driver: HEAD and GET of any server, as good as it lets us."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, final

from blobio.drivers.base import GetResult, Upload
from blobio.drivers.http import wire
from blobio.drivers.http.errors import bad_reply, error_for, read_only, version_mismatch
from blobio.drivers.http.redirects import Redirector, Resolver, resolve_host
from blobio.drivers.registry import DriverServices
from blobio.errors import RangeNotSatisfiable
from blobio.transport.body import BytesStream, DigestStream, cut
from blobio.transport.message import MAX_REPLY_BYTES, Response
from blobio.transport.ranges import body_size, parse_content_range, requested_span, served_span
from blobio.url import BlobUrl
from blobio.values import (
    BlobMeta,
    Body,
    Capabilities,
    DeleteResult,
    GetOptions,
    Last,
    ListOptions,
    ListPage,
    MetaPatch,
    PutOptions,
    PutResult,
    Range,
    SignedUrl,
    Span,
    Version,
)

__all__ = ["CAPABILITIES", "HttpDriver"]

CAPABILITIES: Final = Capabilities(
    writable=False,
    listable=False,
    create_only=False,
    replace_if=False,
    pinned_reads=True,
    sign_url=True,
)

_OK: Final = 200
_PARTIAL: Final = 206
_PAST_THE_END: Final = 416
# Servers that do not know HEAD, or hold links that are signed for GET alone.
_NO_HEAD: Final = frozenset({403, 405, 501})
_FIRST_BYTE: Final = Span(0, 1)


@final
class HttpDriver:
    """A `Driver` for one scheme and host; read-only. See `blobio.drivers.base` for the promises.

    A key is the raw path and query. Bytes are delivered as stored: a body with a Content-Encoding
    is not decoded, and its size is that of the encoded form.

    Args:
        scheme: `"http"` or `"https"`.
        authority: `host[:port]`.
        services: What the context lends.
        resolve: Finds the addresses of hosts that redirects lead to.
    """

    def __init__(
        self,
        scheme: str,
        authority: str,
        services: DriverServices,
        *,
        resolve: Resolver = resolve_host,
    ) -> None:
        config = services.config.http
        self._root = BlobUrl(scheme, authority, "")
        self._headers = wire.host_headers(config.headers, authority)
        self._transport = services.connect()
        self._redirector = Redirector(self._transport, config, resolve=resolve)

    @property
    def capabilities(self) -> Capabilities:
        """What a web server can be relied on for."""
        return CAPABILITIES

    async def head(self, key: str, *, version: Version | None = None) -> BlobMeta:
        """Describe a blob: 1 HEAD, and 1 GET of its first byte if that does not tell the size.

        A blob whose size no header tells is read, up to `MAX_REPLY_BYTES`.
        """
        subject = self._subject(key)
        response = await self._send("HEAD", key, None, None)
        size = body_size(response.headers)
        if response.status in _NO_HEAD or (response.status == _OK and size is None):
            return await self._head_by_get(key, version)
        if response.status != _OK or size is None:
            raise error_for(response, "head", subject)
        if version is not None and not wire.is_version(response.headers, version, partial=False):
            raise version_mismatch("head", subject, version, wire.version_of(response.headers))
        return wire.describe(key, response.headers, size)

    async def get(self, key: str, options: GetOptions) -> GetResult:
        """Open a blob, or part of one: 1 GET.

        1 HEAD instead for an empty span; 1 HEAD more for an empty blob, and to tell a range past
        the end from a blob that has become shorter; 1 HEAD and 1 GET more if the reply does not
        tell the size of the blob.
        """
        wanted = options.range
        if isinstance(wanted, Span) and not len(wanted):
            return await self._get_nothing(key, wanted, options.version)
        return await self._read(key, options, None)

    async def put(self, key: str, body: Body, options: PutOptions) -> PutResult:
        """Raise `Unsupported`."""
        del body, options
        raise read_only("put", self._subject(key))

    async def begin_upload(self, key: str, options: PutOptions) -> Upload:
        """Raise `Unsupported`."""
        del options
        raise read_only("put", self._subject(key))

    async def list_page(self, prefix: str, options: ListOptions, token: str | None) -> ListPage:
        """Raise `Unsupported`."""
        del options, token
        raise read_only("list", self._subject(prefix))

    async def delete(
        self, keys: Sequence[str], *, if_version: Version | None = None
    ) -> Sequence[DeleteResult]:
        """Raise `Unsupported`."""
        del if_version
        raise read_only("delete", self._subject(keys[0] if keys else ""))

    async def copy(self, source: BlobUrl, key: str, options: PutOptions) -> PutResult:
        """Raise `Unsupported`."""
        del source, options
        raise read_only("copy", self._subject(key))

    async def patch(
        self, key: str, change: MetaPatch, *, if_version: Version | None = None
    ) -> BlobMeta:
        """Raise `Unsupported`."""
        del change, if_version
        raise read_only("patch", self._subject(key))

    async def sign_url(self, key: str, method: str, expires_s: float) -> SignedUrl:
        """Return the URL itself, escaped where needed; it never expires. No request.

        Raises:
            Unsupported: `method` is neither GET nor HEAD.
        """
        del expires_s
        if method not in ("GET", "HEAD"):
            raise read_only(f"sign_url for {method}", self._subject(key))
        return SignedUrl(url=self._url(key), expires_at=None)

    async def aclose(self) -> None:
        """Release what the driver owns. Idempotent."""
        await self._transport.aclose()

    def _subject(self, key: str) -> str:
        return str(self._root.with_key(key))

    def _url(self, key: str) -> str:
        return wire.legal(self._subject(key))

    async def _send(
        self, method: str, key: str, wanted: Range | None, version: Version | None
    ) -> Response:
        request = wire.read_request(method, self._url(key), wanted, version, self._subject(key))
        headers = {**self._headers, **request.headers}
        return await self._redirector.send(replace(request, headers=headers))

    async def _head_by_get(self, key: str, version: Version | None) -> BlobMeta:
        response = await self._send("GET", key, _FIRST_BYTE, None)
        try:
            size = await self._size(key, response)
        finally:
            await response.aclose()
        if version is not None and not wire.is_version(response.headers, version, partial=False):
            found = wire.version_of(response.headers)
            raise version_mismatch("head", self._subject(key), version, found)
        return wire.describe(key, response.headers, size)

    async def _size(self, key: str, response: Response) -> int:
        """Work out the size of a blob from the reply to a request of its first byte."""
        subject = self._subject(key)
        text = response.headers.get("content-range")
        total: int | None = None
        if text is not None and response.status in (_OK, _PARTIAL, _PAST_THE_END):
            total = parse_content_range(text, subject=subject).total
        elif response.status == _OK:
            total = body_size(response.headers)
            if total is None:
                return len(await _read_unsized(response, "head", subject))
        elif response.status not in (_PARTIAL, _PAST_THE_END):
            raise error_for(response, "head", subject)
        if total is None:
            raise bad_reply("the server does not tell its size", "head", subject)
        return total

    async def _get_nothing(self, key: str, wanted: Span, version: Version | None) -> GetResult:
        meta = await self.head(key, version=version)
        span = requested_span(wanted, meta.size, subject=self._subject(key))
        return GetResult(meta, span, BytesStream(b""))

    async def _read(self, key: str, options: GetOptions, size: int | None) -> GetResult:
        """Send the GET and open its reply; `size` is that of the blob, if it is known already."""
        response = await self._send("GET", key, options.range, options.version)
        try:
            result = await self._open(key, options, response, size)
        except BaseException:
            await response.aclose()
            raise
        if result is not None:
            return result
        # Closed before the HEAD: an open body holds a place at the host, and there may be but one.
        await response.aclose()
        version = options.version or wire.version_of(response.headers)
        meta = await self.head(key, version=version)
        return await self._read(key, replace(options, version=meta.version), meta.size)

    async def _open(
        self, key: str, options: GetOptions, response: Response, size: int | None
    ) -> GetResult | None:
        """Return what the reply serves, or None if it does not tell the size nor is that known."""
        subject = self._subject(key)
        wanted, version = options.range, options.version
        if response.status == _PAST_THE_END:
            return await self._past_the_end(key, options, response)
        if response.status not in (_OK, _PARTIAL):
            raise error_for(response, "get", subject)
        partial = response.status == _PARTIAL
        if version is not None and not wire.is_version(response.headers, version, partial=partial):
            raise version_mismatch("get", subject, version, wire.version_of(response.headers))
        assert response.stream is not None  # a success of a streaming request has one
        sized = "content-range" in response.headers or body_size(response.headers) is not None
        if response.status == _OK and not sized:
            body = await _read_unsized(response, "get", subject)
            span = requested_span(wanted, len(body), subject=subject)
            meta = wire.describe(key, response.headers, len(body), version=version)
            return GetResult(meta, span, BytesStream(body[span.start : span.stop]))
        served = served_span(wanted, response.status, response.headers, subject=subject)
        total = size if served.size is None else served.size
        if total is None:
            return None
        if served.span.stop > total:
            raise bad_reply(f"bytes past its end of {total} bytes came", "get", subject)
        meta = wire.describe(key, response.headers, total, version=version)
        stream = cut(response.stream, served, subject=subject)
        if meta.md5 is not None and len(served.span) == total:
            digest = hashlib.md5(usedforsecurity=False)
            stream = DigestStream(stream, digest, meta.md5, subject=subject)
        return GetResult(meta, served.span, stream)

    async def _past_the_end(self, key: str, options: GetOptions, response: Response) -> GetResult:
        """Answer a 416: a changed blob, the empty end of an empty blob, or the caller's mistake."""
        subject = self._subject(key)
        may_be_empty = options.range is None or isinstance(options.range, Last)
        if options.version is not None or may_be_empty:
            meta = await self.head(key, version=options.version)
            if may_be_empty and meta.size == 0:
                return GetResult(meta, Span(0, 0), BytesStream(b""))
        error = error_for(response, "get", subject)
        text = response.headers.get("content-range")
        total = None if text is None else parse_content_range(text, subject=subject).total
        if total is not None and isinstance(error, RangeNotSatisfiable):
            error.message += f": it has {total} bytes, {options.range} was asked for"
        raise error


async def _read_unsized(response: Response, operation: str, subject: str) -> bytes:
    """Read a body that no header tells the length of, within `MAX_REPLY_BYTES`.

    Only a chunked body tells its end. One that ends with the connection may have been cut anywhere.
    """
    if response.stream is None or "chunked" not in response.headers.get("transfer-encoding", ""):
        what = "the reply has no length and ends with the connection: nothing tells if it is whole"
        raise bad_reply(what, operation, subject)
    body = bytearray()
    async for chunk in response.stream:
        body += chunk
        if len(body) > MAX_REPLY_BYTES:
            what = (
                f"the server does not tell the size of this blob, and more than {MAX_REPLY_BYTES} "
                "bytes are not kept in memory to find out"
            )
            raise bad_reply(what, operation, subject)
    await response.aclose()
    return bytes(body)
