"""Ranks and their workers, killed with -9 and continued by others: no row lost, none twice.

A line with the rows of a batch and the state after it is all that a reader leaves behind, as a
training program would with its checkpoints. Each worker of a rank is a process of its own,
forked by one that has imported everything: a start takes a second of the processor.
"""

from __future__ import annotations

import itertools
import json
import os
import pickle
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import pyarrow as pa
import pytest

from blobio.dataset import Dataset, open_dataset
from blobio.dataset.delivering import Consumer
from tests.dataset.conftest import Make, Place, parquet

ROOT: Final = Path(__file__).parent.parent.parent
ROWS: Final = 480
BATCH: Final = 4
LIVES: Final = ((2, 2), (4, 1), (1, 4))  # ranks, workers of each
PROGRAM: Final = """
import json, os, pickle, sys
from blobio.dataset.delivering import Consumer
with open(sys.argv[1], "rb") as file:
    ds = pickle.load(file)
state, places = json.loads(sys.argv[2])
pids = []
for out, rank, world, worker, workers in places:
    pid = os.fork()
    if pid == 0:
        mine = ds.shard(rank, world, remainder="drop")
        mine.load_state_dict(state)
        with os.fdopen(out, "w") as lines:
            for batch in mine.iterate(Consumer(worker, workers)):
                print(json.dumps(batch["n"].to_pylist()), file=lines, flush=True)
        os._exit(0)
    os.close(out)
    pids.append(pid)
print(json.dumps(pids), flush=True)
sys.stdin.read()  # until all were killed: one that has ended by itself is there as long
for pid in pids:
    os.waitpid(pid, 0)
"""


def made(place: Place) -> Dataset:
    names = []
    for first in range(0, ROWS, 120):
        rows = pa.table({"n": range(first, first + 120)})
        names.append(place.put(f"{first:03}.parquet", parquet(rows, group=24)))
    # Event callbacks do not pickle, nor do they count anything in another process.
    config = place.context.config
    ds = open_dataset(names, config=config)
    return ds.shuffle(seed=5, window_bytes=int(ds.tree.row_bytes * 60)).batch(BATCH)


def killed(path: Path, state: object, world: int, workers: int, each: int) -> list[list[int]]:
    """Run all workers of all ranks and kill each after so many batches, in the order dealt."""
    pipes = [os.pipe() for _ in range(world * workers)]
    places = [
        (pipes[worker * world + rank][1], rank, world, worker, workers)
        for worker in range(workers)
        for rank in range(world)
    ]
    taken = []
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", PROGRAM, str(path), json.dumps([state, places])],
        stdout=subprocess.PIPE,
        pass_fds=[out for _, out in pipes],
        cwd=ROOT,
    ) as parent:
        for _, out in pipes:
            os.close(out)
        assert parent.stdout is not None
        pids = json.loads(parent.stdout.readline())
        for (read, _), pid in zip(pipes, pids, strict=True):
            with os.fdopen(read) as lines:
                taken.append([json.loads(line) for line in itertools.islice(lines, each)])
                os.kill(pid, signal.SIGKILL)
    assert parent.returncode == 0
    return [batch for turn in zip(*taken, strict=True) for batch in turn]


@pytest.mark.slow
@pytest.mark.timeout(60)
@pytest.mark.parametrize("store", ["local", "moto", "rclone", "gcs", "azurite"])
def test_no_row_is_lost_or_twice(make_place: Make, store: str, tmp_path: Path) -> None:
    ds = made(make_place(store))
    path = tmp_path / "dataset"
    path.write_bytes(pickle.dumps(ds))
    whole = [batch["n"].to_pylist() for batch in ds]
    draw = random.Random(store)
    state, seen = made_state(ds, 0), list[list[int]]()

    for world, workers in LIVES:
        each = draw.randrange(2, 6)
        seen += killed(path, state, world, workers, each)
        state = made_state(ds, len(seen))

    resumed = pickle.loads(path.read_bytes())  # noqa: S301 - our own
    resumed.load_state_dict(state)
    seen += [batch["n"].to_pylist() for batch in resumed.iterate(Consumer())]
    assert seen == whole
    assert sorted(itertools.chain(*seen)) == list(range(ROWS))


def made_state(ds: Dataset, delivered: int) -> object:
    """Return the state after so many batches of all ranks, as a loader's parent counts them."""
    fresh: Dataset = pickle.loads(pickle.dumps(ds))  # noqa: S301 - our own
    return json.loads(json.dumps(fresh.state_dict(delivered=delivered)))
