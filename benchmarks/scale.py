"""How much is read, written and listed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

__all__ = ["ACCOUNT", "BUCKET", "FULL", "MIB", "SMOKE", "Scale"]

MIB: Final = 1 << 20
BUCKET: Final = "bench"
ACCOUNT: Final = "devstoreaccount1"
"""The account at Azure: that of its emulators."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Sizes of a run.

    Attributes:
        big_bytes: The large object, and the upload; a multiple of 1 MiB.
        block_bytes: One read or write of the streaming jobs.
        small_count: Number of small objects.
        small_bytes: Size of each.
        concurrency: Small reads in flight.
        key_count: Keys of the listing.
        large_count: Objects that commands move whole.
        large_bytes: Size of each; a multiple of 1 MiB.
    """

    big_bytes: int = 1024 * MIB
    block_bytes: int = MIB
    small_count: int = 2000
    small_bytes: int = 16 << 10
    concurrency: int = 32
    key_count: int = 100_000
    large_count: int = 0
    large_bytes: int = 256 * MIB

    def small_key(self, index: int) -> str:
        """Return the key of a small object."""
        return f"small/{index:05}.bin"

    @property
    def small_keys(self) -> list[str]:
        """The keys of all small objects."""
        return [self.small_key(index) for index in range(self.small_count)]


FULL: Final = Scale()
# More than one part, block or page for every library and store, but one chunk of 100 MiB for
# google-cloud-storage when it uploads from memory.
SMOKE: Final = Scale(big_bytes=72 * MIB, small_count=64, key_count=5500)
