"""What the card of a dataset says of its files: the YAML at the head of its README. Pure.

PyYAML reads it: that is what `huggingface_hub` reads it with, and all that would be used of it.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias, cast, final

from blobio.errors import BlobError, Unsupported

__all__ = ["MAX_CARD_BYTES", "BadCard", "Card", "Count", "Subset", "parse_card"]

MAX_CARD_BYTES: Final = 16 << 20
"""Most bytes of a README that are looked at; the largest cards tell of a thousand subsets."""

_HEAD: Final = re.compile(r"\ufeff?---[ \t]*\r?\n(.*?)^---[ \t]*\r?$", re.DOTALL | re.MULTILINE)
_SPLIT: Final = re.compile(r"\w+(\.\w+)*")
_TRAIN: Final = "train"
_DEFAULT: Final = "default"

Patterns: TypeAlias = Mapping[str, tuple[str, ...]]
"""Patterns of paths, by split."""


@final
class BadCard(BlobError, ValueError):
    """The card of a dataset cannot be understood."""


@final
@dataclass(frozen=True, slots=True)
class Count:
    """What a card tells of the size of a split; None for what it does not."""

    num_rows: int | None = None
    num_bytes: int | None = None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Subset:
    """One of the tables of a dataset, which the Hub calls a subset and `datasets` a config.

    Attributes:
        name: Its name.
        patterns: Of its files, by split, below `directory`; None if they go by their names.
        directory: Where they are: empty for the root, else it ends in `/`.
        is_default: It is meant when none is named.
    """

    name: str
    patterns: Patterns | None = None
    directory: str = ""
    is_default: bool = False


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A card.

    Attributes:
        license: As it says, or None.
        subsets: Those it tells of, in its order; none if it does not say.
        counts: Sizes by subset and split.
    """

    license: str | None = None
    subsets: tuple[Subset, ...] = ()
    counts: Mapping[str, Mapping[str, Count]] = field(default_factory=dict)


def parse_card(readme: str, subject: str) -> Card:
    """Read the head of a README; one that has none says nothing.

    Args:
        readme: The text.
        subject: Its URL, for errors.

    Raises:
        BadCard: It is no YAML, or says nothing that makes sense of its files.
        Unsupported: PyYAML is not installed; the message names the `pip install` to run.
    """
    match = _HEAD.match(readme)
    if match is None:
        return Card()
    told = _load(match[1], subject)
    if told is None:
        return Card()
    if not isinstance(told, dict):
        raise _bad("its head is no mapping", subject)
    try:
        return Card(
            license=_license(told.get("license")),
            subsets=tuple(_subset(one) for one in _list(told.get("configs"))),
            counts=dict(_counts(one) for one in _list(told.get("dataset_info"))),
        )
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        what = f"what it says of its files cannot be understood ({error})"
        raise _bad(what, subject) from error


def _load(text: str, subject: str) -> object:
    if importlib.util.find_spec("yaml") is None:
        message = f"{subject}: a card is read with PyYAML: run  pip install 'blobio[hub]'"
        raise Unsupported(message, url=subject)
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where it was built
    try:
        return cast("object", yaml.load(text, Loader=loader))  # noqa: S506 - both are safe
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise _bad("its head is no YAML", subject) from error


def _license(told: object) -> str | None:
    names = [each for each in _list(told) if isinstance(each, str)]
    return ", ".join(names) or None


def _subset(told: object) -> Subset:
    fields = _mapping(told)
    directory = _path(fields.get("data_dir") or ".").strip("/")
    files = fields.get("data_files")
    return Subset(
        name=_text(fields.get("config_name", _DEFAULT)),
        patterns=None if files is None else _patterns(files),
        directory=f"{directory}/" if directory not in ("", ".") else "",
        is_default=fields.get("default") is True,
    )


def _patterns(told: object) -> Patterns:
    """Return the patterns by split of the forms that `data_files` has.

    One pattern or several, which are of the split `train`; a mapping from splits; or a list of
    `split` and `path`.
    """
    if isinstance(told, dict):
        return {_split(split): _paths(paths) for split, paths in told.items()}
    items = _list(told)
    if not items:
        message = "data_files is empty"
        raise ValueError(message)
    if not any(isinstance(item, dict) for item in items):
        return {_TRAIN: _paths(items)}
    found: dict[str, tuple[str, ...]] = {}
    for item in items:
        fields = _mapping(item)
        split = _split(fields.get("split", _TRAIN))
        found[split] = found.get(split, ()) + _paths(fields["path"])
    return found


def _counts(told: object) -> tuple[str, Mapping[str, Count]]:
    fields = _mapping(told)
    splits = [_mapping(split) for split in _list(fields.get("splits"))]
    return _text(fields.get("config_name", _DEFAULT)), {
        _text(split["name"]): Count(
            _count(split.get("num_examples")), _count(split.get("num_bytes"))
        )
        for split in splits
    }


def _count(told: object) -> int | None:
    return told if isinstance(told, int) and not isinstance(told, bool) and told >= 0 else None


def _split(told: object) -> str:
    name = _text(told)
    if _SPLIT.fullmatch(name) is None:
        message = f"{name!r} is no name of a split"
        raise ValueError(message)
    return name


def _paths(told: object) -> tuple[str, ...]:
    return tuple(_path(each) for each in _list(told))


def _path(told: object) -> str:
    """Return a pattern or directory, which must lie within the dataset."""
    text = _text(told).removeprefix("./")
    if "://" in text or text.startswith("/") or ".." in text.split("/"):
        message = f"{text!r} is outside of the dataset"
        raise ValueError(message)
    return text


def _text(told: object) -> str:
    if isinstance(told, int):  # a split or subset may be called 2024
        return str(told)
    if not isinstance(told, str) or not told:
        message = f"{told!r} is no text"
        raise TypeError(message)
    return told


def _list(told: object) -> Sequence[object]:
    if told is None:
        return ()
    return told if isinstance(told, list | tuple) else (told,)


def _mapping(told: object) -> Mapping[str, object]:
    if not isinstance(told, dict):
        message = f"{told!r} is no mapping"
        raise TypeError(message)
    return told


def _bad(what: str, subject: str) -> BadCard:
    return BadCard(f"{subject}: {what}", url=subject, operation="open")
