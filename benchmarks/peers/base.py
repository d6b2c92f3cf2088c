"""`Peer`: what a library has to do. Each does it its own way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias, final

from benchmarks.scale import ACCOUNT, BUCKET

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["ACCESS_KEY", "ACCOUNT_KEY", "REGION", "SECRET_KEY", "Eat", "EatOne", "Peer", "Place"]

ACCESS_KEY: Final = "benchmark"
SECRET_KEY: Final = "benchmark-secret"
REGION: Final = "us-east-1"
# The key of the emulators' account, which everybody knows:
# https://learn.microsoft.com/azure/storage/common/storage-connect-azurite, read 2026-11-27.
ACCOUNT_KEY: Final = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)

Eat: TypeAlias = "Callable[[Buffer], None]"
"""Takes the next bytes of the object."""

EatOne: TypeAlias = "Callable[[str, Buffer], None]"
"""Takes the whole of the object with that key."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the objects are.

    Attributes:
        store: A name of `STORES`.
        endpoint_url: `http(s)://127.0.0.1:port`.
        ca_file: PEM file of the authority that signed the server's certificate.
        bucket: The bucket.
    """

    store: str
    endpoint_url: str
    ca_file: str
    bucket: str = BUCKET

    @property
    def account_url(self) -> str:
        """Where the bucket is: behind the account at Azure."""
        return f"{self.endpoint_url}/{ACCOUNT}" if self.store == "azure" else self.endpoint_url

    @property
    def connection_string(self) -> str:
        """What programs for Azure are told."""
        scheme = self.endpoint_url.partition(":")[0]
        return (
            f"DefaultEndpointsProtocol={scheme};AccountName={ACCOUNT};AccountKey={ACCOUNT_KEY};"
            f"BlobEndpoint={self.account_url};"
        )


class Peer(Protocol):
    """One library, ready to use. A job that it has no way to do raises `NotImplementedError`."""

    def read(self, key: str) -> Buffer:
        """Read a whole object to memory."""
        ...

    def stream(self, key: str, block_bytes: int, eat: Eat) -> None:
        """Read an object from front to end in blocks."""
        ...

    def read_each(self, keys: Sequence[str], eat: EatOne) -> None:
        """Read small objects, one by one, by the blocking API."""
        ...

    def read_many(self, keys: Sequence[str], concurrency: int, eat: EatOne) -> None:
        """Read small objects, so many at a time: by the async API, or threads without one."""
        ...

    def write_blocks(self, key: str, blocks: Iterator[bytes], size: int) -> None:
        """Write an object whose bytes come in blocks and are `size` in all."""
        ...

    def write_bytes(self, key: str, body: bytes) -> None:
        """Write an object that is in memory."""
        ...

    def list_sizes(self, prefix: str) -> Iterator[int]:
        """Yield the size of each object below `prefix`, in key order."""
        ...

    def close(self) -> None:
        """Close what is open."""
        ...
