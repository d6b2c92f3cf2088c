"""The Azure driver: the verbs of the contract, each handed to the module that does it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, final

from blobio.drivers.azure import (
    deleting,
    listing,
    patching,
    reading,
    resuming,
    upload,
    versions,
    writing,
)
from blobio.drivers.azure.auth import AzureSigner
from blobio.drivers.azure.container import Container
from blobio.drivers.azure.copying import Copy, CopyLimits, Source
from blobio.drivers.azure.errors import code_of, error_for, raise_for
from blobio.drivers.azure.judge import judge
from blobio.drivers.azure.place import API_VERSION, locate
from blobio.drivers.azure.replies import is_folder, version_of
from blobio.drivers.azure.sas import MAX_DELEGATED_S, UrlSigner
from blobio.drivers.azure.settings import Anonymous, Sas, endpoint_of
from blobio.drivers.azure.wire import MAX_BLOCKS
from blobio.drivers.base import GetResult, Upload
from blobio.drivers.describing import Whereabouts
from blobio.drivers.registry import DriverServices
from blobio.drivers.resumable import Resumed, SentPart
from blobio.drivers.unfinished import Leftover, LeftoverPage
from blobio.drivers.versions import BlobVersion, VersionPage
from blobio.drivers.window import for_each
from blobio.errors import (
    InvalidConfig,
    IsDirectory,
    NotFound,
    PermissionDenied,
    Unauthenticated,
    Unsupported,
)
from blobio.transport.message import Request, Response
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
    ReplaceIf,
    SignedUrl,
    Version,
    WriteMode,
)

__all__ = ["CAPABILITIES", "AzureDriver"]

_MIB: Final = 1 << 20
_DELETES_IN_FLIGHT: Final = 16
_SIGNED_METHODS: Final = frozenset({"GET", "HEAD", "PUT", "DELETE"})
_COPY_URL_S: Final = 3600.0

CAPABILITIES: Final = Capabilities(
    server_copy=True,
    patch=True,
    cheap_patch=True,
    sign_url=True,
    metadata=True,
    storage_classes=True,
    delete_batch=deleting.BATCH,
    conditional_delete=True,
    min_part_bytes=1,
    # https://learn.microsoft.com/rest/api/storageservices/put-block, read 2026-11-27
    max_part_bytes=4000 * _MIB,
    max_parts=MAX_BLOCKS,
    max_put_bytes=writing.MAX_PUT_BYTES,
    max_blob_bytes=MAX_BLOCKS * 4000 * _MIB,
    list_page_size=listing.PAGE_SIZE,
)
"""What Azure Blob Storage can do."""


@final
class AzureDriver:
    """A `Driver` for one container. See `blobio.drivers.base` for what the verbs promise.

    Args:
        authority: `account/container`.
        services: What the context lends.
        limits: How copies go; a parameter so that tests need no gigabytes.
    """

    def __init__(
        self, authority: str, services: DriverServices, *, limits: CopyLimits | None = None
    ) -> None:
        self._services = services
        self._limits = CopyLimits() if limits is None else limits
        self._authority = authority
        self._container = self._open(authority)
        self._urls = UrlSigner(self._container)
        self._source: tuple[str, Container, UrlSigner] | None = None
        self._batches = True

    @property
    def capabilities(self) -> Capabilities:
        """What Azure can do."""
        return CAPABILITIES

    async def head(self, key: str, *, version: Version | None = None) -> BlobMeta:
        """Describe a blob: 1 HEAD."""
        self._need_key(key, "head")
        return await reading.head(self._container, key, version)

    async def get(self, key: str, options: GetOptions) -> GetResult:
        """Open a blob, or part of one: 1 GET."""
        self._need_key(key, "get")
        return await reading.open_blob(self._container, key, options)

    async def put(self, key: str, body: Body, options: PutOptions) -> PutResult:
        """Write a whole blob: 1 PUT."""
        self._need_key(key, "put")
        return await writing.put(self._container, key, body, options)

    async def begin_upload(self, key: str, options: PutOptions) -> Upload:
        """Start a write in blocks: no request."""
        return await self.begin_resumable(key, options)

    async def begin_resumable(self, key: str, options: PutOptions) -> upload.AzureUpload:
        """Start a write in blocks that another process can go on with: no request."""
        self._need_key(key, "put")
        return upload.begin(self._container, key, options)

    async def resume_upload(
        self,
        key: str,
        options: PutOptions,
        state: Mapping[str, str],
        parts: Mapping[int, SentPart],
    ) -> Resumed:
        """Find a write in blocks again: 1 GET."""
        return await resuming.resume(self._container, key, options, state, parts)

    async def list_leftovers(self, prefix: str, token: str | None) -> LeftoverPage:
        """List one page of blobs that have only unpublished blocks; see `resuming.leftovers`."""
        return await resuming.leftovers(self._container, prefix, token)

    async def drop_leftover(self, leftover: Leftover) -> None:
        """Raise `Unsupported`: the service alone drops blocks that are not published."""
        message = f"{self._container.subject(leftover.key)}: {resuming.STAYS}"
        raise Unsupported(message, operation="delete")

    async def list_page(self, prefix: str, options: ListOptions, token: str | None) -> ListPage:
        """List one page: 1 GET."""
        subject = self._container.subject(prefix)
        request = Request(
            method="GET",
            url=self._container.place.container_url(listing.page_query(prefix, options, token)),
            headers={"x-ms-version": API_VERSION},
            operation="list",
            subject=subject,
        )
        response = await self._container.send(request)
        raise_for(response, operation="list", subject=subject)
        return listing.parse_page(response.body, prefix, options, subject)

    async def delete(
        self, keys: Sequence[str], *, if_version: Version | None = None
    ) -> Sequence[DeleteResult]:
        """Delete keys: 1 POST, and a DELETE for each key that it does not settle.

        Directories go after everything else, the deepest first.
        """
        if len(keys) > deleting.BATCH:
            message = f"one delete takes at most {deleting.BATCH} keys, not {len(keys)}"
            raise ValueError(message)
        for key in keys:
            self._need_key(key, "delete")
        if if_version is not None:
            (key,) = keys
            return [await self._delete_one(key, if_version)]
        unique = list(dict.fromkeys(keys))
        blobs = [key for key in unique if not key.endswith("/")]
        results: dict[str, DeleteResult] = {}
        if len(blobs) > 1 and self._batches:
            results = await self._delete_batch(blobs)
        single = [key for key in blobs if key not in results]
        outcomes = await for_each(self._delete_one, single, _DELETES_IN_FLIGHT)
        results |= {result.key: result for result in outcomes}
        for key in sorted((key for key in unique if key.endswith("/")), key=len, reverse=True):
            results[key] = await self._delete_directory(key)
        return [results[key] for key in keys]

    async def copy(self, source: BlobUrl, key: str, options: PutOptions) -> PutResult:
        """Copy within Azure: 1 HEAD of the source, then as `copying.Copy.run`."""
        self._need_key(key, "copy")
        if source.scheme != "az":
            message = f"Azure cannot reach {source} from az://{self._authority}/ by itself"
            raise Unsupported(message, url=source, operation="copy")
        if not source.key:
            raise IsDirectory(f"{source} is a container, not a blob", url=source, operation="copy")
        container, urls = await self._source_of(source.authority)
        pinned = await Source.pin(container, source.key)
        if is_folder(pinned.headers):
            raise IsDirectory(f"{source} is a directory", url=source, operation="copy")
        is_near = container.place.endpoint == self._container.place.endpoint
        in_blocks = not is_near or pinned.goes_in_blocks(self._limits)
        try:
            readable = await self._readable_url(container, urls, source.key, in_blocks=in_blocks)
        except PermissionDenied:  # a token that may read and write, and make no SAS
            if not is_near:
                raise
            in_blocks = False
            readable = await self._readable_url(container, urls, source.key, in_blocks=False)
        job = Copy(
            target=self._container,
            key=key,
            source=pinned,
            url=readable,
            in_blocks=in_blocks,
            options=options,
            limits=self._limits,
        )
        return await job.run()

    async def patch(
        self, key: str, change: MetaPatch, *, if_version: Version | None = None
    ) -> BlobMeta:
        """Change metadata: 1 HEAD and 1 or 2 PUTs."""
        self._need_key(key, "patch")
        return await patching.patch(self._container, key, change, if_version)

    async def sign_url(self, key: str, method: str, expires_s: float) -> SignedUrl:
        """Make a URL: no request with a key, with tokens 1 POST for a key that is then kept.

        Raises:
            Unsupported: `method` is not GET, HEAD, PUT or DELETE, or the settings hold a SAS token.
            InvalidConfig: `expires_s` is not within 1 second and 7 days.
        """
        self._need_key(key, "sign_url")
        if method not in _SIGNED_METHODS:
            message = f"Azure URLs are signed for GET, HEAD, PUT and DELETE, not {method}"
            raise Unsupported(message, operation="sign_url")
        if not 1 <= expires_s <= MAX_DELEGATED_S:
            message = f"a signed Azure URL lives 1 second to 7 days, not {expires_s:g} seconds"
            raise InvalidConfig(message, operation="sign_url")
        return await self._urls.sign(key, method, expires_s)

    async def whereabouts(self) -> Whereabouts:
        """See `blobio.drivers.describing.Describes`."""
        place = self._container.place
        return Whereabouts(endpoint=place.endpoint, place={"account": place.account})

    async def credential_source(self) -> str:
        """See `blobio.drivers.describing.Describes`."""
        return await self._container.signer.source()

    async def list_versions(self, prefix: str, token: str | None) -> VersionPage:
        """List one page of versions: 1 GET; see `blobio.drivers.versions`."""
        return await versions.list_versions(self._container, prefix, token)

    async def delete_versions(self, wanted: Sequence[BlobVersion]) -> Sequence[DeleteResult]:
        """Delete versions for good: 1 to 3 DELETEs each; see `blobio.drivers.versions`."""
        return await versions.delete_versions(self._container, wanted)

    async def aclose(self) -> None:
        """Release what the driver owns. Idempotent."""
        await self._container.aclose()
        if self._source is not None:
            await self._source[1].aclose()

    def _open(self, authority: str) -> Container:
        account, _, name = authority.partition("/")
        config = self._services.config.azure.for_container(account, name)
        place = locate(account, name, endpoint_of(config, account))
        signer = AzureSigner(config, account)
        transport = self._services.connect(signer=signer, judge=judge)
        return Container(place, config, signer, transport)

    def _need_key(self, key: str, operation: str) -> None:
        if not key:
            url = f"az://{self._authority}/"
            raise IsDirectory(f"{url} is a container, not a blob", url=url, operation=operation)

    async def _source_of(self, authority: str) -> tuple[Container, UrlSigner]:
        """Return the container of a copy's source; the one used last is kept.

        One that is replaced may still be in use by a copy, and holds nothing once that is done.
        """
        if authority == self._authority:
            return self._container, self._urls
        if self._source is None or self._source[0] != authority:
            container = self._open(authority)
            self._source = (authority, container, UrlSigner(container))
        return self._source[1], self._source[2]

    async def _readable_url(
        self, source: Container, urls: UrlSigner, key: str, *, in_blocks: bool
    ) -> str:
        """Return a URL by which the service can read a source.

        Within an account a key or a token opens the source of Copy Blob as well as the destination.
        From another account, and for blocks, it takes a SAS, made for an hour, or that of the
        settings. (The page of the sibling Copy Blob From URL wants one in any account:
        https://learn.microsoft.com/rest/api/storageservices/copy-blob-from-url, read 2026-11-28.)
        """
        url = source.place.blob_url(key)
        access = source.signer.access
        if isinstance(access, Sas):
            return f"{url}?{access.query}"
        is_near = source.place.endpoint == self._container.place.endpoint
        own = self._container.signer.access
        opens_both = is_near and not isinstance(own, Sas | Anonymous)
        if isinstance(access, Anonymous) or (opens_both and not in_blocks):
            return url
        return (await urls.sign(key, "GET", _COPY_URL_S)).url

    async def _delete_batch(self, keys: Sequence[str]) -> dict[str, DeleteResult]:
        """Delete with one request; return what it settled, for some stores know no batches."""
        boundary = f"batch_{secrets.token_hex(16)}"
        parts = [await self._container.signer.sign(self._part(key)) for key in keys]
        subject = self._container.subject("")
        request = Request(
            method="POST",
            url=self._container.place.container_url("comp=batch&restype=container"),
            headers={
                "content-type": f"multipart/mixed; boundary={boundary}",
                "x-ms-version": API_VERSION,
            },
            body=deleting.batch_body(parts, boundary),
            operation="delete",
            subject=subject,
        )
        response = await self._container.send(request)
        if response.status >= 300:  # noqa: PLR2004 - first status that fails
            error = error_for(response, operation="delete", subject=subject)
            is_final = error.retryable or isinstance(error, (NotFound, Unauthenticated))
            if is_final:  # nobody's single DELETE would fare better
                raise error
            self._batches = False
            return {}
        outcomes = deleting.parse_batch(response, len(keys))
        return {
            key: DeleteResult(key=key)
            for key, outcome in zip(keys, outcomes, strict=True)
            if outcome is not None and _is_gone(outcome.status, outcome.code)
        }

    def _part(self, key: str) -> Request:
        """Return one request of a batch. Its path is absolute, that of the endpoint with it."""
        request = self._container.wire.delete(key)
        headers = {n: v for n, v in request.headers.items() if n != "x-ms-version"}
        return replace(request, headers=headers)

    async def _delete_one(self, key: str, version: Version | None = None) -> DeleteResult:
        request = self._container.wire.delete(key, version)
        mode = None if version is None else ReplaceIf(version)
        return self._deleted(key, await self._container.send(request), mode)

    async def _delete_directory(self, key: str) -> DeleteResult:
        """Delete a marker, or the blob without the slash that marks the directory."""
        response = await self._container.send(self._container.wire.delete(key))
        name = key.rstrip("/")
        if response.status != 404 or not name:  # noqa: PLR2004 - not found
            return self._deleted(key, response)
        try:
            found = await reading.head_reply(self._container, name)
        except NotFound:
            return self._deleted(key, response)
        if not is_folder(found.headers):
            return self._deleted(key, response)
        request = self._container.wire.delete(name, version_of(found.headers))
        return self._deleted(key, await self._container.send(request))

    def _deleted(self, key: str, response: Response, mode: WriteMode | None = None) -> DeleteResult:
        """Return what a reply says of `key`.

        A blob that is not there counts as deleted: whether it ever was cannot be told when a
        request is sent twice.
        """
        if _is_gone(response.status, code_of(response)):
            return DeleteResult(key=key)
        subject = self._container.subject(key)
        error = error_for(response, operation="delete", subject=subject, mode=mode)
        if isinstance(error, (NotFound, Unauthenticated)):
            raise error  # of no key in particular
        return DeleteResult(key=key, error=error)


def _is_gone(status: int, code: str) -> bool:
    """Tell if the reply to a DELETE means that the blob is not there any more."""
    return status < 300 or (status == 404 and code != "ContainerNotFound")  # noqa: PLR2004
