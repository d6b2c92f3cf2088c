"""Processes that end, fork or are interrupted while they read: no abort, no hang, no word."""

from __future__ import annotations

from typing import Final

import pytest

from blobio.testing.emulators import S3Server
from tests.blocking.scripts import Ended, environment, run
from tests.dataset.conftest import Make, Place, parquet, table

pytestmark = [pytest.mark.timeout(90), pytest.mark.slow]

QUICK_S: Final = 3.0
SHARDS: Final = 4

START: Final = """
import logging, os, sys, time
logging.disable()  # moto drops a connection now and then, and the retry is told of
import blobio.dataset as bd
from blobio.dataset.source import RowRange

source = bd.open_source(sys.argv[1])

def ranges():
    return [RowRange(block, 0, rows) for block, rows in enumerate(source.block_rows)]

def total(batches):
    return sum(batch.num_rows for batch in batches)
"""


@pytest.fixture(name="shards")
def fixture_shards(make_place: Make) -> Place:
    """Four shards of ten row groups of 2,000 rows."""
    place = make_place("moto")
    for number in range(SHARDS):
        place.put(f"{number}.parquet", parquet(table(20_000), group=2_000))
    return place


def read(moto: S3Server, shards: Place, program: str) -> Ended:
    code = START + "\n".join(line[8:] for line in program.splitlines())
    return run(code, shards.at("*.parquet"), environ=environment(moto), options=("-W", "error"))


def test_process_that_exits_while_it_reads_ends_quietly(moto: S3Server, shards: Place) -> None:
    for _ in range(3):
        ended = read(
            moto,
            shards,
            """
        batches = source.read(ranges())
        next(batches)
        print(time.monotonic())
        """,
        )

        assert (ended.code, ended.err) == (0, "")
        assert ended.exit_s < QUICK_S


def test_process_that_fails_while_it_reads_says_so_and_ends(moto: S3Server, shards: Place) -> None:
    ended = read(
        moto,
        shards,
        """
        for batch in source.read(ranges()):
            print(time.monotonic(), flush=True)
            raise SystemExit(3)
        """,
    )

    assert (ended.code, ended.err) == (3, "")
    assert ended.exit_s < QUICK_S


def test_exit_while_another_thread_reads(moto: S3Server, shards: Place) -> None:
    ended = read(
        moto,
        shards,
        """
        import threading
        begun = threading.Event()
        def work():
            while True:
                for batch in source.read(ranges()):
                    begun.set()
        threading.Thread(target=work, daemon=True).start()
        begun.wait()
        print(time.monotonic())
        """,
    )

    assert (ended.code, ended.err) == (0, "")
    assert ended.exit_s < QUICK_S


def test_thread_reads_on_when_the_main_thread_has_ended(moto: S3Server, shards: Place) -> None:
    ended = read(
        moto,
        shards,
        """
        import threading
        begun = threading.Event()
        def work():
            batches = source.read(ranges())
            next(batches)
            begun.set()
            threading.main_thread().join()
            print(total(batches))
        threading.Thread(target=work).start()
        begun.wait()
        """,
    )

    assert (ended.code, ended.err, ended.lines) == (0, "", ["78000"])


def test_interrupt_ends_an_iteration_and_the_next_one_works(moto: S3Server, shards: Place) -> None:
    ended = read(
        moto,
        shards,
        """
        import signal, threading
        signal.signal(signal.SIGINT, signal.default_int_handler)
        main = threading.main_thread().ident
        seen = 0
        try:
            while True:
                for batch in source.read(ranges()):
                    seen += 1
                    if seen == 20:
                        threading.Thread(
                            target=signal.pthread_kill, args=(main, signal.SIGINT)
                        ).start()
        except KeyboardInterrupt:
            print("interrupted")
        from blobio.dataset.memory import memory_limit
        assert memory_limit().held == 0
        print(total(source.read(ranges())))
        """,
    )

    assert (ended.code, ended.err, ended.lines) == (0, "", ["interrupted", "80000"])


def test_child_reads_what_its_parent_opened_and_is_reading(moto: S3Server, shards: Place) -> None:
    """The iteration itself stays the parent's, where it goes on."""
    ended = read(
        moto,
        shards,
        """
        batches = source.read(ranges())
        first = next(batches).num_rows
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                try:
                    next(batches)
                except RuntimeError as error:
                    assert "fork" in str(error)
                    assert total(source.read(ranges())) == 80000
                    code = 0
            except BaseException:
                import traceback
                traceback.print_exc()
            os._exit(code)
        assert os.waitpid(pid, 0)[1] == 0
        print(first + total(batches))
        """,
    )

    assert (ended.code, ended.err, ended.lines) == (0, "", ["80000"])


def test_forked_workers_read_their_parts(moto: S3Server, shards: Place) -> None:
    ended = read(
        moto,
        shards,
        """
        import multiprocessing
        def count(source, ranges, queue):
            queue.put(sum(batch.num_rows for batch in source.read(ranges)))
        next(source.read(ranges()))
        context = multiprocessing.get_context("fork")
        queue = context.Queue()
        parts = [ranges()[0::2], ranges()[1::2]]
        workers = [context.Process(target=count, args=(source, part, queue)) for part in parts]
        for worker in workers:
            worker.start()
        print(sorted(queue.get() for _ in workers))
        for worker in workers:
            worker.join()
            assert worker.exitcode == 0
        """,
    )

    assert (ended.code, ended.err, ended.lines) == (0, "", ["[40000, 40000]"])
