"""A training run on a dataset in S3: it is killed in mid-epoch, and goes on as if it had not been.

Run it with `tox -e demo`, or after `pip install -e '.[s3,data]' --group demo` with
`python examples/training.py`. It needs no account and no network: moto, an S3 server, runs on a
free port of the loopback interface until the script ends.

A table becomes shards of Parquet and gets a name in a registry. Two ranks train on it, each a
process. One kill -9 later, three ranks go on from the last state of the two. The script ends with
an error unless all five together saw each row of the epoch once, in the order of a run that nobody
killed.
"""

from __future__ import annotations

import csv
import importlib.resources
import json
import multiprocessing
import os
import signal
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Final

import pyarrow as pa

import blobio as bf
import blobio.dataset as bd
from blobio.testing.emulators import moto_server

REGISTRY: Final = "s3://training/registry"
NAME: Final = "airports"
BATCH_ROWS: Final = 256
STEPS_BEFORE_KILL: Final = 20

Batches = list[list[str]]


@dataclass(frozen=True)
class Place:
    """Of a rank: which one of how many, and from where it goes on."""

    rank: int
    world: int
    state: bd.StateDict | None = None


class WrongResultError(Exception):
    """The run was not what it must be."""


def publish(config: bf.Config) -> None:
    """Write a table as shards, and give the dataset a name, a version and a licence."""
    table = str(importlib.resources.files("airportsdata") / "airports.csv")
    with open(table, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    schema = pa.schema([(name, pa.string()) for name in rows[0]])
    with bd.ShardWriter(
        "s3://training/airports", schema, shard_rows=4000, row_group_rows=500, config=config
    ) as writer:
        writer.write(rows)
    manifest = bd.load_manifest(writer.url, config=config)
    bd.Registry(REGISTRY, config=config).publish(NAME, manifest, version="1.0", license="mit")
    print(f"published {NAME} 1.0: {len(rows):,} rows, {len(manifest.shards)} shards")


def dataset(config: bf.Config) -> bd.Dataset:
    """Return what every rank trains on: one column, shuffled, in batches."""
    found = bd.load_dataset(NAME, registry=REGISTRY, split="train", config=config)
    return found.select(["icao"]).shuffle(seed=17, window_bytes=1 << 20).batch(BATCH_ROWS)


def train(place: Place, config: bf.Config, steps: Connection) -> None:
    """Be one rank: send each batch and the state after it, as a checkpoint would keep it."""
    mine = dataset(config).shard(place.rank, place.world, remainder="uneven")
    if place.state is not None:
        mine.load_state_dict(place.state)
    for batch in mine:
        steps.send((batch.column("icao").to_pylist(), mine.state_dict()))
    steps.close()


class Ranks:
    """Processes that train side by side, until they are through or killed."""

    def __init__(self, world: int, state: bd.StateDict | None, config: bf.Config) -> None:
        """Start them."""
        spawn = multiprocessing.get_context("spawn")
        self.state = state
        self._pipes: list[Connection] = []
        self._processes: list[multiprocessing.process.BaseProcess] = []
        for rank in range(world):
            receiver, sender = spawn.Pipe(duplex=False)
            process = spawn.Process(target=train, args=(Place(rank, world, state), config, sender))
            process.start()
            sender.close()
            self._pipes.append(receiver)
            self._processes.append(process)

    def step(self) -> Batches:
        """Return a batch of each rank; of none when the epoch is over."""
        batches: Batches = []
        for pipe in self._pipes:
            try:
                batch, self.state = pipe.recv()
            except EOFError:
                continue
            batches.append(batch)
        return batches

    def kill(self) -> None:
        """Give them no chance to tidy up."""
        for process in self._processes:
            if process.pid is not None:
                os.kill(process.pid, signal.SIGKILL)
        self.join()

    def join(self) -> None:
        """Wait for their end."""
        for process in self._processes:
            process.join()


def run(config: bf.Config) -> Batches:
    """Train with two ranks, kill them, go on with three; return the batches in order."""
    ranks = Ranks(2, None, config)
    seen = [batch for _ in range(STEPS_BEFORE_KILL) for batch in ranks.step()]
    ranks.kill()
    state = json.loads(json.dumps(ranks.state))
    print(
        f"killed two ranks after {len(seen)} batches; the state has {len(json.dumps(state))} bytes"
    )

    ranks = Ranks(3, state, config)
    while batches := ranks.step():
        seen += batches
    ranks.join()
    return seen


def main() -> None:
    """Publish, train, compare."""
    with moto_server() as moto:
        moto.make_bucket("training")
        config = moto.config()
        publish(config)
        whole = dataset(config)
        print(whole.explain())
        expected = [batch.column("icao").to_pylist() for batch in whole]
        seen = run(config)
    if seen != expected:
        raise WrongResultError("the run that was killed is not the run that was not")
    rows = sum(map(len, seen))
    print(f"three ranks went on: {len(seen)} batches, {rows:,} rows, each once and in order")


if __name__ == "__main__":
    main()
