"""Write through `stage` in one call, and make the system fail, for the tests of staging."""

from __future__ import annotations

import os
import resource
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from blobio.drivers.local.staging import stage
from blobio.values import Body, Overwrite, Version, WriteMode


def write(
    path: Path, data: Body, mode: WriteMode | None = None, *, durable: bool = False
) -> Version:
    with stage(str(path), mode or Overwrite(), durable=durable) as staged:
        staged.write(data)
        return staged.publish()


def names(directory: Path) -> list[str]:
    return sorted(os.listdir(directory))


@contextmanager
def umask(bits: int) -> Iterator[None]:
    old = os.umask(bits)
    try:
        yield
    finally:
        os.umask(old)


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def failing(number: int) -> Callable[..., int]:
    def fail(*_args: object, **_options: object) -> int:
        raise OSError(number, os.strerror(number))

    return fail


def in_threads(work: Callable[[int], None], count: int) -> None:
    threads = [threading.Thread(target=work, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
