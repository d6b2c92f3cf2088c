"""`merge_states`: one state of the states of all ranks, with what any of them has found lost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace

from blobio.dataset.lost import join_lost
from blobio.dataset.state import State, StateDict, StateMismatch

__all__ = ["merge_states"]


def merge_states(states: Iterable[Mapping[str, object]]) -> StateDict:
    """Return the state that all ranks go on from, so that they read the same rows.

    Ranks that are in step have the same state, but for the blocks that `on_error="skip"` or
    `"substitute"` went on without: each knows those that it met itself. Here all of them are
    together, in whichever order the states come: each rank that loads the result treats the same
    blocks as lost, asks for none of them, and takes the same substitutes. Of each source at most
    128 runs of blocks are kept, the longest; the others are tried again.

    Sends nothing; leaves the states as they are. One state is merged to itself.

    Args:
        states: What `state_dict` returned on each rank, after as many batches; also from JSON.

    Raises:
        StateMismatch: They are of different datasets or of different positions, which is named; or
            one is no state.
        ValueError: There are none.
    """
    found = [State.from_dict(one) for one in states]
    if not found:
        message = "there are no states to merge"
        raise ValueError(message)
    first = found[0]
    names = [field.name for field in fields(State) if field.name != "lost"]
    for number, other in enumerate(found):
        different = [
            f"{name} is {getattr(other, name)!r} and not {getattr(first, name)!r}"
            for name in names
            if getattr(other, name) != getattr(first, name)
        ]
        if different:
            words = "; ".join(different)
            message = f"states[{number}] is of another dataset or position than states[0]: {words}"
            raise StateMismatch(message)
    return replace(first, lost=join_lost(one.lost for one in found)).to_dict()
