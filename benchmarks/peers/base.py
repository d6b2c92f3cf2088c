"""`Peer`: what a library has to do. Each does it its own way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias, final

from benchmarks.scale import BUCKET

if TYPE_CHECKING:
    from typing_extensions import Buffer

__all__ = ["ACCESS_KEY", "REGION", "SECRET_KEY", "Eat", "EatOne", "Peer", "Place"]

ACCESS_KEY: Final = "benchmark"
SECRET_KEY: Final = "benchmark-secret"
REGION: Final = "us-east-1"

Eat: TypeAlias = "Callable[[Buffer], None]"
"""Takes the next bytes of the object."""

EatOne: TypeAlias = "Callable[[str, Buffer], None]"
"""Takes the whole of the object with that key."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the objects are.

    Attributes:
        endpoint_url: `http(s)://127.0.0.1:port`.
        ca_file: PEM file of the authority that signed the server's certificate.
        bucket: The bucket.
    """

    endpoint_url: str
    ca_file: str
    bucket: str = BUCKET


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
