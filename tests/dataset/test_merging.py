"""States of several ranks made one: all go on alike, and what cannot be one is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import islice
from typing import Any

import pytest

from blobio.dataset import Dataset, StateDict, StateMismatch, merge_states, open_dataset
from blobio.dataset.errors import OnError
from blobio.dataset.lost import MOST_RUNS, dump_lost
from blobio.dataset.manifest import Manifest
from tests.dataset.conftest import Make, Place
from tests.dataset.test_substitutes import fixture_manifest, heal, lists

__all__ = ["fixture_manifest"]

WORLD = 3


@pytest.fixture
def memory(make_place: Make) -> Place:
    """A directory of one name: which blocks stand in depends on it, and none of them is block 9."""
    return replace(make_place("memory"), root="memory://dataset/merged")


def made(manifest: Manifest, on_error: OnError) -> Dataset:
    """Return two epochs of 16 batches, each of them a block: so one rank alone meets block 9."""
    return open_dataset(manifest, on_error=on_error).batch(10).repeat(2)


def stopped(manifest: Manifest, on_error: OnError, batches: int) -> list[StateDict]:
    """Return the states of ranks that read a dataset with losses, each after so many batches."""
    states = []
    for rank in range(WORLD):
        ds = made(manifest, on_error).shard(rank, WORLD, remainder="drop")
        batch = iter(ds)
        list(islice(batch, batches))
        states.append(ds.state_dict())
        batch.close()
    return states


def rest(ds: Dataset, state: StateDict, world: int) -> list[list[list[int]]]:
    """Return what each of some ranks reads from a state on."""
    ranks = [ds.shard(rank, world, remainder="drop") for rank in range(world)]
    for rank in ranks:
        rank.load_state_dict(state)
    return [lists(rank) for rank in ranks]


@pytest.mark.parametrize("on_error", ["substitute", "skip"])
@pytest.mark.parametrize("world", [1, 2, 4])
def test_ranks_that_go_on_treat_the_same_blocks_alike(
    manifest: Manifest, memory: Place, on_error: OnError, world: int
) -> None:
    """Who resumes finds all blocks again, and reads none that one of the ranks has lost."""
    states = stopped(manifest, on_error, batches=4)
    assert [state["lost"] for state in states] == ["0:4-7,9", "0:4-7", "0:4-7"]

    merged = merge_states(states)

    heal(memory)
    expected = made(manifest, on_error)
    expected.load_state_dict(merged)
    order = lists(expected)
    found = rest(made(manifest, on_error), merged, world)
    assert found == [order[rank::world] for rank in range(world)]
    assert len(order) == 4 + 16
    other = rest(made(manifest, on_error), states[1], 1)
    assert other != [order], "a rank's own state does not tell of what the others have lost"


def test_merging_knows_no_order_and_no_twice(manifest: Manifest) -> None:
    states = stopped(manifest, "skip", batches=4)
    kept = json.dumps(states)

    merged = merge_states(states)

    assert merge_states(reversed(states)) == merged
    assert merge_states([merged, *states, merged]) == merged
    assert merge_states(json.loads(json.dumps(states))) == merged
    assert merge_states([states[1]]) == states[1]
    assert json.dumps(states) == kept
    assert {**merged, "lost": ""} == {**states[0], "lost": ""}
    assert merged["lost"] == "0:4-7,9"


def state(**change: object) -> dict[str, Any]:
    found: dict[str, Any] = {
        "version": 1,
        "fingerprint": "f",
        "order": "o",
        "seed": None,
        "batch_rows": 8,
        "lanes": 1,
        "drop_last": False,
        "epoch": 0,
        "batches": 6,
        "rows": 0,
        "on_error": "skip",
        "lost": "0:3,5-6;2:1",
    }
    return {**found, **change}


def test_blocks_of_each_source_are_joined() -> None:
    merged = merge_states([state(), state(lost="0:4,9;1:0"), state(lost="")])

    assert merged["lost"] == "0:3-6,9;1:0;2:1"


def test_the_longest_runs_are_kept() -> None:
    short = tuple((4 * i, 4 * i + 1) for i in range(MOST_RUNS))
    long = tuple((10_000 + 4 * i, 10_002 + 4 * i) for i in range(MOST_RUNS))

    merged = merge_states(state(lost=dump_lost([runs])) for runs in (short, long))

    assert merged["lost"] == dump_lost([long])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fingerprint": "g"}, r"states\[1\].*: fingerprint is 'g' and not 'f'"),
        ({"batches": 7}, "batches is 7 and not 6"),
        ({"epoch": 1, "rows": 3}, "epoch is 1 and not 0; rows is 3 and not 0"),
        ({"seed": 4}, "seed is 4 and not None"),
        ({"batch_rows": 9}, "batch_rows is 9 and not 8"),
        ({"on_error": "substitute"}, "on_error is 'substitute' and not 'skip'"),
        ({"lost": "0:3-2"}, "lost"),
        ({"lost": "many"}, "lost"),
        ({"version": 2}, "version 2"),
    ],
)
def test_what_does_not_belong_together_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(StateMismatch, match=message):
        merge_states([state(), state(**change)])


def test_no_states_are_refused() -> None:
    with pytest.raises(ValueError, match="no states"):
        merge_states([])


def test_states_of_ranks_that_are_not_in_step_are_refused(manifest: Manifest) -> None:
    (one, *_), (two, *_) = (stopped(manifest, "skip", batches) for batches in (1, 2))

    with pytest.raises(StateMismatch, match="batches is 6 and not 3"):
        merge_states([one, two])


def test_state_of_other_shards_is_refused(manifest: Manifest) -> None:
    fewer = replace(manifest, shards=manifest.shards[:1], splits={})
    one, two = made(manifest, "skip").state_dict(), made(fewer, "skip").state_dict()

    with pytest.raises(StateMismatch, match="fingerprint is"):
        merge_states([one, two])
