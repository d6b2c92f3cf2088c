"""`ForkLock`: a lock that a fork waits for, so that the child finds it free and its work done.

A child has none of its parent's threads: a lock that one of them held would stay locked for ever,
and so would a module that one of them was importing. `IMPORTS` is held while blobio imports what it
needs late.
"""

from __future__ import annotations

import os
import threading
from typing import Final, final

__all__ = ["IMPORTS", "ForkLock"]


_LONGEST_WAIT_S: Final = 10.0
"""A fork goes on without the lock after that: it may itself be what the holder waits for."""


@final
class ForkLock:
    """A lock for `with`, reentrant, that `os.fork` takes too. Lives as long as the process.

    To be held briefly, and never while waiting for another thread: a fork waits meanwhile.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._used = False
        self._forking: int | None = None
        os.register_at_fork(after_in_child=self._renew)
        self._hook()

    def __enter__(self) -> None:
        self._lock.acquire()
        if not self._used:
            self._used = True
            # The hook of `logging` takes its lock. A fork must not hold that while it waits for
            # somebody who wants to log, so ours is to come first, which is to be registered last.
            import logging  # noqa: F401

            self._hook()

    def __exit__(self, *exc_info: object) -> None:
        self._lock.release()

    def _hook(self) -> None:
        os.register_at_fork(before=self._before, after_in_parent=self._after)

    def _before(self) -> None:
        me = threading.get_ident()
        if self._forking != me and self._lock.acquire(timeout=_LONGEST_WAIT_S):
            self._forking = me

    def _after(self) -> None:
        if self._forking == threading.get_ident():
            self._forking = None
            self._lock.release()

    def _renew(self) -> None:
        self._lock = threading.RLock()
        self._forking = None


IMPORTS: Final = ForkLock()
"""Held during late imports and while the event loop is started."""
