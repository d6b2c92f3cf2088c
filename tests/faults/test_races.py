"""Row 36: two writers of one key."""

from __future__ import annotations

import threading
from collections.abc import Callable

from blobio import Context
from blobio.errors import (
    AlreadyExists,
    BlobError,
    Conflict,
    VersionMismatch,
)
from blobio.testing.faultproxy import Forward
from blobio.testing.scripted import Received, Reply
from tests.faults.sites import OTHER, Store
from tests.faults.writes import (
    OLD,
    SIZES,
    breaks_commit,
    version,
)


@SIZES
def test_row_36_of_two_create_only_writers_one_is_told_it_lost(s3: Store, data: bytes) -> None:
    """Both have sent everything before either publishes."""
    other = OTHER[: len(data)]
    told = _race(
        s3,
        lambda context: context.write_bytes(s3.url(), data, overwrite=False),
        lambda context: context.write_bytes(s3.url(), other, overwrite=False),
    )

    assert [type(error) for error in told if error is not None] == [AlreadyExists]
    assert s3.stored() == (data if told[0] is None else other)


@SIZES
def test_row_36_of_two_replacements_one_is_told_it_lost(s3: Store, data: bytes) -> None:
    s3.put(OLD)
    old = version(s3)
    other = OTHER[: len(data)]
    told = _race(
        s3,
        lambda context: context.write_bytes(s3.url(), data, version=old),
        lambda context: context.write_bytes(s3.url(), other, version=old),
    )

    (loser,) = [error for error in told if error is not None]
    assert isinstance(loser, (VersionMismatch, Conflict))
    assert s3.stored() == (data if told[0] is None else other)


@SIZES
def test_row_36_of_two_unconditional_writers_one_wins_whole(s3: Store, data: bytes) -> None:
    other = OTHER[: len(data)]
    told = _race(
        s3,
        lambda context: context.write_bytes(s3.url(), data),
        lambda context: context.write_bytes(s3.url(), other),
    )

    assert told == [None, None]
    assert s3.stored() in (data, other)


def _race(store: Store, *writers: Callable[[Context], object]) -> list[BaseException | None]:
    """Run writers side by side; none publishes before all are about to. Return what each raised."""
    gate = threading.Barrier(len(writers))
    told: list[BaseException | None] = [None] * len(writers)

    def wait(request: Received, forward: Forward) -> Reply:
        gate.wait(timeout=10)
        return forward(request)

    breaks_commit(store, wait, times=len(writers))

    def run(index: int) -> None:
        with Context(store.config) as context:
            try:
                writers[index](context)
            except BlobError as error:
                told[index] = error

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(writers))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return told
