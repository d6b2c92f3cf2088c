"""What a driver may offer besides its nine verbs: uploads that another process can go on with.

Optional: a driver that has these two methods is a `Resumable`; the core asks with `isinstance`, and
writes as usual to one that is not. What is kept between processes is the caller's business, see
`blobio.core.journal`: the upload's `state`, and a `SentPart` for each part the store has confirmed.

The store is asked what it has before anything is believed: a part counts as done only if it was
recorded here and the store still holds it, of that size and, where it tells, with that checksum.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, final, runtime_checkable

from blobio.drivers.base import Upload
from blobio.values import PartToken, PutOptions, PutResult

__all__ = ["Resumable", "ResumableUpload", "Resumed", "SentPart"]


@final
@dataclass(frozen=True, slots=True)
class SentPart:
    """A part that the store has confirmed.

    Attributes:
        offset: Its first byte, in the blob.
        size: Bytes.
        crc32c: CRC32C of its bytes, computed here.
        token: What `put_part` returned.
    """

    offset: int
    size: int
    crc32c: int
    token: PartToken


class ResumableUpload(Upload, Protocol):
    """An upload that can be left as it is."""

    @property
    def state(self) -> Mapping[str, str]:
        """What finds it again. May let its holder write to this upload: keep it private."""
        ...

    async def leave(self) -> None:
        """Let go of it without taking it back: the store keeps what it has. Idempotent."""
        ...


@final
@dataclass(frozen=True, slots=True)
class Resumed:
    """An upload found again.

    Attributes:
        upload: Goes on where the other one stopped; None if it was published meanwhile.
        parts: Indexes of the recorded parts that the store has, and that need not be sent again.
        published: What the other one left behind if it was published after all.
        read_back: Reads the bytes from `start` to `stop` of parts that are done, where they can be
            had again; None where the store shows them to nobody.
    """

    upload: ResumableUpload | None
    parts: frozenset[int] = frozenset()
    published: PutResult | None = None
    read_back: Callable[[int, int], Awaitable[bytes]] | None = None


@runtime_checkable
class Resumable(Protocol):
    """A driver whose uploads survive the process that began them."""

    async def begin_resumable(self, key: str, options: PutOptions) -> ResumableUpload | None:
        """Start a write in parts, as `begin_upload` does; None if this key takes no such write."""
        ...

    async def resume_upload(
        self,
        key: str,
        options: PutOptions,
        state: Mapping[str, str],
        parts: Mapping[int, SentPart],
    ) -> Resumed:
        """Find an upload again.

        Args:
            key: As it was begun with.
            options: As it was begun with.
            state: What it was.
            parts: The parts recorded, by index.

        Raises:
            UploadLost: There is nothing to go on with: it is gone at the store, or `state` is no
                state of this driver. Write again from byte 0.
        """
        ...
