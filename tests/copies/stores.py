"""The table of stores that blobs are copied between. A new store is a new row."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final, final

from blobio.aio import AsyncContext
from blobio.config import Config, ReadConfig, WriteConfig
from blobio.testing.conformance import Feature
from blobio.testing.emulators import HttpServer
from blobio.values import BlobMeta, Capabilities, PutOptions

__all__ = [
    "CONTENT_TYPE",
    "METADATA",
    "SIZES",
    "STORES",
    "Place",
    "Row",
    "body",
    "config_of",
    "size_of",
]

MIB: Final = 1 << 20
PART: Final = 5 * MIB  # the least that S3 takes
SIZES: Final = {"empty": (0, 0), "one byte": (0, 1), "one part": (1, 0), "many parts": (2, 1)}
"""Parts of the destination, and bytes."""
CONTENT_TYPE: Final = "text/x-copied"
METADATA: Final = {"colour": "green"}

_numbers: Final = itertools.count(1)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One kind of store.

    Attributes:
        root: URL of a bucket that is its own; `""` for a directory or a site of the test.
        server: Fixture of the server; `""` for none.
        section: What of its `config()` leads to it, a field of `Config`.
        make: Method of the server that makes the bucket, called with its name.
        part_bytes: Of the writes to it.
        is_source_only: It can only be read.
        lacks: What the server does not show; copies that need it are left out.
    """

    root: str = ""
    server: str = ""
    section: str = ""
    make: str = "make_bucket"
    part_bytes: int = 256 << 10
    is_source_only: bool = False
    lacks: frozenset[Feature] = frozenset()


STORES: Final[Mapping[str, Row]] = {
    "memory": Row(root="memory://copies"),
    "local": Row(),
    "s3": Row(root="s3://copies-strict", server="strict", section="s3", part_bytes=PART),
    "moto": Row(
        root="s3://copies-moto",
        server="moto",
        section="s3",
        part_bytes=PART,
        lacks=frozenset({Feature.CONDITIONAL_COPIES, Feature.REPLACE_ON_COMPLETE}),
    ),
    "gs": Row(
        root="gs://copies",
        server="gcs",
        section="gcs",
        lacks=frozenset(
            {
                Feature.CREATE_ON_COMPLETE,
                Feature.REPLACE_ON_COMPLETE,
                Feature.CONDITIONAL_COPIES,
            }
        ),
    ),
    "az": Row(
        root="az://devstoreaccount1/copies",
        server="azurite",
        section="azure",
        make="make_container",
    ),
    "http": Row(server="site", section="http", is_source_only=True),
}


def size_of(label: str, target: str) -> int:
    """Return the bytes that a label of `SIZES` stands for in a copy to this store."""
    parts, more = SIZES[label]
    return parts * STORES[target].part_bytes + more


def config_of(servers: Mapping[str, Any], target: str) -> Config:
    """Return settings that reach all of these servers from one context.

    Args:
        servers: By the name of the row.
        target: The name of the row that is written to. Reads are cut otherwise than its parts.
    """
    part = STORES[target].part_bytes
    config = Config(
        read=ReadConfig(part_bytes=part * 2 // 5, window=4), write=WriteConfig(part_bytes=part)
    )
    for name, server in servers.items():
        row = STORES[name]
        settings = getattr(server.config(), row.section)
        if row.section == "s3":  # two servers, told apart by their buckets
            bucket = row.root.partition("://")[2]
            settings = replace(config.s3, buckets={**config.s3.buckets, bucket: settings})
        config = replace(config, **{row.section: settings})
    return config


@cache
def body(size: int) -> bytes:
    """Return bytes that differ from place to place, so that a wrong offset shows."""
    return b"".join(i.to_bytes(4, "big") for i in range(size // 4 + 1))[:size]


@final
class Place:
    """A directory of a store that no other test uses, reached by one context.

    Args:
        row: The store.
        server: Its server, if it has one.
        directory: For what lies on disk.
        context: Reaches it.
    """

    def __init__(self, row: Row, server: Any, directory: Path, context: AsyncContext) -> None:
        self._server = server
        self._directory = directory
        self._context = context
        if row.root:
            self.root = f"{row.root}/{next(_numbers)}"
        elif isinstance(server, HttpServer):
            self._directory = server.root / str(next(_numbers))
            self._directory.mkdir()
            self.root = f"{server.url}/{self._directory.name}"
        else:
            self.root = str(directory)

    def path(self, name: str) -> str:
        """Return the path of a name in it."""
        return f"{self.root}/{name}"

    def capabilities(self) -> Capabilities:
        """Return what its driver can do."""
        return self._context.stores.locate(self.root)[0].capabilities

    async def put(self, name: str, data: bytes) -> str:
        """Store a blob, described as far as the store can; return its path."""
        able = self.capabilities()
        if not able.writable:
            new = self._directory / name
            new.write_bytes(data)
            return self.path(name)
        options = PutOptions(
            content_type=CONTENT_TYPE, metadata=METADATA if able.metadata else {}, size=len(data)
        )
        await self._context.stores.writer(self.path(name), options).write_all(data)
        return self.path(name)

    async def get(self, name: str) -> bytes | None:
        """Read a blob; None if there is none."""
        try:
            return await self._context.read_bytes(self.path(name))
        except FileNotFoundError:
            return None

    async def describe(self, name: str) -> BlobMeta:
        """Return what the store tells of a blob."""
        driver, url = self._context.stores.locate(self.path(name))
        return await driver.head(url.key)

    async def version(self, name: str) -> str | None:
        """Return the version of a blob."""
        return (await self.describe(name)).version

    def orphans(self) -> list[object]:
        """Return the unfinished uploads of its bucket, where the server can tell."""
        if not hasattr(self._server, "orphans"):
            return []
        return list(self._server.orphans(self.root.partition("://")[2].partition("/")[0]))
