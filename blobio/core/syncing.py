"""What `sync` does to each name, as plain values; the file of a plan; the guards against wiping.

Nothing here sends a request. A plan is JSON lines: one `plan` with both roots, one `copy` or
`delete` a name with the versions that were listed, one `end` with the counts, without which a plan
is not whole.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, final

from blobio.core.comparing import Pair, is_content
from blobio.core.metadata import to_stat
from blobio.core.sameness import looks_same
from blobio.values import BlobMeta, Version

__all__ = [
    "Counts",
    "DeleteLimit",
    "PlanError",
    "Rule",
    "State",
    "Step",
    "Verdict",
    "decide",
    "dump_end",
    "dump_head",
    "dump_step",
    "load_plan",
    "refusal",
]

Verdict: TypeAlias = Literal["copy", "skip", "delete", "ask"]
Rule: TypeAlias = Literal["default", "size", "checksum"]

_FORMAT: Final = 1
_LIMIT: Final = 100
_LIMIT_PERCENT: Final = 25


def decide(pair: Pair, rule: Rule = "default") -> Verdict:
    """Decide what becomes of one name; `ask` if only the bytes, or a HEAD, can tell.

    Directories are no content: they are made by what lies in them, and never deleted.
    """
    source = pair.left if pair.left is not None and is_content(pair.left) else None
    target = pair.right if pair.right is not None and is_content(pair.right) else None
    if source is None:
        return "skip" if target is None else "delete"
    if target is None or source.size != target.size:
        return "copy"
    if rule == "size":
        return "skip"
    if rule == "checksum":
        return "ask"
    return "skip" if looks_same(source, target) else "copy"


@final
@dataclass(frozen=True, slots=True)
class State:
    """A blob as it was listed.

    Attributes:
        size: Bytes.
        mtime: Seconds since the epoch.
        version: None if the store has none.
    """

    size: int
    mtime: float
    version: Version | None

    @staticmethod
    def of(meta: BlobMeta | None) -> State | None:
        """Keep what a listing tells of a blob; None for what is not there or no content."""
        if meta is None or not is_content(meta):
            return None
        return State(meta.size, to_stat(meta).mtime, meta.version)

    def describes(self, meta: BlobMeta) -> bool:
        """Tell whether this is still what is there, as far as the store can say.

        Without versions the times are compared to the second, all that some stores tell of one.
        """
        if self.version is not None and meta.version is not None:
            return self.version == meta.version
        return self.size == meta.size and int(self.mtime) == int(to_stat(meta).mtime)


@final
@dataclass(frozen=True, slots=True)
class Step:
    """One change of the target.

    Attributes:
        name: Relative to both roots.
        source: What is copied; None to delete.
        target: What was there; None for nothing.
    """

    name: str
    source: State | None
    target: State | None


@final
@dataclass(slots=True)
class Counts:
    """What two listings came to.

    Attributes:
        sources: Blobs of the source.
        targets: Blobs of the target.
        copies: Of those, to copy.
        deletes: To delete.
    """

    sources: int = 0
    targets: int = 0
    copies: int = 0
    deletes: int = 0


@final
@dataclass(frozen=True, slots=True)
class DeleteLimit:
    """The most deletes of one sync.

    Attributes:
        number: So many; None for no such limit.
        percent: So much of the blobs at the target; None likewise. The larger one counts.
    """

    number: int | None = _LIMIT
    percent: int | None = _LIMIT_PERCENT

    @classmethod
    def parse(cls, text: str) -> DeleteLimit:
        """Read `N` or `N%`.

        Raises:
            ValueError: It is neither.
        """
        value = int(text.removesuffix("%"))
        if value < 0:
            message = "a limit of deletes is not negative"
            raise ValueError(message)
        return cls(None, value) if text.endswith("%") else cls(value, None)

    def most(self, targets: int) -> int:
        """Return how many deletes there may be where `targets` blobs are."""
        return max(self.number or 0, targets * (self.percent or 0) // 100)


def refusal(counts: Counts, limit: DeleteLimit, *, empty_ok: bool) -> str | None:
    """Say why these deletes must not be done; None if they may."""
    if not counts.sources and not empty_ok:
        return (
            "the source has nothing that could be copied, so all of the target would be deleted; "
            "--allow-empty-source says that you mean it"
        )
    most = limit.most(counts.targets)
    if counts.deletes > most:
        return (
            f"{counts.deletes} of the target's {counts.targets} blobs would be deleted, more than "
            f"{most}; --max-delete N or N% allows more"
        )
    return None


class PlanError(ValueError):
    """A file is no plan, or not all of one."""


def dump_step(step: Step) -> str:
    """Write one step as a line of a plan."""
    record = {
        "type": "copy" if step.source else "delete",
        "name": step.name,
        "source": _dump_state(step.source),
        "target": _dump_state(step.target),
    }
    return json.dumps(record)


def dump_head(source: str, target: str) -> str:
    """Write the first line of a plan."""
    return json.dumps({"type": "plan", "v": _FORMAT, "src": source, "dst": target})


def dump_end(counts: Counts) -> str:
    """Write the last line of a plan."""
    return json.dumps(
        {
            "type": "end",
            "sources": counts.sources,
            "targets": counts.targets,
            "copies": counts.copies,
            "deletes": counts.deletes,
        }
    )


def _dump_state(state: State | None) -> dict[str, object] | None:
    if state is None:
        return None
    return {"size": state.size, "mtime": state.mtime, "version": state.version}


def load_plan(lines: Iterable[str], source: str, target: str) -> Iterator[Step]:
    """Read the steps of a plan, one at a time.

    Args:
        lines: The file.
        source: The root that must be its source.
        target: Likewise.

    Raises:
        PlanError: It is no plan of these two trees, or its end is missing or tells other counts.
    """
    counts = Counts()
    ended = started = False
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
            kind = record["type"]
            if number == 1:
                _check_head(record, source, target)
                started = True
            elif ended:
                message = "something follows its end"
                raise PlanError(message)
            elif kind == "end":
                ended = True
                _check_end(record, counts)
            else:
                yield _load_step(record, kind, counts)
        except PlanError as error:
            message = f"line {number}: {error}"
            raise PlanError(message) from error
        except (ValueError, KeyError, TypeError) as error:
            message = f"line {number}: not a line of a plan"
            raise PlanError(message) from error
    if not (started and ended):
        message = "the plan has no end: it was not written to its end, or cut"
        raise PlanError(message)


def _check_head(record: dict[str, object], source: str, target: str) -> None:
    if record["type"] != "plan" or record["v"] != _FORMAT:
        message = f"not a plan of version {_FORMAT}"
        raise PlanError(message)
    if (record["src"], record["dst"]) != (source, target):
        message = f"a plan of {record['src']} and {record['dst']}, not of {source} and {target}"
        raise PlanError(message)


def _check_end(record: dict[str, object], counts: Counts) -> None:
    if (record["copies"], record["deletes"]) != (counts.copies, counts.deletes):
        message = "its end counts other steps than there are"
        raise PlanError(message)


def _load_step(record: dict[str, object], kind: object, counts: Counts) -> Step:
    name = record["name"]
    source, target = _load_state(record["source"]), _load_state(record["target"])
    is_copy = kind == "copy" and source is not None
    is_delete = kind == "delete" and source is None and target is not None
    if not isinstance(name, str) or not name or not (is_copy or is_delete):
        message = "neither a copy nor a delete"
        raise PlanError(message)
    counts.copies += is_copy
    counts.deletes += is_delete
    return Step(name, source, target)


def _load_state(record: object) -> State | None:
    if record is None:
        return None
    if not isinstance(record, dict):
        message = "a state is an object"
        raise PlanError(message)
    if not math.isfinite(record["mtime"]):
        message = "a time is a number"
        raise PlanError(message)
    version = record["version"]
    return State(
        int(record["size"]),
        float(record["mtime"]),
        None if version is None else Version(str(version)),
    )
