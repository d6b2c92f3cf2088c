"""What passes between the process of a command and those that share its work.

Both run the same program from the same files. What they say to each other is pickled, with its
length in front, through pipes that nobody else has.
"""

from __future__ import annotations

import argparse
import asyncio
import pickle
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, NamedTuple, TypeVar, final

from blobio.cli.exits import Account
from blobio.cli.output import Value
from blobio.config import Config
from blobio.usage import Usage

__all__ = ["END", "Order", "Report", "Task", "Trade", "framed", "receive"]

T = TypeVar("T")

_LENGTH_BYTES: Final = 4
END: Final[Sequence[Task]] = ()
"""Instead of tasks: there will be none any more."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Trade(Generic[T]):
    """What a command does with its items, here or in another process.

    Attributes:
        work: Does one. Raises `BlobError`, `OSError` or `Stop` for an item that failed.
        describe: Returns the fields of an error's record.
        size_of: Returns the bytes that are moved for one.
        pack: Makes of one what can be pickled.
        unpack: Makes it an item again, for the stores of this process.
    """

    work: Callable[[T], Awaitable[None]]
    describe: Callable[[T], dict[str, Value]]
    size_of: Callable[[T], int]
    pack: Callable[[T], object]
    unpack: Callable[[object], T]


class Task(NamedTuple):
    """One item as it is handed over."""

    number: int
    packed: object


@final
@dataclass(frozen=True, slots=True)
class Order:
    """What comes first: the command.

    Attributes:
        args: Its options, parsed.
        config: The settings; the memory is this process's share.
        is_watched: Progress is drawn.
    """

    args: argparse.Namespace
    config: Config
    is_watched: bool


@final
@dataclass(slots=True)
class Report:
    """What came of some items.

    Attributes:
        ended: The numbers of those that are done or have failed.
        out: What is to be printed.
        err: What is to be said.
        account: What became of them.
        moved: Bytes that were moved since the last report, by source, of those that are watched.
        usage: What the stores were asked, in the last report, if that is counted.
        is_last: Nothing comes any more.
    """

    ended: list[int] = field(default_factory=list)
    out: str = ""
    err: str = ""
    account: Account = field(default_factory=Account)
    moved: dict[str, int] = field(default_factory=dict)
    usage: Usage | None = None
    is_last: bool = False


def framed(message: object) -> bytes:
    """Return the bytes that `receive` makes `message` of."""
    data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return len(data).to_bytes(_LENGTH_BYTES, "big") + data


async def receive(reader: asyncio.StreamReader) -> object:
    """Return the next message.

    Raises:
        asyncio.IncompleteReadError: The other process has ended.
    """
    size = int.from_bytes(await reader.readexactly(_LENGTH_BYTES), "big")
    return pickle.loads(await reader.readexactly(size))  # noqa: S301 - our own process wrote it
