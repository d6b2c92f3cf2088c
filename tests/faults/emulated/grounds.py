"""Where the faults happen: a real server, a proxy that breaks what rules name, and a context."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, final

import botocore.session
from botocore.config import Config as ClientConfig

from blobio.checksum import crc32c
from blobio.config import Config, HttpConfig, ReadConfig, RetryConfig, WriteConfig
from blobio.core.context import AsyncContext
from blobio.testing.emulators import HttpServer, S3Server
from blobio.testing.faultproxy import FaultProxy, Rule

BUCKET = "faults"
KIB = 1 << 10
MIB = 1 << 20

QUICK = Config(
    retry=RetryConfig(attempts=4, base_s=0.001, max_s=0.002, no_progress_s=10.0),
    http=HttpConfig(stall_timeout_s=0.3),
    read=ReadConfig(part_bytes=64 * KIB, window=4),
    write=WriteConfig(part_bytes=5 * MIB),  # the least that S3 takes
)


def pattern_bytes(size: int) -> bytes:
    """Bytes that differ from place to place, so that a wrong offset shows."""
    return b"".join(i.to_bytes(4, "big") for i in range(size // 4 + 1))[:size]


@final
@dataclass(frozen=True, slots=True)
class Ground:
    """A bucket or directory behind a proxy.

    Attributes:
        proxy: What stands in between.
        config: Reaches the proxy.
        root: URL of the bucket or directory.
    """

    proxy: FaultProxy
    config: Config
    root: str

    def context(self, config: Config | None = None) -> AsyncContext:
        """A context that goes through the proxy."""
        return AsyncContext(config or self.config)

    def breaks(self, *rules: Rule) -> None:
        """Add faults, and forget the requests seen so far."""
        self.proxy.clear()
        self.proxy.add(*rules)

    @property
    def sent(self) -> Sequence[tuple[str, str | None]]:
        """Method and range of each request that came to the proxy."""
        return [(r.method, r.headers.get("range")) for r in list(self.proxy.requests)]


@final
@dataclass(frozen=True, slots=True)
class Other:
    """Another S3 client, past the proxy: it sees what ours may hide.

    Attributes:
        server: The server.
        api: A botocore client.
    """

    server: S3Server
    api: Any

    def put(self, data: bytes, key: str = "blob", **headers: str) -> str:
        """Store an object with its CRC32C; return its URL."""
        crc = base64.b64encode(crc32c(data).to_bytes(4, "big")).decode()
        checked = {"ChecksumAlgorithm": "CRC32C", "ChecksumCRC32C": crc}
        self.api.put_object(Bucket=BUCKET, Key=key, Body=data, **checked, **headers)
        return f"s3://{BUCKET}/{key}"

    def get(self, key: str = "blob") -> bytes | None:
        """What is stored, or None."""
        try:
            return bytes(self.api.get_object(Bucket=BUCKET, Key=key)["Body"].read())
        except self.api.exceptions.NoSuchKey:
            return None

    def empty(self) -> None:
        """Delete every object."""
        for entry in self.api.list_objects_v2(Bucket=BUCKET).get("Contents", []):
            self.api.delete_object(Bucket=BUCKET, Key=entry["Key"])

    def open_uploads(self) -> list[str]:
        """Keys of the uploads that nobody completed or aborted."""
        found = self.api.list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])
        return [upload["Key"] for upload in found]


@contextmanager
def other_client(server: S3Server) -> Iterator[Other]:
    api: Any = botocore.session.Session().create_client(
        "s3",
        region_name=server.region,
        endpoint_url=server.url,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key,
        config=ClientConfig(s3={"addressing_style": "path"}),
    )
    try:
        api.create_bucket(Bucket=BUCKET)
        yield Other(server, api)
    finally:
        api.close()


@contextmanager
def s3_ground(server: S3Server) -> Iterator[Ground]:
    with FaultProxy(server.url) as proxy:
        s3 = replace(server.config().s3, endpoint_url=proxy.url)
        yield Ground(proxy, replace(QUICK, s3=s3), f"s3://{BUCKET}")


@contextmanager
def http_ground(server: HttpServer) -> Iterator[Ground]:
    with FaultProxy(server.url) as proxy:
        yield Ground(proxy, QUICK, proxy.url)
