"""Where a dataset stands: a few numbers that go on from there, for any ranks and workers.

A state counts the batches of the order that all ranks have delivered, and names what the order
depends on, so that a state of another dataset is refused instead of resumed somewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Final, NamedTuple, TypeAlias, final

from blobio.errors import InvalidConfig

__all__ = ["Position", "State", "StateDict", "StateMismatch", "shortened"]

StateDict: TypeAlias = dict[str, "int | str | bool | None"]
"""A state as JSON has it."""

VERSION: Final = 1
_MAX_WORDS: Final = 300
_KEPT_WORDS: Final = 200


class StateMismatch(InvalidConfig):
    """A state was taken of another dataset, or by a version that wrote it otherwise.

    The message names each difference.
    """


class Position(NamedTuple):
    """A place in an order of batches.

    Attributes:
        epoch: Whose order.
        batches: How many batches of it come before.
        rows: And rows of the next batch.
    """

    epoch: int
    batches: int = 0
    rows: int = 0


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What was delivered of which order.

    Attributes:
        fingerprint: Of the source; of several sources a digest of theirs.
        order: How the rows are ordered, in words, which a digest shortens.
        seed: Of the outermost shuffle, None without one; it is in `order` too.
        batch_rows: Rows of a batch.
        lanes: Runs of the order that are read side by side.
        drop_last: A last batch that is not full is left out.
        epoch: The current one.
        batches: How many batches of its order all ranks together have delivered.
        rows: And of the batch after these, where rows are taken one by one.
        on_error: What is done about blocks that are lost.
        lost: Those that are known to be, see `blobio.dataset.lost`.
    """

    fingerprint: str
    order: str
    seed: int | None
    batch_rows: int
    lanes: int
    drop_last: bool
    epoch: int
    batches: int
    rows: int = 0
    on_error: str = "raise"
    lost: str = ""

    def to_dict(self) -> StateDict:
        """Return it as JSON has it."""
        return {"version": VERSION, **asdict(self)}

    @classmethod
    def from_dict(cls, found: Mapping[str, object]) -> State:
        """Return the state in a dict.

        Raises:
            StateMismatch: It is none, or of another version.
        """
        if found.get("version") != VERSION:
            message = f"a state of version {found.get('version')!r}; this blobio reads {VERSION}"
            raise StateMismatch(message)
        left_out: dict[str, object] = {"on_error": "raise", "lost": ""}
        found = {**left_out, **found}
        values = {field.name: found.get(field.name) for field in fields(cls)}
        if not isinstance(values["lost"], str):
            message = f"a state needs words 'lost', not {values['lost']!r}"
            raise StateMismatch(message)
        for name in ("batch_rows", "lanes", "epoch", "batches", "rows"):
            value = values[name]
            if not isinstance(value, int) or value < 0:
                message = f"a state needs a number {name!r} of 0 or more, not {value!r}"
                raise StateMismatch(message)
        return cls(**values)  # type: ignore[arg-type]  # checked above, or compared below

    def check(self, here: State) -> None:
        """Refuse a state that was not taken of what is `here`.

        Raises:
            StateMismatch: With what differs.
        """
        names = ("fingerprint", "seed", "order", "batch_rows", "lanes", "drop_last", "on_error")
        different = [
            f"{name} was {getattr(self, name)!r} and is {getattr(here, name)!r}"
            for name in names
            if getattr(self, name) != getattr(here, name)
        ]
        if different:
            message = f"the state is of another dataset: {'; '.join(different)}"
            raise StateMismatch(message)


def shortened(words: str) -> str:
    """Return words, or their beginning and a digest if they are too long for a state."""
    if len(words) <= _MAX_WORDS:
        return words
    digest = hashlib.blake2b(words.encode(), digest_size=16).hexdigest()
    return f"{words[:_KEPT_WORDS]}... {digest}"
