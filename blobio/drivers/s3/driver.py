"""The S3 driver: the verbs of the contract, each handed to the module that does it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, final

from blobio.config import S3Config
from blobio.drivers.base import GetResult, Upload
from blobio.drivers.describing import Whereabouts
from blobio.drivers.registry import DriverServices
from blobio.drivers.resumable import Resumed, SentPart
from blobio.drivers.s3 import (
    copying,
    deleting,
    headers,
    listing,
    reading,
    resuming,
    upload,
    versions,
    writing,
)
from blobio.drivers.s3.auth import S3Signer
from blobio.drivers.s3.bucket import Bucket
from blobio.drivers.s3.copying import CopyLimits, Source
from blobio.drivers.s3.errors import error_for, raise_for
from blobio.drivers.s3.judge import judge
from blobio.drivers.s3.sigv4 import MAX_PRESIGNED_S
from blobio.drivers.s3.upload import S3Upload
from blobio.drivers.s3.wire import Wire
from blobio.drivers.unfinished import Leftover, LeftoverPage
from blobio.drivers.versions import BlobVersion, VersionPage
from blobio.drivers.window import for_each
from blobio.errors import BlobError, InvalidConfig, IsDirectory, NotFound, Unsupported
from blobio.transport.message import Request
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
    Overwrite,
    PutOptions,
    PutResult,
    SignedUrl,
    Version,
)

__all__ = ["S3Driver", "capabilities_of"]

_MIB: Final = 1 << 20
_DELETES_IN_FLIGHT: Final = 16
_SIGNED_METHODS: Final = frozenset({"GET", "HEAD", "PUT", "DELETE"})


def capabilities_of(config: S3Config) -> Capabilities:
    """Return what S3 can do.

    A store that speaks S3 but ignores conditions cannot be told from one that keeps them without
    trying; its user says so with `S3Config.conditional_writes=False`.
    """
    return Capabilities(
        create_only=config.conditional_writes,
        replace_if=config.conditional_writes,
        server_copy=True,
        patch=True,
        sign_url=True,
        metadata=True,
        storage_classes=True,
        delete_batch=deleting.BATCH,
        min_part_bytes=5 * _MIB,
        max_part_bytes=5120 * _MIB,
        max_parts=10_000,
        max_put_bytes=writing.MAX_PUT_BYTES,
        equal_parts=config.equal_parts,
        list_page_size=listing.PAGE_SIZE,
        list_anywhere=True,
    )


@final
class S3Driver:
    """A `Driver` for one bucket. See `blobio.drivers.base` for what the verbs promise.

    Args:
        name: The bucket.
        services: What the context lends.
        limits: When copies go by parts; a parameter so that tests need no 5 GiB.
    """

    def __init__(
        self, name: str, services: DriverServices, *, limits: CopyLimits | None = None
    ) -> None:
        self._services = services
        self._limits = CopyLimits() if limits is None else limits
        self._config = services.config.s3.for_bucket(name)
        self._bucket = self._open(name)
        self._source: Bucket | None = None
        self._capabilities = capabilities_of(self._config)

    @property
    def capabilities(self) -> Capabilities:
        """What S3 can do."""
        return self._capabilities

    async def head(self, key: str, *, version: Version | None = None) -> BlobMeta:
        """Describe a blob: 1 HEAD."""
        self._need_key(key, "head")
        return await reading.head(self._bucket, key, version)

    async def get(self, key: str, options: GetOptions) -> GetResult:
        """Open a blob, or part of one: 1 GET."""
        self._need_key(key, "get")
        return await reading.open_blob(self._bucket, key, options)

    async def put(self, key: str, body: Body, options: PutOptions) -> PutResult:
        """Write a whole blob: 1 PUT."""
        self._need_key(key, "put")
        self._need_conditions(key, options, "put")
        return await writing.put(self._bucket, key, body, options)

    async def begin_upload(self, key: str, options: PutOptions) -> Upload:
        """Start a write in parts: 1 POST."""
        return await self.begin_resumable(key, options)

    async def begin_resumable(self, key: str, options: PutOptions) -> S3Upload:
        """Start a write in parts that another process can go on with: 1 POST."""
        self._need_key(key, "put")
        self._need_conditions(key, options, "put")
        return await upload.begin(self._bucket, key, options)

    async def resume_upload(
        self,
        key: str,
        options: PutOptions,
        state: Mapping[str, str],
        parts: Mapping[int, SentPart],
    ) -> Resumed:
        """Find an upload again: 1 GET for each 1,000 parts."""
        self._need_conditions(key, options, "put")
        return await resuming.resume(self._bucket, key, options, state, parts)

    async def list_leftovers(self, prefix: str, token: str | None) -> LeftoverPage:
        """List one page of uploads that are neither complete nor aborted: 1 GET."""
        return await resuming.list_page(self._bucket, prefix, token)

    async def drop_leftover(self, leftover: Leftover) -> None:
        """Abort an upload: 1 DELETE."""
        await resuming.drop(self._bucket, leftover)

    async def list_page(self, prefix: str, options: ListOptions, token: str | None) -> ListPage:
        """List one page: 1 GET."""
        query = listing.page_query(prefix, options, token)
        subject = f"s3://{self._bucket.name}/{prefix}"
        response = await self._bucket.send(lambda wire: _list_request(wire, query, prefix))
        raise_for(response, operation="list", subject=subject)
        return listing.parse_page(response.body, subject)

    async def delete(
        self, keys: Sequence[str], *, if_version: Version | None = None
    ) -> Sequence[DeleteResult]:
        """Delete keys: 1 POST for all that XML can carry, a DELETE for each other.

        Keys that failed in a way that may pass get a DELETE of their own, with its retries.
        """
        if if_version is not None:
            message = "S3 deletes no version in particular"
            raise Unsupported(message, operation="delete")
        if len(keys) > deleting.BATCH:
            message = f"one delete takes at most {deleting.BATCH} keys, not {len(keys)}"
            raise ValueError(message)
        for key in keys:
            self._need_key(key, "delete")
        batch = [key for key in keys if deleting.fits_batch(key)]
        results: dict[str, DeleteResult] = {}
        if len(batch) > 1:
            results = {result.key: result for result in await self._delete_batch(batch)}
        single = [key for key in dict.fromkeys(keys) if _may_pass(results.get(key))]
        if single:
            outcomes = await for_each(self._delete_one, single, _DELETES_IN_FLIGHT)
            results |= {result.key: result for result in outcomes}
        return [results[key] for key in keys]

    async def copy(self, source: BlobUrl, key: str, options: PutOptions) -> PutResult:
        """Copy within S3: 1 HEAD of the source, then as `copying.copy`."""
        self._need_key(key, "copy")
        self._need_conditions(key, options, "copy")
        if source.scheme != "s3" or not self._reaches(source.authority):
            message = f"S3 cannot reach {source} from s3://{self._bucket.name}/ with one request"
            raise Unsupported(message, url=source, operation="copy")
        if not source.key:
            raise IsDirectory(f"{source} is a bucket, not a blob", url=source, operation="copy")
        pinned = await Source.pin(await self._source_bucket(source.authority), source.key)
        return await copying.copy(self._bucket, key, pinned, options, self._limits)

    async def patch(
        self, key: str, change: MetaPatch, *, if_version: Version | None = None
    ) -> BlobMeta:
        """Change metadata: 1 HEAD and 1 PUT that rewrites the object at the store."""
        self._need_key(key, "patch")
        return await copying.patch(self._bucket, key, change, if_version, self._limits)

    async def sign_url(self, key: str, method: str, expires_s: float) -> SignedUrl:
        """Make a URL: no request, or 1 HEAD of the bucket if its region is not known yet.

        Raises:
            Unsupported: `method` is not GET, HEAD, PUT or DELETE.
            InvalidConfig: `expires_s` is not within 1 second and 7 days.
        """
        self._need_key(key, "sign_url")
        if method not in _SIGNED_METHODS:
            message = f"S3 URLs are signed for GET, HEAD, PUT and DELETE, not {method}"
            raise Unsupported(message, operation="sign_url")
        if not 1 <= expires_s <= MAX_PRESIGNED_S:
            message = f"a signed S3 URL lives 1 to {MAX_PRESIGNED_S} seconds, not {expires_s:g}"
            raise InvalidConfig(message, operation="sign_url")
        wire = await self._bucket.confirmed_wire()
        needed: dict[str, str] = {}
        if method != "DELETE":
            needed = headers.encryption(self._config)
        payer = needed.pop("x-amz-request-payer", None)
        url = wire.endpoint.object_url(key, f"x-amz-request-payer={payer}" if payer else "")
        signed = await self._bucket.signer.presign(method, url, int(expires_s), needed)
        return SignedUrl(url=signed.url, expires_at=signed.expires_at, headers=needed)

    async def whereabouts(self) -> Whereabouts:
        """See `blobio.drivers.describing.Describes`."""
        endpoint = (await self._bucket.wire()).endpoint
        return Whereabouts(endpoint=endpoint.base, place={"region": endpoint.region})

    async def credential_source(self) -> str:
        """See `blobio.drivers.describing.Describes`."""
        return await self._bucket.signer.source()

    async def list_versions(self, prefix: str, token: str | None) -> VersionPage:
        """List one page of versions: 1 GET; see `blobio.drivers.versions`."""
        return await versions.list_versions(self._bucket, prefix, token)

    async def delete_versions(self, wanted: Sequence[BlobVersion]) -> Sequence[DeleteResult]:
        """Delete versions for good: 1 POST; see `blobio.drivers.versions`."""
        return await versions.delete_versions(self._bucket, wanted)

    async def aclose(self) -> None:
        """Release what the driver owns. Idempotent."""
        await self._bucket.aclose()
        if self._source is not None:
            await self._source.aclose()

    def _open(self, name: str) -> Bucket:
        signer = S3Signer(self._config)
        transport = self._services.connect(signer=signer, judge=judge)
        return Bucket(name, self._config, signer, transport)

    def _need_key(self, key: str, operation: str) -> None:
        if not key:
            url = f"s3://{self._bucket.name}/"
            raise IsDirectory(f"{url} is a bucket, not a blob", url=url, operation=operation)

    def _need_conditions(self, key: str, options: PutOptions, operation: str) -> None:
        if not (self._config.conditional_writes or isinstance(options.mode, Overwrite)):
            url = f"s3://{self._bucket.name}/{key}"
            message = (
                f"{operation} of {url}: S3Config.conditional_writes=False says that this store "
                "ignores conditions, so it cannot keep what is there; write with overwrite=True "
                "(mode 'w') and no version, or use a store that decides conditions"
            )
            raise Unsupported(message, url=url, operation=operation)

    def _reaches(self, bucket: str) -> bool:
        """Tell if one request may name both buckets: same endpoint, same credentials."""
        return self._services.config.s3.for_bucket(bucket) == self._config

    async def _source_bucket(self, name: str) -> Bucket:
        """Return the bucket of a copy's source; the one used last is kept.

        One that is replaced may still be in use by a copy, and holds nothing once that is done.
        """
        if name == self._bucket.name:
            return self._bucket
        if self._source is None or self._source.name != name:
            self._source = self._open(name)
        return self._source

    async def _delete_batch(self, keys: Sequence[str]) -> list[DeleteResult]:
        name = self._bucket.name
        response = await self._bucket.send(
            lambda wire: deleting.batch_request(wire.endpoint, self._config, keys, f"s3://{name}/")
        )
        raise_for(response, operation="delete", subject=f"s3://{name}/")
        return deleting.parse_batch(response, keys, name)

    async def _delete_one(self, key: str) -> DeleteResult:
        response = await self._bucket.send(lambda wire: wire.delete(key))
        if response.status < 300:  # noqa: PLR2004 - first status that fails
            return DeleteResult(key=key)
        subject = f"s3://{self._bucket.name}/{key}"
        error = error_for(response, operation="delete", subject=subject)
        if isinstance(error, NotFound):
            if error.code == "NoSuchBucket":
                raise error
            return DeleteResult(key=key)
        return DeleteResult(key=key, error=error)


def _may_pass(result: DeleteResult | None) -> bool:
    """Tell if a key needs a DELETE of its own: it was not in the batch, or failed for now."""
    if result is None:
        return True
    return isinstance(result.error, BlobError) and result.error.retryable


def _list_request(wire: Wire, query: str, prefix: str) -> Request:
    return Request(
        method="GET",
        url=wire.endpoint.bucket_url(query),
        headers={"x-amz-request-payer": "requester"} if wire.config.requester_pays else {},
        operation="list",
        subject=wire.subject(prefix),
    )
