"""The Hub's own conversion of a dataset to Parquet, if it stands for one commit of it.

The viewer converts in the background: what it tells may be of an earlier commit, of the first few
gibibytes only, or unfinished. Such a conversion is another dataset, and is not taken for this one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast, final
from urllib.parse import unquote, urlsplit

from blobio.errors import NotFound, PermissionDenied

if TYPE_CHECKING:
    from blobio.drivers.hub.api import HubApi, Json

__all__ = ["Converted", "NotConverted", "find_converted"]

_REFERENCE: Final = "refs/convert/parquet"
_DEFAULT: Final = "default"
_AT_ONCE: Final = 500  # paths in one question


@final
class NotConverted(Exception):
    """No conversion stands for the commit; the message tells why."""


@final
@dataclass(frozen=True, slots=True)
class Converted:
    """The conversion of one subset.

    Attributes:
        subset: Its name.
        commit: The commit of the branch of conversions that holds the files.
        splits: Path and size of each file, in the order of the rows, by split.
    """

    subset: str
    commit: str
    splits: Mapping[str, Sequence[tuple[str, int]]]


async def find_converted(api: HubApi, commit: str, subset: str | None, subject: str) -> Converted:
    """Find the conversion of a commit: 2 GETs, and 1 POST for every 500 files.

    Args:
        api: Asks about the dataset.
        commit: What must have been converted.
        subset: Which part; None for the default one, or the only one.
        subject: URL of the dataset, for errors.

    Raises:
        NotConverted: None stands for that commit.
        NotFound: It has no such subset, or several and none is the default.
    """
    subsets = _files(await _viewed(api, commit))
    name = _choose(subsets, subset, subject)
    at = await _branch(api)
    sizes: dict[str, int] = {}
    paths = [path for files in subsets[name].values() for path, _ in files]
    for start in range(0, len(paths), _AT_ONCE):
        told = await api.paths(at, paths[start : start + _AT_ONCE])
        sizes.update((each.path, each.size) for each in told)
    for files in subsets[name].values():
        for path, size in files:
            if sizes.get(path) != size:
                message = f"{path} is not there as the viewer tells, the conversion was replaced"
                raise NotConverted(message)
    return Converted(name, at, subsets[name])


async def _viewed(api: HubApi, commit: str) -> Json:
    """Ask the viewer, and refuse what is not the whole of this commit."""
    try:
        viewed = await api.viewer("parquet")
    except (NotFound, PermissionDenied) as error:
        message = f"the viewer does not know it ({error.status})"
        raise NotConverted(message) from error
    told = viewed.told
    if viewed.revision != commit:
        message = f"the one there is is of {viewed.revision or 'no commit'}, not of {commit}"
        raise NotConverted(message)
    if told.get("partial") is not False:
        message = "the one there is is of a part only"
        raise NotConverted(message)
    for state in ("pending", "failed"):
        if told.get(state) != []:
            message = f"some of it is {state}"
            raise NotConverted(message)
    return told


def _files(told: Json) -> dict[str, dict[str, list[tuple[str, int]]]]:
    """Return path and size of each file by subset and split, in the order of the viewer."""
    found: dict[str, dict[str, list[tuple[str, int]]]] = {}
    try:
        for one in cast("Sequence[Mapping[str, object]]", told["parquet_files"]):
            subset, split, size = one["config"], one["split"], one["size"]
            if not (isinstance(subset, str) and isinstance(split, str) and isinstance(size, int)):
                raise TypeError
            # .../resolve/refs%2Fconvert%2Fparquet/SUBSET/SPLIT/0000.parquet
            path = urlsplit(str(one["url"])).path.partition("/resolve/")[2].partition("/")[2]
            found.setdefault(subset, {}).setdefault(split, []).append((unquote(path), size))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        message = "what the viewer tells cannot be understood"
        raise NotConverted(message) from error
    if not found:
        message = "it has no files"
        raise NotConverted(message)
    return found


def _choose(subsets: Mapping[str, object], name: str | None, subject: str) -> str:
    if name is None and (_DEFAULT in subsets or len(subsets) == 1):
        return _DEFAULT if _DEFAULT in subsets else next(iter(subsets))
    if name is not None and name in subsets:
        return name
    what = "several subsets, and none is the default" if name is None else f"no subset {name!r}"
    message = f"{subject} has {what}; its subsets are {', '.join(subsets)}"
    raise NotFound(message, url=subject, operation="open")


async def _branch(api: HubApi) -> str:
    """Return the commit that the branch of conversions is now."""
    told = await api.refs()
    converts = told.get("converts")
    for each in converts if isinstance(converts, list) else []:
        if isinstance(each, dict) and each.get("ref") == _REFERENCE:
            return str(each.get("targetCommit"))
    message = f"there is no branch {_REFERENCE}"
    raise NotConverted(message)
