"""The driver of Google Cloud Storage: the verbs, each handed to the module that does it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Final, final

from blobio.drivers.base import GetResult, Upload
from blobio.drivers.describing import Whereabouts
from blobio.drivers.gcs import (
    copying,
    deleting,
    listing,
    reading,
    removing,
    resuming,
    sequential,
    versions,
    writing,
)
from blobio.drivers.gcs.addressing import locate
from blobio.drivers.gcs.auth import GoogleSigner, check_privacy
from blobio.drivers.gcs.bucket import Bucket
from blobio.drivers.gcs.errors import raise_for
from blobio.drivers.gcs.judge import judge
from blobio.drivers.gcs.signing import MAX_EXPIRES_S, Draft
from blobio.drivers.gcs.upload import ComposedUpload
from blobio.drivers.gcs.wire import Wire
from blobio.drivers.registry import DriverServices
from blobio.drivers.resumable import Resumed, SentPart
from blobio.drivers.unfinished import Leftover, LeftoverPage
from blobio.drivers.versions import BlobVersion, VersionPage
from blobio.errors import InvalidConfig, IsDirectory, NotFound, Unsupported
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

__all__ = ["CAPABILITIES", "GcsDriver"]

_SIGNED_METHODS: Final = frozenset({"GET", "HEAD", "PUT", "DELETE"})

CAPABILITIES: Final = Capabilities(
    server_copy=True,
    patch=True,
    cheap_patch=True,
    sign_url=True,
    metadata=True,
    storage_classes=True,
    delete_batch=deleting.BATCH,
    delete_tells_missing=True,
    conditional_delete=True,
    max_part_bytes=writing.MAX_PUT_BYTES,
    max_put_bytes=writing.MAX_PUT_BYTES,
    max_blob_bytes=writing.MAX_PUT_BYTES,
    list_page_size=listing.PAGE_SIZE,
    list_anywhere=True,
)
"""What Google Cloud Storage can do."""


@final
class GcsDriver:
    """A `Driver` for one bucket. See `blobio.drivers.base` for what the verbs promise.

    Args:
        name: The bucket.
        services: What the context lends.
    """

    def __init__(self, name: str, services: DriverServices) -> None:
        self._services = services
        self._config = services.config.gcs.for_bucket(name)
        self._signer = GoogleSigner(self._config, services.config.http)
        self._bucket = self._open(name)

    @property
    def capabilities(self) -> Capabilities:
        """What Google Cloud Storage can do."""
        return CAPABILITIES

    async def head(self, key: str, *, version: Version | None = None) -> BlobMeta:
        """Describe a blob: 1 GET of its resource."""
        self._need_key(key, "head")
        return await reading.head(self._bucket, key, version)

    async def get(self, key: str, options: GetOptions) -> GetResult:
        """Open a blob, or part of one: 1 GET."""
        self._need_key(key, "get")
        return await reading.open_blob(self._bucket, key, options)

    async def put(self, key: str, body: Body, options: PutOptions) -> PutResult:
        """Write a whole blob: 1 POST, or a resumable session for a large one."""
        self._need_key(key, "put")
        return await writing.put(self._bucket, key, body, options)

    async def begin_upload(self, key: str, options: PutOptions) -> Upload:
        """Start a write in parts: no request, or 1 POST for a session."""
        self._need_key(key, "put")
        if self._config.parallel_uploads:
            return ComposedUpload(self._bucket, key, options)
        return await sequential.begin(self._bucket, key, options)

    async def begin_resumable(self, key: str, options: PutOptions) -> sequential.SequentialUpload:
        """Start a session that another process can go on with: 1 POST."""
        self._need_key(key, "put")
        return await sequential.begin(self._bucket, key, options)

    async def resume_upload(
        self,
        key: str,
        options: PutOptions,
        state: Mapping[str, str],
        parts: Mapping[int, SentPart],
    ) -> Resumed:
        """Find a session again: 1 PUT."""
        return await resuming.resume(self._bucket, key, options, state, parts)

    async def list_leftovers(self, prefix: str, token: str | None) -> LeftoverPage:
        """List one page of components that uploads left behind: 0 or 1 GET."""
        return await resuming.leftovers(self._bucket, prefix, token)

    async def drop_leftover(self, leftover: Leftover) -> None:
        """Delete a component: 1 DELETE."""
        (result,) = await self.delete([leftover.key])
        if result.error is not None and not isinstance(result.error, NotFound):
            raise result.error

    async def list_page(self, prefix: str, options: ListOptions, token: str | None) -> ListPage:
        """List one page: 1 GET."""
        subject = self._bucket.subject(prefix)
        query = listing.page_query(prefix, options, token)
        response = await self._bucket.send(self._bucket.wire.page(prefix, query))
        raise_for(response, operation="list", subject=subject)
        hidden = self._config.component_prefix
        return listing.parse_page(response.body, prefix, options, hidden, subject)

    async def delete(
        self, keys: Sequence[str], *, if_version: Version | None = None
    ) -> Sequence[DeleteResult]:
        """Delete keys: 1 POST for all of them; a DELETE for a single one.

        Keys that failed in a way that may pass get a DELETE of their own, with its retries.
        """
        if len(keys) > deleting.BATCH:
            message = f"one delete takes at most {deleting.BATCH} keys, not {len(keys)}"
            raise ValueError(message)
        for key in keys:
            self._need_key(key, "delete")
        if if_version is not None:
            (key,) = keys
            return [await removing.delete_version(self._bucket, key, if_version)]
        return await removing.delete_batch(self._bucket, keys)

    async def copy(self, source: BlobUrl, key: str, options: PutOptions) -> PutResult:
        """Copy within Google Cloud Storage: 1 GET, then as many POSTs as rewriting takes."""
        self._need_key(key, "copy")
        if source.scheme != "gs" or not self._reaches(source.authority):
            message = f"Google Cloud Storage cannot reach {source} from gs://{self._bucket.name}/"
            raise Unsupported(message, url=source, operation="copy")
        if not source.key:
            raise IsDirectory(f"{source} is a bucket, not a blob", url=source, operation="copy")
        origin = self._bucket if source.authority == self._bucket.name else self._other(source)
        return await copying.copy(self._bucket, origin, source.key, key, options)

    async def patch(
        self, key: str, change: MetaPatch, *, if_version: Version | None = None
    ) -> BlobMeta:
        """Change metadata: 1 GET of the resource and 1 PATCH; the version stays."""
        self._need_key(key, "patch")
        return await copying.patch(self._bucket, key, change, if_version)

    async def sign_url(self, key: str, method: str, expires_s: float) -> SignedUrl:
        """Make a URL: no request with a service account's key, else 1 POST to IAM.

        Raises:
            Unsupported: `method` is not GET, HEAD, PUT or DELETE, or no service account can sign.
            InvalidConfig: `expires_s` is not within 1 second and 7 days.
        """
        self._need_key(key, "sign_url")
        if method not in _SIGNED_METHODS:
            message = f"URLs are signed for GET, HEAD, PUT and DELETE, not {method}"
            raise Unsupported(message, operation="sign_url")
        if not 1 <= expires_s <= MAX_EXPIRES_S:
            message = f"a signed URL lives 1 to {MAX_EXPIRES_S} seconds, not {expires_s:g}"
            raise InvalidConfig(message, operation="sign_url")
        endpoint = self._bucket.wire.endpoint
        path = endpoint.plain_path(key)
        if self._signer.is_anonymous:
            return SignedUrl(url=f"{endpoint.base}{path}", expires_at=None)
        now = int(time.time())
        project = self._config.user_project
        draft = Draft(
            method=method,
            base=endpoint.base,
            path=path,
            email=await self._signer.email(),
            now=now,
            expires_s=int(expires_s),
            query={} if project is None else {"userProject": project},
        )
        signature = await self._signer.sign_bytes(draft.string_to_sign.encode())
        return SignedUrl(url=draft.url(signature), expires_at=float(now + int(expires_s)))

    async def whereabouts(self) -> Whereabouts:
        """See `blobio.drivers.describing.Describes`."""
        return Whereabouts(endpoint=self._bucket.wire.endpoint.base)

    async def credential_source(self) -> str:
        """See `blobio.drivers.describing.Describes`."""
        return await self._signer.source()

    async def list_versions(self, prefix: str, token: str | None) -> VersionPage:
        """List one page of generations: 1 GET; see `blobio.drivers.versions`."""
        hidden = self._config.component_prefix
        return await versions.list_versions(self._bucket, prefix, token, hidden)

    async def delete_versions(self, wanted: Sequence[BlobVersion]) -> Sequence[DeleteResult]:
        """Delete generations for good: 1 DELETE each; see `blobio.drivers.versions`."""
        return await versions.delete_versions(self._bucket, wanted)

    async def aclose(self) -> None:
        """Release what the driver owns. Idempotent."""
        await self._signer.aclose()
        await self._bucket.transport.aclose()

    def _open(self, name: str) -> Bucket:
        endpoint = locate(name, self._config.endpoint_url)
        check_privacy(self._config, is_private=endpoint.is_private, base=endpoint.base)
        transport = self._services.connect(signer=self._signer, judge=judge)
        retry = self._services.config.retry
        return Bucket(name, self._config, retry, Wire(endpoint, self._config), transport)

    def _other(self, source: BlobUrl) -> Bucket:
        """Return another bucket of the same endpoint and credentials, over the same connections."""
        wire = Wire(locate(source.authority, self._config.endpoint_url), self._config)
        one = self._bucket
        return Bucket(source.authority, one.config, one.retry, wire, one.transport)

    def _reaches(self, bucket: str) -> bool:
        """Tell if one request may name both buckets: same endpoint, same credentials."""
        return self._services.config.gcs.for_bucket(bucket) == self._config

    def _need_key(self, key: str, operation: str) -> None:
        if not key:
            url = self._bucket.subject("")
            raise IsDirectory(f"{url} is a bucket, not a blob", url=url, operation=operation)
