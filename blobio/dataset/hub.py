"""Datasets of the Hugging Face Hub: what they are, which splits they have, in which files.

::

    from blobio.dataset import hub

    hub.dataset_info("openai/gsm8k").license
    hub.splits("openai/gsm8k", subset="main")["train"].num_rows
    shards = hub.hub_shards("openai/gsm8k", "train", subset="main")  # hf:// URLs of one commit

A name is `namespace/name`, or a URL `hf://datasets/namespace/name[@revision]`. A revision is looked
up once, and everything that is returned names the commit it was: what is read later is of the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, final

from blobio.dataset.hubasking import Hub, HubFile, Pinned, ask, dataset_at
from blobio.dataset.hubcard import BadCard, Count
from blobio.dataset.hubchoice import Choice, choose_files, choose_subset
from blobio.dataset.hubconversion import Converted, NotConverted, find_converted
from blobio.errors import NotFound, Unsupported

if TYPE_CHECKING:
    from blobio.config import Config
    from blobio.drivers.hub.api import Json

__all__ = [
    "BadCard",
    "Count",
    "DatasetInfo",
    "HubFile",
    "HubSplit",
    "dataset_info",
    "hub_shards",
    "list_files",
    "splits",
]

_ASKED: Final = (
    "sha",
    "private",
    "gated",
    "disabled",
    "tags",
    "downloads",
    "likes",
    "lastModified",
)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class HubSplit:
    """A split of a dataset.

    Attributes:
        name: Its name.
        files: In the order of the rows.
        num_rows: As the card of the dataset tells; None if it does not.
        num_bytes: Bytes in memory, likewise.
        is_converted: The files are those of the Hub's own conversion to Parquet.
    """

    name: str
    files: tuple[HubFile, ...]
    num_rows: int | None = None
    num_bytes: int | None = None
    is_converted: bool = False


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetInfo:
    """What the Hub and the card of a dataset tell of it.

    Attributes:
        id: `namespace/name`, which is another one if the dataset was renamed.
        commit: The commit that the revision is now.
        private: Only some can see it.
        gated: `"auto"` or `"manual"` if its files are for those who have asked; else None.
        disabled: The Hub has taken it away.
        tags: Words to find it by.
        downloads: How often it was downloaded in the last month.
        likes: How many like it.
        last_modified: When it was changed last, as the Hub tells it, in ISO 8601; or None.
        license: As its card says; or None.
        subsets: Names of the tables that its card tells of; empty if it does not.
        counts: Rows and bytes by subset and split, as its card tells.
    """

    id: str
    commit: str
    private: bool = False
    gated: str | None = None
    disabled: bool = False
    tags: tuple[str, ...] = ()
    downloads: int | None = None
    likes: int | None = None
    last_modified: str | None = None
    license: str | None = None
    subsets: tuple[str, ...] = ()
    counts: Mapping[str, Mapping[str, Count]] = field(default_factory=dict)


def dataset_info(
    name: str, *, revision: str | None = None, config: Config | None = None
) -> DatasetInfo:
    """Return what is known of a dataset; 1 GET, and 1 or 2 for its card.

    Args:
        name: The dataset, see above.
        revision: Branch, tag, reference or commit; None for what `name` says, else `main`.
        config: All settings; None for `Config.from_env()`.

    Raises:
        NotFound: There is no such dataset or revision.
        Unauthenticated: Anonymous, and it is private or missing; or a token nobody knows.
        PermissionDenied: It is gated or disabled.
        BadCard: Its card cannot be understood.
        Unsupported: PyYAML is not installed, and it has a card.
    """
    return ask(name, revision, config, _info)


def list_files(
    name: str, *, directory: str = "", revision: str | None = None, config: Config | None = None
) -> list[HubFile]:
    """Return all files of a dataset, or those below a directory, in the order of their paths.

    1 GET for the commit unless that is the revision, and 1 GET for every thousand entries.

    Args:
        name: As of `dataset_info`.
        directory: Where to look; a dataset without it has no files there.
        revision: As of `dataset_info`.
        config: As of `dataset_info`.

    Raises:
        NotFound, Unauthenticated, PermissionDenied: As `dataset_info`.
    """
    prefix = f"{directory.strip('/')}/" if directory.strip("/") else ""

    async def files(hub: Hub) -> list[HubFile]:
        pinned = await hub.pinned()
        return await pinned.files(prefix)

    return ask(name, revision, config, files)


def splits(
    name: str,
    *,
    subset: str | None = None,
    revision: str | None = None,
    converted: bool | None = None,
    config: Config | None = None,
) -> dict[str, HubSplit]:
    """Return the splits of a dataset with their files, all of one commit.

    Files are chosen by the patterns of the card, else by their names, see
    `blobio.dataset.hubchoice`. Where none of them is of a format that is read here, the Hub's own
    conversion to Parquet is taken; but only one of that very commit, whole and without failures.

    Requests: 1 GET for the commit, 1 or 2 for the card, 1 for every thousand entries; 2 GETs and 1
    POST more for a conversion.

    Args:
        name: As of `dataset_info`.
        subset: One of the tables; None for the default one, or the only one.
        revision: As of `dataset_info`.
        converted: True takes the conversion whatever the files are, False never; None where needed.
        config: As of `dataset_info`.

    Raises:
        NotFound, Unauthenticated, PermissionDenied, BadCard: As `dataset_info`; also for a subset
            that is not there, or where one must be named.
        Unsupported: No file can be read here, and no conversion stands for them; or as there.
    """

    async def found(hub: Hub) -> dict[str, HubSplit]:
        return await _splits(hub, subset, converted)

    return ask(name, revision, config, found)


def hub_shards(
    name: str,
    split: str | None = None,
    revision: str | None = None,
    *,
    subset: str | None = None,
    converted: bool | None = None,
    config: Config | None = None,
) -> list[str]:
    """Return the files of a split as `hf://` URLs that name their commit, in the order of its rows.

    Args:
        name: As of `dataset_info`.
        split: Its name; None for all splits, one after the other.
        revision: As of `dataset_info`.
        subset: As of `splits`.
        converted: As of `splits`.
        config: As of `dataset_info`.

    Raises:
        NotFound: There is no such split; the message tells which there are. Or as `splits`.
        Unauthenticated, PermissionDenied, BadCard, Unsupported: As `splits`.
    """
    found = splits(name, subset=subset, revision=revision, converted=converted, config=config)
    if split is not None and split not in found:
        message = f"{name} has no split {split!r}: its splits are {', '.join(found)}"
        raise NotFound(message, operation="open")
    wanted = found.values() if split is None else [found[split]]
    return [file.url for each in wanted for file in each.files]


async def _info(hub: Hub) -> DatasetInfo:
    told = await hub.api.info("&".join(f"expand={name}" for name in _ASKED))
    commit = hub.api.commit_of(told)
    card = await Pinned(hub.core, hub.api.dataset, commit).card()
    gated, tags, modified = told.get("gated"), told.get("tags"), told.get("lastModified")
    dataset = told.get("id")
    return DatasetInfo(
        id=dataset if isinstance(dataset, str) else hub.api.dataset,
        commit=commit,
        private=told.get("private") is True,
        gated=gated if isinstance(gated, str) else None,
        disabled=told.get("disabled") is True,
        tags=tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else (),
        downloads=_number(told, "downloads"),
        likes=_number(told, "likes"),
        last_modified=modified if isinstance(modified, str) else None,
        license=card.license,
        subsets=tuple(one.name for one in card.subsets),
        counts=card.counts,
    )


def _number(told: Json, name: str) -> int | None:
    value = told.get(name)
    return value if isinstance(value, int) else None


async def _splits(hub: Hub, name: str | None, converted: bool | None) -> dict[str, HubSplit]:  # noqa: FBT001 - of three values
    pinned = await hub.pinned()
    card = await pinned.card()
    if converted is not True:
        subset = choose_subset(card.subsets, name, str(hub.url))
        files = {file.path: file for file in await pinned.files()}
        choice = choose_files(subset, files, str(hub.url))
        if any(choice.values()):
            return _made(choice, files, card.counts.get(subset.name, {}), is_converted=False)
        if converted is False:
            message = f"{hub.url}: none of its {len(files)} files is of a format that is read here"
            raise Unsupported(message, url=hub.url, operation="open")
        name = subset.name if card.subsets else name
    try:
        found = await find_converted(pinned.api, pinned.commit, name, str(hub.url))
    except NotConverted as reason:
        files_are = "" if converted else "none of its files is of a format that is read here, and "
        message = f"{hub.url}: {files_are}no conversion to Parquet stands for it: {reason}"
        raise Unsupported(message, url=hub.url, operation="open") from None
    return _of_conversion(found, pinned, card.counts.get(found.subset, {}))


def _of_conversion(
    found: Converted, pinned: Pinned, counts: Mapping[str, Count]
) -> dict[str, HubSplit]:
    at = dataset_at(pinned.dataset, found.commit)
    files = {
        path: HubFile(path=path, size=size, version=None, url=str(at.with_key(path)))
        for each in found.splits.values()
        for path, size in each
    }
    choice = {split: [path for path, _ in each] for split, each in found.splits.items()}
    return _made(choice, files, counts, is_converted=True)


def _made(
    choice: Choice, files: Mapping[str, HubFile], counts: Mapping[str, Count], *, is_converted: bool
) -> dict[str, HubSplit]:
    return {
        name: HubSplit(
            name=name,
            files=tuple(files[path] for path in paths),
            num_rows=counts.get(name, Count()).num_rows,
            num_bytes=counts.get(name, Count()).num_bytes,
            is_converted=is_converted,
        )
        for name, paths in choice.items()
    }
