"""What a driver may offer besides its nine verbs: to show what unfinished writes left behind.

Optional, as `blobio.drivers.resumable` is: a driver that has these two methods is a `Tidy`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, final, runtime_checkable

__all__ = ["Leftover", "LeftoverPage", "Tidy"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """One thing that the store keeps and no listing of blobs shows.

    Attributes:
        key: Of the blob it was to become; or its own, where that is not known.
        kind: What it is, for people: `multipart upload`.
        name: What tells it from others of the same key, or "".
        since: When it was begun or last written to, in seconds since the epoch; None if the store
            does not say.
        size: Bytes, or None if the store does not say.
        stays: Why nobody but the store can remove it; "" for what `drop_leftover` removes.
        is_in_use: A process of this machine is at work on it.
    """

    key: str
    kind: str
    name: str = ""
    since: float | None = None
    size: int | None = None
    stays: str = ""
    is_in_use: bool = False


@final
@dataclass(frozen=True, slots=True)
class LeftoverPage:
    """One page.

    Attributes:
        leftovers: What is on it.
        token: What to pass for the next one, or None after the last.
    """

    leftovers: Sequence[Leftover] = ()
    token: str | None = None


@runtime_checkable
class Tidy(Protocol):
    """A driver that knows what it left behind."""

    async def list_leftovers(self, prefix: str, token: str | None) -> LeftoverPage:
        """List what is unfinished under keys that start with `prefix`, one page; stateless.

        What is still being written is listed too: only its age tells it from what is forgotten.

        Raises:
            NotFound: The bucket does not exist.
            Unsupported: This store of the kind does not tell.
        """
        ...

    async def drop_leftover(self, leftover: Leftover) -> None:
        """Remove one. Nothing if it is gone already.

        Raises:
            BlobError: It is still there.
        """
        ...
