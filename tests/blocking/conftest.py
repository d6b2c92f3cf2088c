"""Places to work in: one on each kind of store, empty at the start of each test."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, cast, final

import pytest

from blobio import Config, Context
from blobio.testing.emulators import S3Server
from blobio.testing.strict_s3 import StrictS3, strict_s3
from blobio.transport.observe import Event

_BUCKET: Final = "blocking"
_numbers: Final = itertools.count(1)


@final
@dataclass(frozen=True, slots=True)
class Place:
    """A directory of a store that no other test uses.

    Attributes:
        context: Reaches it.
        root: Its path or URL, without a trailing `/`.
        requests: One event for each request that went to a server; empty for the other stores.
    """

    context: Context
    root: str
    requests: list[Event] = field(default_factory=list)

    def path(self, name: str) -> str:
        return f"{self.root}/{name}"

    def open(self, name: str, mode: str, **options: Any) -> Any:
        """Open a blob in a mode that only the test's parameters know."""
        return cast("Any", self.context).BlobFile(self.path(name), mode, **options)

    def put(self, name: str, data: bytes = b"") -> str:
        """Write a blob and return its path."""
        self.context.write_bytes(self.path(name), data)
        return self.path(name)

    def get(self, name: str) -> bytes:
        return self.context.read_bytes(self.path(name))

    def names(self) -> list[str]:
        """Return what lies in it, on any level, relative and sorted."""
        start = len(self.root) + 1
        return sorted(
            os.path.join(directory, name)[start:]
            for directory, _, names in self.context.walk(self.root)
            for name in names
        )

    def methods(self) -> list[str]:
        """Return the HTTP methods sent since the last call, oldest first."""
        methods = [event.method for event in self.requests]
        self.requests.clear()
        return methods


@pytest.fixture(scope="session")
def bucket(moto: S3Server) -> S3Server:
    """A server that other processes reach too, with the same bucket."""
    moto.make_bucket(_BUCKET)
    return moto


@pytest.fixture
def memory() -> Iterator[Place]:
    with Context(Config()) as context:
        yield Place(context, f"memory://blocking/{next(_numbers)}")


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Place]:
    root = tmp_path / "local"
    root.mkdir()
    with Context(Config()) as context:
        yield Place(context, str(root))


@pytest.fixture(scope="session")
def strict() -> Iterator[StrictS3]:
    """The server behind `s3`: quick, and exact about the conditions of copies too."""
    with strict_s3() as server:
        server.make_bucket(_BUCKET)
        yield server


@pytest.fixture
def s3(strict: StrictS3) -> Iterator[Place]:
    requests: list[Event] = []
    with Context(replace(strict.config(), on_event=requests.append)) as context:
        yield Place(context, f"s3://{_BUCKET}/{next(_numbers)}", requests)


@pytest.fixture(params=["memory", "local", "s3"])
def place(request: pytest.FixtureRequest) -> Place:
    """Each kind of store in turn."""
    found: Place = request.getfixturevalue(request.param)
    return found


@pytest.fixture(params=["memory", "s3"])
def remote(request: pytest.FixtureRequest) -> Place:
    """Each store of keys in turn."""
    found: Place = request.getfixturevalue(request.param)
    return found


Configure = Callable[[Config], Place]


@pytest.fixture
def memory_with() -> Iterator[Configure]:
    """Make places in memory with settings of the test's own."""
    made: list[Context] = []

    def make(config: Config) -> Place:
        made.append(Context(config))
        return Place(made[-1], f"memory://blocking/{next(_numbers)}")

    yield make
    for context in made:
        context.close()
