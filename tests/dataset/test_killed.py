"""Killed without a word, and continued by other processes from what they had written down."""

from __future__ import annotations

import base64
import json
import os
import pickle
import random
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import IO, Final

import pytest

import blobio.dataset as bd
from blobio import Config
from blobio.dataset import Dataset
from blobio.dataset.cachelocks import exclusive
from blobio.dataset.delivering import Consumer
from tests.dataset.conftest import STORES, Make, Place, parquet, table
from tests.dataset.memory import dataset

ROOT: Final = Path(__file__).parent.parent.parent
PROGRAM: Final = """
import json, sys
from tests.dataset.test_killed import made
rank, world, state = json.loads(sys.argv[1])
ds = made().shard(rank, world, remainder="drop")
ds.load_state_dict(state)
for batch in ds:
    print(json.dumps([batch.column("n").to_pylist(), ds.state_dict()]), flush=True)
"""


def made() -> Dataset:
    ds = dataset([300, 20, 500, 180, 200])
    return ds.shuffle(seed=1, window_bytes=int(ds.tree.row_bytes * 400)).batch(25)


@pytest.mark.slow
def test_other_processes_go_on_from_the_last_state_that_is_whole() -> None:
    whole = [batch.column("n").to_pylist() for batch in made()]
    seen, state = [], made().state_dict()

    for world, batches in ((2, 5), (3, 4), (1, 7), (2, 100)):
        processes = [
            subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-c", PROGRAM, json.dumps([rank, world, state])],
                stdout=subprocess.PIPE,
                cwd=ROOT,
                text=True,
            )
            for rank in range(world)
        ]
        taken = []
        for process in processes:
            assert process.stdout is not None
            lines = [line for line, _ in zip(process.stdout, range(batches), strict=False)]
            process.kill()
            process.stdout.close()
            process.wait()
            taken.append([json.loads(line) for line in lines])
        turns = zip(*taken, strict=True)  # drop: as many for each
        for turn in turns:
            seen += [rows for rows, _ in turn]
            assert all(told == turn[0][1] for _, told in turn)
            state = turn[0][1]

    assert seen == whole[: len(seen)]
    assert len(whole) - len(seen) < 2  # what two ranks do not divide


# Two processes with workers share a cache that is too small for them, and are killed.

RANKS: Final = 2
SHARDS: Final = 4
SHARD_ROWS: Final = 400
BATCH_ROWS: Final = 20
SHARED: Final = """
import sys
from tests.dataset.test_killed import rank
rank(*sys.argv[1:])
"""


def shared(manifest: bd.Manifest, cache: str, limit: int, config: Config) -> Dataset:
    through = bd.Cache(cache, max_bytes=limit, config=config)
    ds = bd.open_dataset(manifest, cache=through, config=config)
    return ds.shuffle(seed=5, window_bytes=int(ds.tree.row_bytes * 90)).batch(BATCH_ROWS)


def rank(number: str, workers: str, state: str, pickled: str) -> None:
    """Deliver what forked workers read in turn, as a DataLoader does; one line a batch."""
    ds = shared(*pickle.loads(base64.b64decode(pickled)))  # noqa: S301 - our own
    ds = ds.shard(int(number), RANKS, remainder="drop")
    ds.load_state_dict(json.loads(state))
    pipes: list[IO[str]] = []
    for worker in range(int(workers)):
        out, into = os.pipe()
        if os.fork() == 0:
            with open(into, "w") as lines:
                for batch in ds.iterate(Consumer(worker, int(workers))):
                    lines.write(json.dumps([batch.column(n).to_pylist() for n in COLUMNS]) + "\n")
                    lines.flush()
            os._exit(0)
        os.close(into)
        pipes.append(os.fdopen(out))
    turn = 0
    while line := pipes[turn % len(pipes)].readline():
        sys.stdout.write(line)
        sys.stdout.flush()
        turn += 1


COLUMNS: Final = ("number", "text")


def run_and_kill(
    arguments: tuple[bd.Manifest, str, int, Config], workers: int, state: object, batches: int
) -> list[list[tuple[list[int], list[str | None]]]]:
    """Take so many batches of each rank, then kill it and its workers; wait for their end."""
    pickled = base64.b64encode(pickle.dumps(arguments)).decode()
    given = [str(workers), json.dumps(state), pickled]
    processes = [
        subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-c", SHARED, str(number), *given],
            stdout=subprocess.PIPE,
            cwd=ROOT,
            text=True,
            start_new_session=True,
        )
        for number in range(RANKS)
    ]
    taken: list[list[tuple[list[int], list[str | None]]]] = [[] for _ in processes]
    try:
        for _ in range(batches):
            for process, lines in zip(processes, taken, strict=True):
                assert process.stdout is not None
                if line := process.stdout.readline():
                    lines.append(json.loads(line))
    finally:
        for process in processes:
            os.killpg(process.pid, signal.SIGKILL)
        for process in processes:
            process.communicate()  # until the last worker has let go of its end
    return taken


def bytes_below(directory: Path) -> int:
    with exclusive(str(directory / "lock")):
        return sum(file.stat().st_size for file in directory.rglob("*") if file.is_file())


@pytest.mark.slow
@pytest.mark.timeout(90)
@pytest.mark.parametrize("store", [store for store in STORES if store != "memory"])
def test_killed_workers_lose_no_row_and_leave_a_cache_within_its_limit(
    make_place: Make, store: str, tmp_path: Path
) -> None:
    place: Place = make_place(store)
    files = [table(SHARD_ROWS, SHARD_ROWS * number) for number in range(SHARDS)]
    for number, file in enumerate(files):
        place.put(f"{number}.parquet", parquet(file, group=40, compression="none"))
    config = replace(place.config, on_event=None)
    manifest = bd.open_source(f"{place.root}/*.parquet", config=config).manifest
    limit = sum(shard.size for shard in manifest.shards) // 4
    arguments = (manifest, str(tmp_path), limit, config)
    expected = {
        n: text
        for file in files
        for n, text in zip(*file.select(COLUMNS).to_pydict().values(), strict=True)
    }
    state = shared(*arguments).state_dict()
    points, seen = random.Random(store), []

    for workers in (1, 4, 2):
        batches = points.randint(8, 13) if workers != 2 else SHARDS * SHARD_ROWS
        taken = run_and_kill(arguments, workers, state, batches)
        assert bytes_below(tmp_path) <= limit
        seen += [batch for lines in taken for batch in lines]
        (delivered,) = {len(lines) for lines in taken}
        ds = shared(*arguments).shard(0, RANKS, remainder="drop")
        ds.load_state_dict(state)
        state = ds.state_dict(delivered=delivered)

    assert sorted(n for numbers, _ in seen for n in numbers) == sorted(expected)
    assert all(expected[n] == text for batch in seen for n, text in zip(*batch, strict=True))
    cache = bd.Cache(tmp_path, config=config)
    stats = cache.stats()
    assert (stats.held, stats.kept, cache.verify()) == (0, 0, ())
    assert stats.bytes <= limit
    assert (stats.entries > 0) == (store != "local")
    assert {path.name[:2] for path in tmp_path.iterdir()} <= {"e-", "lo"}
