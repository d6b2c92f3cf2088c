"""What a copy runs between, what it works with, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import final

from blobio.config import Config
from blobio.core.buffers import Buffers
from blobio.core.digest import Passed
from blobio.core.flow import ByteBudget
from blobio.core.journal import Journals
from blobio.core.writer import PartWriter
from blobio.drivers.base import Driver
from blobio.url import BlobUrl
from blobio.values import Body, Version

__all__ = ["Copied", "End", "Means"]


@final
@dataclass(frozen=True, slots=True)
class End:
    """One end of a copy: a blob and the driver that serves it.

    Attributes:
        driver: Serves `url`.
        url: The blob.
        version: For a source that is streamed: copy this version or raise `VersionMismatch`.
        size: Bytes that a listing told of a source; only how it is read depends on it.
    """

    driver: Driver
    url: BlobUrl
    version: Version | None = None
    size: int | None = None


@final
@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy left behind.

    Attributes:
        md5: Hex MD5 of the bytes, if it was asked for.
        version: The version written, or None if the store does not say.
        passed: What is known of the bytes, if they passed through here.
        is_proved: The store has said that these are the bytes it has.
    """

    md5: str | None
    version: Version | None
    passed: Passed | None = None
    is_proved: bool = False


@final
@dataclass(frozen=True, slots=True)
class Means:
    """What the copies of one context work with.

    Attributes:
        config: Sizes and windows.
        budget: Bounds the bytes in flight.
        uploads: Where a writer is entered while it has parts that may have to be taken back.
        buffers: Memory for the parts.
        moved: Told of the bytes that passed through here, as they reach the destination; for a
            display of progress.
        keeps_time: Give copies the time of their source, see `attending`.
        verifies: Look at copies once they are there, see `attending`.
        journals: Where streamed copies in parts are written down, so that another process can go on
            with one that is interrupted; None to take back what is unfinished.
    """

    config: Config
    budget: ByteBudget
    uploads: set[PartWriter] = field(default_factory=set)
    buffers: Buffers = field(default_factory=Buffers)
    moved: Callable[[int], None] | None = None
    keeps_time: bool = False
    verifies: bool = False
    journals: Journals | None = None

    def sent(self, body: Body) -> None:
        """Take note that a body is at the destination, and may be overwritten here."""
        self.buffers.give_back(body)
        if self.moved is not None:
            self.moved(len(body))
