"""The jobs of the commands: what is made ready before each, and what must have come of it."""

from __future__ import annotations

import http.client
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final, final
from urllib.parse import quote, urlsplit

from benchmarks.commands.tools import Ask
from benchmarks.data import LIST_PREFIX
from benchmarks.scale import BUCKET, Scale

__all__ = ["JOBS", "Job", "Room", "Wrong"]

_OLD: Final = 1_700_000_000.0  # older than anything the server tells
_ENTRY: Final = re.compile(rb"<Key>([^<]*)</Key>.*?<Size>(\d+)</Size>", re.DOTALL)
_NEXT: Final = re.compile(rb"<NextContinuationToken>([^<]*)<")
_TRASH: Final = "trash/"
_UPLOADS: Final = "uploads/"


class Wrong(Exception):
    """A tool did something else than its job."""


@final
@dataclass(frozen=True, slots=True)
class Room:
    """What a job finds and leaves.

    Attributes:
        scale: Sizes.
        served: The directory whose files are the objects at the start.
        empty: A directory that is empty when a job begins.
        endpoint_url: Of the server that takes writes.
    """

    scale: Scale
    served: str
    empty: str
    endpoint_url: str

    def clear(self) -> None:
        """Remove what a job has left on disk and in the bucket."""
        shutil.rmtree(self.empty)
        os.mkdir(self.empty)
        for prefix in (_UPLOADS, _TRASH):
            for key, _ in self.listed(prefix):
                self._request("DELETE", key)

    def restock(self) -> None:
        """Put what is to be deleted into the bucket."""
        for index in range(self.scale.small_count):
            self._request("PUT", f"{_TRASH}{index:05}.bin")

    def listed(self, prefix: str) -> list[tuple[str, int]]:
        """Return the keys and sizes of all objects below a prefix."""
        found: list[tuple[str, int]] = []
        token = b""
        while True:
            query = f"?list-type=2&prefix={quote(prefix)}"
            query += f"&continuation-token={quote(token)}" if token else ""
            page = self._request("GET", query)
            found += [(key.decode(), int(size)) for key, size in _ENTRY.findall(page)]
            match = _NEXT.search(page)
            if match is None:
                return found
            token = match[1]

    def written(self) -> list[int]:
        """Return the sizes of all files in the directory that was empty."""
        paths = (os.path.join(top, name) for top, _, names in os.walk(self.empty) for name in names)
        return [os.path.getsize(path) for path in paths]

    def _request(self, method: str, rest: str) -> bytes:
        connection = _connection(self.endpoint_url)
        connection.request(method, f"/{BUCKET}/{rest}")
        reply = connection.getresponse()
        body = reply.read()
        if reply.status >= 300:
            raise Wrong(f"{method} {rest}: {reply.status}")
        return body


_CONNECTIONS: dict[str, http.client.HTTPConnection] = {}


def _connection(endpoint_url: str) -> http.client.HTTPConnection:
    """Return one connection to a server, which is kept."""
    if endpoint_url not in _CONNECTIONS:
        _CONNECTIONS[endpoint_url] = http.client.HTTPConnection(urlsplit(endpoint_url).netloc)
    return _CONNECTIONS[endpoint_url]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job.

    Attributes:
        title: What is done, for people.
        ask: What the tool works on.
        judge: Raises `Wrong` unless the job was done, from the lines that were printed on.
        ready: What comes before, unmeasured.
        reads: It only reads files, so that nginx can serve it.
    """

    title: str
    ask: Callable[[Room], Ask]
    judge: Callable[[Room, int], None]
    ready: Callable[[Room], None] = lambda _room: None
    reads: bool = False


def _judge_lines(room: Room, lines: int) -> None:
    _require("lines", lines, room.scale.key_count)


def _judge_start(_room: Room, lines: int) -> None:
    if not lines:
        raise Wrong("nothing was printed")


def _small(scale: Scale) -> list[int]:
    return [scale.small_bytes] * scale.small_count


def _large(scale: Scale) -> list[int]:
    return [scale.large_bytes] * scale.large_count


def _judge_files(room: Room, _lines: int, *, sizes: Callable[[Scale], list[int]]) -> None:
    _require("files", room.written(), sizes(room.scale))


def _judge_objects(room: Room, _lines: int, *, sizes: Callable[[Scale], list[int]]) -> None:
    _require("objects", [size for _, size in room.listed(_UPLOADS)], sizes(room.scale))


def _judge_sync(_room: Room, lines: int) -> None:
    _require("lines", lines, 0)


def _judge_gone(room: Room, _lines: int) -> None:
    _require("objects", room.listed(_TRASH), [])


def _require(what: str, found: object, expected: object) -> None:
    if found != expected:
        raise Wrong(f"other {what} than there should be: {str(found)[:80]}")


def _age(room: Room) -> None:
    """Make the small files as old as those that were uploaded long ago."""
    for path in _files(os.path.join(room.served, "small")):
        os.utime(path, (_OLD, _OLD))


def _files(directory: str) -> Iterator[str]:
    with os.scandir(directory) as found:
        for entry in found:
            yield entry.path


JOBS: Final = {
    "start": Job(title="start-up: the help", ask=lambda _room: Ask(), judge=_judge_start),
    "ls": Job(
        title="list 100,000 keys", ask=lambda _room: Ask(prefix=LIST_PREFIX), judge=_judge_lines
    ),
    "small-down": Job(
        title="10,000 x 16 KiB down",
        ask=lambda room: Ask(local=room.empty, prefix="small/"),
        judge=partial(_judge_files, sizes=_small),
        reads=True,
    ),
    "small-up": Job(
        title="10,000 x 16 KiB up",
        ask=lambda room: Ask(local=os.path.join(room.served, "small"), prefix=_UPLOADS),
        judge=partial(_judge_objects, sizes=_small),
    ),
    "large-down": Job(
        title="8 x 256 MiB down",
        ask=lambda room: Ask(local=room.empty, prefix="large/"),
        judge=partial(_judge_files, sizes=_large),
        reads=True,
    ),
    "large-up": Job(
        title="8 x 256 MiB up",
        ask=lambda room: Ask(local=os.path.join(room.served, "large"), prefix=_UPLOADS),
        judge=partial(_judge_objects, sizes=_large),
    ),
    "sync": Job(
        title="sync of 10,000, nothing to do",
        ask=lambda room: Ask(local=os.path.join(room.served, "small"), prefix="small/"),
        judge=_judge_sync,
        ready=_age,
    ),
    "rm": Job(
        title="remove 10,000",
        ask=lambda _room: Ask(prefix=_TRASH),
        judge=_judge_gone,
        ready=Room.restock,
    ),
}
