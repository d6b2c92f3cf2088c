"""The campaign's ground on local disk: system calls of the driver fail at drawn calls."""

from __future__ import annotations

import errno
import functools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from random import Random
from types import ModuleType
from typing import TYPE_CHECKING, Final, final
from unittest import mock

from blobio.config import Config
from blobio.core import renaming
from blobio.core.context import AsyncContext
from blobio.drivers.local import reading, staging, tree, writing
from blobio.testing.strict_s3 import RequestHead, Strike
from tests.campaign.faultplan import Switchboard
from tests.campaign.grounds import Traits, small
from tests.campaign.model import Violation

if TYPE_CHECKING:
    from typing import Any

__all__ = ["LocalGround", "local_ground"]

_CALLS: Final = frozenset(
    {"open", "write", "pwrite", "pread", "link", "replace", "rename", "ftruncate", "mkdir", "fsync"}
)
_PLACES: Final[tuple[tuple[ModuleType, frozenset[str]], ...]] = (
    (reading, _CALLS),
    (staging, _CALLS),
    (tree, _CALLS),
    (writing, _CALLS | {"unlink", "rmdir"}),
    (renaming, _CALLS),
)
_ERRORS: Final = (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EMFILE)


@final
class FailingOs:
    """The module `os`, some calls of which fail when the board says so."""

    def __init__(self, board: Switchboard, calls: frozenset[str]) -> None:
        self._board = board
        self._calls = calls
        self._rng = Random(0)

    def __getattr__(self, name: str) -> Any:
        found = getattr(os, name)
        return self._failing(found, name) if name in self._calls else found

    def _failing(self, call: Callable[..., object], name: str) -> Callable[..., object]:
        @functools.wraps(call)
        def wrapped(*args: object, **kwargs: object) -> object:
            agent = {"user-agent": self._board.latest}
            head = RequestHead(f"os.{name}", "", agent, "", "", "", {})
            if self._board.judge(head) is not None:
                number = self._rng.choice(_ERRORS)
                raise OSError(number, os.strerror(number))
            return call(*args, **kwargs)

        return wrapped


@final
class LocalGround:
    """A directory. One actor at a time: a system call does not tell who makes it."""

    def __init__(self, root: str, board: Switchboard) -> None:
        self.traits: Final = Traits(strikes=(Strike.REFUSE,), retries=False)
        self.board: Final = board
        self._root = root

    def url(self, key: str) -> str:
        return os.path.join(self._root, key)

    def key(self, url: str) -> str:
        return os.path.relpath(url, self._root)

    def config(self, agent: str) -> Config:
        return small(Config(), agent)

    def tune(self, context: AsyncContext, rng: Random) -> None:
        del context, rng

    def is_checked(self, key: str) -> bool:
        del key
        return False

    async def settle(self, agent: str) -> None:
        del agent

    def check_clean(self) -> None:
        left = [
            name
            for _, _, names in os.walk(self._root)
            for name in names
            if name.startswith(".blobio")
        ]
        if left:
            message = f"temporary files were left behind: {left}"
            raise Violation(message)


@asynccontextmanager
async def local_ground(seed: int) -> AsyncIterator[LocalGround]:
    """Use a new directory, and let system calls fail."""
    async with calm_local_ground(seed) as ground:
        with ExitStack() as exits:
            for module, calls in _PLACES:
                failing = FailingOs(ground.board, calls)
                exits.enter_context(mock.patch.object(module, "os", failing))
            yield ground


@asynccontextmanager
async def calm_local_ground(seed: int) -> AsyncIterator[LocalGround]:
    """Use a new directory, where nothing fails and any number of actors may work."""
    del seed
    root = tempfile.mkdtemp(prefix="blobio-campaign-")
    try:
        yield LocalGround(root, Switchboard())
    finally:
        shutil.rmtree(root)
