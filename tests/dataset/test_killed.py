"""Killed without a word, and continued by other processes from what they had written down."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from blobio.dataset import Dataset
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
