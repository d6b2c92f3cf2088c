"""The driver of one dataset of the Hugging Face Hub, at one revision."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, final
from weakref import WeakValueDictionary

from blobio.drivers.base import GetResult, Upload
from blobio.drivers.describing import Whereabouts
from blobio.drivers.http.redirects import Resolver, resolve_host
from blobio.drivers.hub import wire
from blobio.drivers.hub.api import HubApi
from blobio.drivers.hub.auth import HubSigner, judge
from blobio.drivers.hub.errors import (
    bad_reply,
    error_for,
    no_such_name,
    offline,
    read_only,
    version_mismatch,
)
from blobio.drivers.hub.following import Follower, Reached
from blobio.drivers.hub.listing import Lister
from blobio.drivers.hub.places import Place, Places
from blobio.drivers.hub.repository import Repository, is_path, viewer_of
from blobio.drivers.hub.wire import Facts
from blobio.drivers.registry import DriverServices
from blobio.transport.body import BytesStream, DigestStream, cut
from blobio.transport.message import Response
from blobio.transport.ranges import parse_content_range, requested_span, served_span
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

__all__ = ["CAPABILITIES", "HubDriver"]

CAPABILITIES: Final = Capabilities(
    writable=False, create_only=False, replace_if=False, pinned_reads=True
)

_OK: Final = 200
_PARTIAL: Final = 206
_PAST_THE_END: Final = 416
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
# What a link that has expired is answered with: the delivering host does not know who asks.
_EXPIRED: Final = frozenset({401, 403})


@final
class HubDriver:
    """A `Driver` for one dataset and revision; read-only. See `blobio.drivers.base`.

    The version of a file is what identifies its bytes: the SHA-256 of a large one, git's id of a
    small one. Once a version has been seen, reads that name it ask for the commit it was seen in,
    or go straight to the link that the Hub gave out: if the branch moves meanwhile, they go on with
    the bytes they began with. A file that is read whole is checked against its version.

    Args:
        authority: `datasets/namespace/name[@revision]`.
        services: What the context lends.
        resolve: Finds the addresses of hosts that redirects lead to.
    """

    def __init__(
        self, authority: str, services: DriverServices, *, resolve: Resolver = resolve_host
    ) -> None:
        config = services.config.hub
        self._root = BlobUrl("hf", authority, "")
        self._repository = Repository.parse(authority, config)
        self._is_offline = config.offline
        self._signer = HubSigner(config, self._repository.endpoint)
        self._hub = services.connect(signer=self._signer, judge=judge)
        self._other = services.connect()
        self._follower = Follower(self._hub, self._other, services.config.http, resolve=resolve)
        self._renewals: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._places = Places(is_pinned=self._repository.is_pinned)
        self.api: Final = HubApi(
            self._repository, self._follower, viewer_of(config), is_offline=config.offline
        )
        self._lister = Lister(self.api, str(self._root))

    @property
    def capabilities(self) -> Capabilities:
        """What can be done with a dataset of the Hub from here."""
        return CAPABILITIES

    async def head(self, key: str, *, version: Version | None = None) -> BlobMeta:
        """Describe a file: 1 HEAD; none if the file was seen before and cannot have changed."""
        self._require_possible("head", key)
        place = self._seen("head", key, version)
        if place is None or place.facts.size is None:
            place = await self._look(key, version, place)
        assert place.facts.size is not None
        return wire.describe(key, place.facts.etag, place.facts.size)

    async def get(self, key: str, options: GetOptions) -> GetResult:
        """Open a file, or part of one.

        1 GET of the Hub, and 1 GET of the host it redirects to if the file is large; of a version
        that was read before only the latter, until the link expires. 1 HEAD instead for an empty
        span, 1 HEAD more for an empty file.
        """
        self._require_possible("get", key)
        wanted, version = options.range, options.version
        if isinstance(wanted, Span) and not len(wanted):
            meta = await self.head(key, version=version)
            span = requested_span(wanted, meta.size, subject=self._subject(key))
            return GetResult(meta, span, BytesStream(b""))
        place = self._seen("get", key, version)
        if place is not None and place.link is not None:
            response = await self._deliver(key, wanted, place.link)
            if response.status in _EXPIRED:
                await response.aclose()
                place = await self._renewed(key, place)
                if place.link is not None:
                    response = await self._deliver(key, wanted, place.link)
            if place.link is not None:
                return await self._open(key, options, response, place.facts)
        reached = await self._ask("GET", key, wanted, place)
        try:
            facts = self._facts(key, reached)
            if version is not None and facts.etag != version and _is_success(reached.response):
                raise version_mismatch("get", self._subject(key), version, facts.etag)
        except BaseException:
            await reached.response.aclose()
            raise
        return await self._open(key, options, reached.response, facts)

    async def list_page(self, prefix: str, options: ListOptions, token: str | None) -> ListPage:
        """List files in key order, all pages from the commit that the revision was at the first.

        1 GET for the commit unless that is the revision, and with the first page 1 GET for every
        thousand entries of the directory that the prefix names; none with the pages after it.
        """
        self._require_online("list", prefix)
        return await self._lister.page(prefix, options, token)

    async def put(self, key: str, body: Body, options: PutOptions) -> PutResult:
        """Raise `Unsupported`."""
        del body, options
        raise read_only("put", self._subject(key))

    async def begin_upload(self, key: str, options: PutOptions) -> Upload:
        """Raise `Unsupported`."""
        del options
        raise read_only("put", self._subject(key))

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
        """Raise `Unsupported`: the Hub says neither how long its links live nor for whom."""
        del method, expires_s
        raise read_only("sign_url", self._subject(key))

    async def whereabouts(self) -> Whereabouts:
        """See `blobio.drivers.describing.Describes`."""
        place = {"dataset": self._repository.id, "revision": self._repository.revision}
        return Whereabouts(endpoint=self._repository.endpoint, place=place)

    async def credential_source(self) -> str:
        """See `blobio.drivers.describing.Describes`."""
        return await self._signer.source()

    async def aclose(self) -> None:
        """Release what the driver owns. Idempotent."""
        await self._signer.aclose()
        await self._hub.aclose()
        await self._other.aclose()

    def _subject(self, key: str) -> str:
        return str(self._root.with_key(key))

    def _require_online(self, operation: str, key: str) -> None:
        if self._is_offline:
            raise offline(operation, self._subject(key))

    def _require_possible(self, operation: str, key: str) -> None:
        self._require_online(operation, key)
        if not is_path(key):
            raise no_such_name(operation, self._subject(key))

    def _seen(self, operation: str, key: str, version: Version | None) -> Place | None:
        """Return where the file was seen, if it cannot be anywhere else now."""
        place = self._places.find(key, version)
        if place is not None and version is not None and place.facts.etag != version:
            raise version_mismatch(operation, self._subject(key), version, place.facts.etag)
        return place

    async def _look(self, key: str, version: Version | None, seen: Place | None) -> Place:
        """Send a HEAD and note what it tells."""
        subject = self._subject(key)
        response, facts, link = await self._ask("HEAD", key, None, seen)
        if response.status != _OK and response.status not in _REDIRECTS:
            raise error_for(response, "head", subject, self._repository)
        if facts.size is None or facts.etag is None:
            raise bad_reply("the Hub tells neither its size nor its version", "head", subject)
        place = Place(facts, link)
        self._places.keep(key, place)
        if version is not None and facts.etag != version:
            raise version_mismatch("head", subject, version, facts.etag)
        return place

    async def _ask(
        self, method: str, key: str, wanted: Range | None, place: Place | None
    ) -> Reached:
        """Ask the Hub for a file: of the commit it was seen in, or of the revision as it is now."""
        commit = None if place is None else place.facts.commit
        url = self._repository.file(commit or self._repository.revision, key)
        request = wire.file_request(method, url, wanted, self._subject(key))
        return await self._follower.send(request, leave=method == "GET")

    async def _deliver(self, key: str, wanted: Range | None, link: str) -> Response:
        return await self._follower.deliver(wire.link_request(link, wanted, self._subject(key)))

    async def _renewed(self, key: str, place: Place) -> Place:
        """Ask for another link, once for all reads that have found the old one expired: 1 HEAD."""
        version = Version(place.facts.etag or "")
        renewal = self._renewals.setdefault(key, asyncio.Lock())
        async with renewal:
            known = self._places.find(key, version)
            if known is not None and known.link != place.link:
                return known
            return await self._look(key, version, place)

    def _facts(self, key: str, reached: Reached) -> Facts:
        """Return what the way to a file has told, and note it."""
        facts = reached.facts
        if facts.etag is not None and _is_success(reached.response):
            self._places.keep(key, Place(facts, reached.link))
        return facts

    async def _open(
        self, key: str, options: GetOptions, response: Response, facts: Facts
    ) -> GetResult:
        try:
            return await self._opened(key, options, response, facts)
        except BaseException:
            await response.aclose()
            raise

    async def _opened(
        self, key: str, options: GetOptions, response: Response, facts: Facts
    ) -> GetResult:
        """Return what a reply serves, checked against what the Hub has told of the file."""
        subject = self._subject(key)
        if response.status == _PAST_THE_END:
            return await self._past_the_end(key, options, response)
        if not _is_success(response):
            raise error_for(response, "get", subject, self._repository)
        assert response.stream is not None  # a success of a streaming request has one
        served = served_span(options.range, response.status, response.headers, subject=subject)
        total = facts.size if served.size is None else served.size
        if total is None:
            raise bad_reply("nothing tells its size", "get", subject)
        if facts.size not in (None, total) or served.span.stop > total:
            what = f"{total} bytes came, or some of them, where the Hub tells of {facts.size}"
            raise bad_reply(what, "get", subject)
        meta = wire.describe(key, facts.etag, total)
        stream = cut(response.stream, served, subject=subject)
        if len(served.span) == total and facts.etag is not None:
            digest = wire.digest_of(facts.etag, total)
            if digest is not None:
                stream = DigestStream(stream, digest, facts.etag, subject=subject)
        return GetResult(meta, served.span, stream)

    async def _past_the_end(self, key: str, options: GetOptions, response: Response) -> GetResult:
        """Answer a 416: the empty end of an empty file, or the caller's mistake."""
        subject = self._subject(key)
        if options.range is None or isinstance(options.range, Last):
            meta = await self.head(key, version=options.version)
            if meta.size == 0:
                return GetResult(meta, Span(0, 0), BytesStream(b""))
        error = error_for(response, "get", subject, self._repository)
        text = response.headers.get("content-range")
        total = None if text is None else parse_content_range(text, subject=subject).total
        if total is not None:
            error.message += f": it has {total} bytes, {options.range} was asked for"
        raise error


def _is_success(response: Response) -> bool:
    return response.status in (_OK, _PARTIAL)
