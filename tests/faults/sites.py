"""Where the faults happen: a server with one blob, and a proxy in front of it that breaks."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final, final

from blobio import checksum
from blobio.config import Config, HttpConfig, ReadConfig, RetryConfig, WriteConfig
from blobio.testing.faultproxy import Action, FaultProxy, Rule
from blobio.testing.scripted import Received, Reply, ScriptedServer, serving
from blobio.testing.strict_azure import StoredBlob, StrictAzure
from blobio.testing.strict_azure.store import md5_base64
from blobio.testing.strict_gcs import StrictGcs
from blobio.testing.strict_gcs.store import Conditions
from blobio.testing.strict_hub import StrictHub
from blobio.testing.strict_s3 import StrictS3

__all__ = [
    "DATA",
    "KIB",
    "OTHER",
    "PART",
    "QUICK",
    "Site",
    "Store",
    "azure_site",
    "gcs_site",
    "hub_site",
    "pattern",
    "serve_http",
]

KIB: Final = 1 << 10
PART: Final = 64 * KIB

QUICK: Final = Config(
    retry=RetryConfig(attempts=4, base_s=0.001, max_s=0.002, no_progress_s=10.0),
    http=HttpConfig(stall_timeout_s=5.0),
    read=ReadConfig(part_bytes=PART, window=4, coalesce_bytes=0),
    write=WriteConfig(part_bytes=PART, window=4),
    buffer_bytes=PART,
)
"""Retries without waiting, and parts so small that a few hundred KiB are many of them."""

_numbers: Final = itertools.count(1)


def pattern(size: int, seed: int = 0) -> bytes:
    """Return bytes that differ from place to place, so that a wrong offset shows."""
    words = range(seed, seed + size // 4 + 1)
    return b"".join([word.to_bytes(4, "big") for word in words])[:size]


DATA: Final = pattern(300 * KIB + 17)
OTHER: Final = pattern(len(DATA), seed=1 << 30)
"""Another content, of the same size and everywhere different."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One blob on a server, behind a proxy.

    Attributes:
        name: What kind of server, and which checksums it has.
        proxy: Stands in between.
        config: Reaches the proxy, with little patience.
        url: The blob, through the proxy.
        replace: Puts another content there, past the proxy.
        has_checksum: The server knows a checksum of the whole.
        target: Pattern of the path and query of reads; "" for what the URL says.
        keeps_versions: What was replaced can still be read, by who has begun to.
        redirects: Requests that go elsewhere before one comes to the proxy.
    """

    name: str
    proxy: FaultProxy
    config: Config
    url: str
    replace: Callable[[bytes], None]
    has_checksum: bool
    target: str = ""
    keeps_versions: bool = False
    redirects: int = 0

    def breaks(self, action: Action, *, times: int | None = 1, skip: int = 0) -> None:
        """Break so many GETs of the blob, and forget what was sent before."""
        self.proxy.clear()
        rule = Rule(action, method="GET", path=f"{self._target}$", times=times, skip=skip)
        self.proxy.add(rule)

    def renamed(self) -> Site:
        """Return the same page under a name that no other test uses."""
        return replace(self, url=f"{self.proxy.url}/blob-{next(_numbers)}")

    def pin(self, request: Received) -> str | None:
        """Return the version that a GET names, if it names one."""
        found = re.search(
            r"[?&]generation=(\d+)|/resolve/([0-9a-f]{40})/|/repos/aa/([0-9a-f]{64})\?",
            request.target,
        )
        if found is not None:
            return found[found.lastindex or 0]
        return request.headers.get("if-match", request.headers.get("if-range"))

    @property
    def gets(self) -> list[Received]:
        """The GETs of the blob that came, in order of arrival."""
        seen = list(self.proxy.requests)
        return [r for r in seen if r.method == "GET" and re.fullmatch(self._target, r.target)]

    @property
    def _target(self) -> str:
        """The path as it comes to the proxy; a request that an earlier test left has another."""
        if self.target:
            return self.target
        return "/" + self.url.split("/", 2 if self.url.startswith(("s3:", "az:")) else 3)[-1]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """A bucket of a strict S3 server behind a proxy.

    Attributes:
        server: The server.
        proxy: Stands in between.
        config: Reaches the proxy, with little patience.
        bucket: Name of the bucket, which no other test uses.
    """

    server: StrictS3
    proxy: FaultProxy
    config: Config
    bucket: str

    @classmethod
    def make(cls, server: StrictS3, proxy: FaultProxy) -> Store:
        """Make a bucket."""
        name = f"bucket-{next(_numbers)}"
        server.make_bucket(name)
        proxy.clear()
        s3 = replace(server.config().s3, endpoint_url=proxy.url)
        return cls(server=server, proxy=proxy, config=replace(QUICK, s3=s3), bucket=name)

    def url(self, key: str = "blob") -> str:
        """Return the URL of a blob."""
        return f"s3://{self.bucket}/{key}"

    def put(self, data: bytes, key: str = "blob", *, kind: str = "crc32c") -> None:
        """Store an object past the proxy: with a CRC32C, with an MD5 as ETag, or with neither."""
        crc = checksum.to_base64(checksum.crc32c(data)) if kind == "crc32c" else None
        etag = None if kind == "md5" else f'"{next(_numbers):032x}-2"'  # as of an upload in parts
        self.server.make_bucket(self.bucket).put(key, data, {}, crc32c=crc, etag=etag)

    def stored(self, key: str = "blob") -> bytes | None:
        """Return what is stored, looking past the proxy."""
        found = self.server.make_bucket(self.bucket).objects.get(key)
        return None if found is None else found.body

    @property
    def orphans(self) -> list[str]:
        """Keys of the uploads that are neither completed nor aborted."""
        return [upload.key for upload in self.server.orphans(self.bucket)]

    def breaks(
        self,
        action: Action,
        *,
        method: str = ".*",
        path: str = "",
        times: int | None = 1,
        skip: int = 0,
    ) -> None:
        """Break so many of the requests that match."""
        target = f"{self._target}(?:{path})"
        self.proxy.add(Rule(action, method=method, path=target, times=times, skip=skip))

    def count(self, method: str, path: str = "") -> int:
        """Return how many requests have come for this bucket."""
        target = re.compile(f"{self._target}(?:{path})")
        seen = list(self.proxy.requests)
        return sum(r.method == method and target.search(r.target) is not None for r in seen)

    @property
    def _target(self) -> str:
        """Pattern of the paths; a request that an earlier test left is for another bucket."""
        return rf"^/{self.bucket}\b.*"

    def site(self, kind: str) -> Site:
        """Store one object and return where it is."""
        self.put(DATA, kind=kind)
        return Site(
            name=f"s3-{kind}",
            proxy=self.proxy,
            config=self.config,
            url=self.url(),
            replace=lambda data: self.put(data, kind=kind),
            has_checksum=kind != "bare",
        )


def gcs_site(server: StrictGcs, proxy: FaultProxy) -> Site:
    """Store one object in a bucket of its own of a Google Cloud Storage server."""
    bucket = server.make_bucket(f"bucket-{next(_numbers)}")
    proxy.clear()

    def put(data: bytes) -> None:
        bucket.insert("blob", data, {}, Conditions())

    put(DATA)
    return Site(
        name="gcs",
        proxy=proxy,
        config=replace(QUICK, gcs=replace(server.config().gcs, endpoint_url=proxy.url)),
        url=f"gs://{bucket.name}/blob",
        replace=put,
        has_checksum=True,
        target=rf"/storage/v1/b/{bucket.name}/o/blob\?alt=media(?:&generation=\d+)?",
    )


def azure_site(server: StrictAzure, proxy: FaultProxy) -> Site:
    """Store one blob, with its MD5, in a container of a strict Azure server."""
    container = server.make_container("faults")
    key = f"blob-{next(_numbers)}"

    def put(data: bytes) -> None:
        headers = {"content-type": "application/octet-stream", "content-md5": md5_base64(data)}
        container.store(key, StoredBlob(body=data, headers=headers))

    put(DATA)
    proxy.clear()
    azure = replace(server.config().azure, endpoint_url=proxy.url + "/{account}")
    return Site(
        name="azure",
        proxy=proxy,
        config=replace(QUICK, azure=azure),
        url=f"az://{server.account}/faults/{key}",
        replace=put,
        has_checksum=True,
    )


def hub_site(server: StrictHub, proxy: FaultProxy, *, lfs: bool) -> Site:
    """Store one file in a dataset of its own, with the proxy before the host that delivers it."""
    number = next(_numbers)
    repo = server.make_dataset(f"faults/name-{number}")
    proxy.clear()

    def put(data: bytes) -> None:
        repo.commit({"blob": data}, lfs=lfs)

    put(DATA)
    config = server.config()
    if lfs:
        server.service.link_base = f"{proxy.url}/{number}"
    else:
        config = replace(config, hub=replace(config.hub, endpoint_url=proxy.url))
    return Site(
        name="hub" if lfs else "hub-git",
        proxy=proxy,
        config=replace(QUICK, hub=config.hub),
        url=f"hf://datasets/{repo.id}/blob",
        replace=put,
        has_checksum=True,
        target=rf"/{number}/repos/aa/.*" if lfs else rf"/datasets/{repo.id}/resolve/[^/]+/blob",
        keeps_versions=True,
        redirects=1 if lfs else 0,
    )


@contextmanager
def serve_http() -> Iterator[Site]:
    """Serve one page from a web server of ours."""
    content = [DATA]

    def put(data: bytes) -> None:
        content[0] = data

    def handler(request: Received) -> Reply:
        return serving(content[0])(request)

    with (
        ScriptedServer(handler) as server,
        FaultProxy(server.url) as proxy,
    ):
        yield Site(
            name="http",
            proxy=proxy,
            config=QUICK,
            url=f"{proxy.url}/blob-0",
            replace=put,
            has_checksum=False,
        )
