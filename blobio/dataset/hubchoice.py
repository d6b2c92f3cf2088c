"""Which files of a dataset are its rows, and of which split: by its card, else by names. Pure.

The order is that of `datasets`: patterns of the card; names like `data/train-00000-of-00002.csv`;
directories, then names, with a word that means a split; else all is `train`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from blobio.core.globpattern import GlobPattern
from blobio.dataset.hubcard import BadCard, Subset
from blobio.errors import NotFound, Unsupported

__all__ = ["Choice", "choose_files", "choose_subset", "format_of"]

Choice: TypeAlias = Mapping[str, Sequence[str]]
"""Paths by split, both in their order."""

_SHARDED: Final = re.compile(r"data/(\w+(?:\.\w+)*)-\d{5}-of-\d{5}[^/]*\.[^/]*", re.ASCII)
# A word stands alone between these, and in a name of a file the last of them is behind it.
_EDGE: Final = r"[-._ 0-9]"
_WORDS: Final = {
    "train": "train|training",
    "validation": "validation|valid|dev|val",
    "test": "test|testing|eval|evaluation",
}
_IN_DIRECTORY: Final = {
    split: re.compile(rf"(?:.*{_EDGE})?(?:{words})(?:{_EDGE}.*)?", re.DOTALL)
    for split, words in _WORDS.items()
}
_IN_NAME: Final = {
    split: re.compile(rf"(?:.*{_EDGE})?(?:{words}){_EDGE}.*", re.DOTALL)
    for split, words in _WORDS.items()
}
_NO_DATA: Final = frozenset(
    {
        *("README.md", "config.json", "dataset_info.json", "dataset_infos.json"),
        *("dummy_data.zip", "dataset_dict.json", "state.json"),
    }
)
_HIDDEN: Final = (".", "__")
_FORMATS: Final = {
    "parquet": "parquet",
    "arrow": "arrow",
    "feather": "arrow",
    "csv": "csv",
    "tsv": "csv",
    "jsonl": "ndjson",
    "ndjson": "ndjson",
    "json": "ndjson",
}
_COMPRESSIONS: Final = frozenset({"gz", "bz2", "xz", "zst", "lz4"})
_DEFAULT: Final = "default"


def format_of(path: str) -> str | None:
    """Return the format of rows that a name tells of, or None if it is none that is read here."""
    steps = path.rpartition("/")[2].lower().split(".")[1:]
    if steps and steps[-1] in _COMPRESSIONS:
        steps.pop()
    return _FORMATS.get(steps[-1]) if steps else None


def choose_subset(subsets: Sequence[Subset], name: str | None, subject: str) -> Subset:
    """Return the subset that is meant: the one named, else the default, else the only one.

    Raises:
        NotFound: There is no such subset, or several and none is the default; the message tells
            which there are.
    """
    if not subsets and name in (None, _DEFAULT):
        return Subset(name=_DEFAULT)
    if name is None:
        default = [one for one in subsets if one.is_default]
        default += [one for one in subsets if one.name == _DEFAULT]
        if default or len(subsets) == 1:
            return [*default, *subsets][0]
    for one in subsets:
        if one.name == name:
            return one
    known = ", ".join(one.name for one in subsets) or _DEFAULT
    what = "several subsets, and none is the default" if name is None else f"no subset {name!r}"
    message = f"{subject} has {what}; its subsets are {known}"
    raise NotFound(message, url=subject, operation="open")


def choose_files(subset: Subset, paths: Iterable[str], subject: str) -> Choice:
    """Return the files of a subset that hold rows, by split.

    Of several formats that are read here only the one that most files have is taken; if none is
    read here, nothing is left.

    Args:
        subset: Says which.
        paths: All files of the dataset.
        subject: Its URL, for errors.

    Raises:
        NotFound: A pattern of the card matches nothing.
        BadCard: A pattern means too much.
        Unsupported: Splits are of different formats.
    """
    below = [path[len(subset.directory) :] for path in paths if path.startswith(subset.directory)]
    found: Choice
    if subset.patterns is not None:
        found = {
            split: _matched(each, below, f"{subject}, subset {subset.name}, split {split}")
            for split, each in subset.patterns.items()
        }
    else:
        found = _by_names(sorted(path for path in below if not _is_hidden(path, "")))
    formats = Counter(format_of(path) for each in found.values() for path in each)
    del formats[None]
    if not formats:
        return {}
    best = min(formats, key=lambda kind: (-formats[kind], str(kind)))
    chosen: dict[str, list[str]] = {}
    for split, each in found.items():
        kept = [subset.directory + path for path in each if format_of(path) == best]
        if kept:
            chosen[split] = kept
        elif subset.patterns is not None or any(map(format_of, each)):
            message = f"{subject}: split {split} has no files of the format of the others, {best}"
            raise Unsupported(message, url=subject, operation="open")
    return chosen


def _matched(patterns: Sequence[str], paths: Sequence[str], what: str) -> list[str]:
    """Return the paths that match, pattern after pattern, each once."""
    found: dict[str, None] = {}
    for text in patterns:
        try:
            pattern = GlobPattern.parse(text)
        except ValueError as error:
            raise BadCard(f"{what}: {error}", operation="open") from error
        matching = [path for path in paths if pattern.matches(path) and not _is_hidden(path, text)]
        if not matching:
            message = f"{what}: the card names {text!r}, and no file matches that"
            raise NotFound(message, operation="open")
        found.update(dict.fromkeys(sorted(matching)))
    return list(found)


def _is_hidden(path: str, pattern: str) -> bool:
    """Tell if a file is not meant unless the pattern says so itself."""
    steps = path.split("/")
    named = pattern.split("/")
    if steps[-1] in _NO_DATA and steps[-1] != named[-1]:
        return True
    shown = sum(step.startswith(_HIDDEN) for step in named)
    return sum(step.startswith(_HIDDEN) for step in steps) > shown


def _by_names(paths: Sequence[str]) -> Mapping[str, list[str]]:
    sharded: dict[str, list[str]] = {}
    for path in paths:
        match = _SHARDED.fullmatch(path)
        if match is not None:
            sharded.setdefault(match[1], []).append(path)
    if sharded:
        return _in_order(sharded)
    in_directory = _with_word(paths, in_name=False)
    return in_directory or _with_word(paths, in_name=True) or ({"train": [*paths]} if paths else {})


def _with_word(paths: Sequence[str], *, in_name: bool) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for split, word in (_IN_NAME if in_name else _IN_DIRECTORY).items():
        for path in paths:
            *directories, name = path.split("/")
            if any(word.fullmatch(step) for step in ([name] if in_name else directories)):
                found.setdefault(split, []).append(path)
    return found


def _in_order(found: Mapping[str, list[str]]) -> Mapping[str, list[str]]:
    """Put the usual splits before others."""
    return {split: found[split] for split in dict.fromkeys((*_WORDS, *found)) if split in found}
