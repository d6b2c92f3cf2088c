"""Where questions about a dataset of the Hub are asked: on the loop, first pinned to a commit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, final
from urllib.parse import quote

from blobio.dataset.hubcard import MAX_CARD_BYTES, BadCard, Card, parse_card
from blobio.errors import InvalidConfig, NotFound, Unsupported
from blobio.url import BlobUrl
from blobio.values import Version

if TYPE_CHECKING:
    from blobio.config import Config
    from blobio.core.context import AsyncContext
    from blobio.drivers.hub.api import HubApi

__all__ = ["Hub", "HubFile", "Pinned", "ask", "dataset_at"]

R = TypeVar("R")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class HubFile:
    """One file of one commit.

    Attributes:
        path: From the root of the dataset.
        size: Bytes.
        version: What identifies the bytes, as `stat` tells it; None if it was not asked for.
        url: `hf://datasets/namespace/name@commit/path`.
    """

    path: str
    size: int
    version: Version | None
    url: str


@final
@dataclass(frozen=True, slots=True)
class Hub:
    """A dataset at a revision.

    Attributes:
        core: Where to ask.
        url: The dataset.
    """

    core: AsyncContext
    url: BlobUrl

    @property
    def api(self) -> HubApi:
        """What asks.

        Raises:
            Unsupported: The URL is of another store.
        """
        from blobio.drivers.hub.driver import HubDriver

        driver = self.core.stores.driver(self.url)
        if not isinstance(driver, HubDriver):
            message = f"{self.url} is no dataset of the Hugging Face Hub"
            raise Unsupported(message, url=self.url, operation="open")
        return driver.api

    async def pinned(self) -> Pinned:
        """Look up the commit: 1 GET, or none."""
        return Pinned(self.core, self.api.dataset, await self.api.commit())


@final
@dataclass(frozen=True, slots=True)
class Pinned:
    """A dataset at a commit.

    Attributes:
        core: Where to ask.
        dataset: `namespace/name`.
        commit: The commit.
    """

    core: AsyncContext
    dataset: str
    commit: str

    @property
    def url(self) -> BlobUrl:
        """The dataset at that commit."""
        return dataset_at(self.dataset, self.commit)

    @property
    def api(self) -> HubApi:
        """What asks."""
        return Hub(self.core, self.url).api

    async def card(self) -> Card:
        """Read the card; one that is not there says nothing."""
        url = str(self.url.with_key("README.md"))
        try:
            size = (await self.core.stat(url)).size
            if size > MAX_CARD_BYTES:
                message = f"{url}: {size} bytes are more than a card may have"
                raise BadCard(message, url=url, operation="open")
            data = await self.core.read_bytes(url)
        except NotFound:
            return Card()
        return parse_card(data.decode("utf-8", "replace"), url)

    async def files(self, prefix: str = "") -> list[HubFile]:
        """List all files below a prefix that ends in `/`."""
        try:
            pages = [
                page async for page, _ in self.api.tree(self.commit, prefix[:-1], recursive=True)
            ]
        except NotFound as error:
            if error.code != "EntryNotFound":
                raise
            return []
        return [
            HubFile(
                path=each.path,
                size=each.size,
                version=None if each.version is None else Version(each.version),
                url=str(self.url.with_key(each.path)),
            )
            for each in sorted(each for page in pages for each in page)
        ]


def dataset_at(dataset: str, revision: str | None) -> BlobUrl:
    """Return the URL of a dataset at a revision; None for none in particular."""
    at = "" if revision is None else f"@{quote(revision, safe='')}"
    return BlobUrl("hf", f"datasets/{dataset}{at}", "")


def ask(
    name: str,
    revision: str | None,
    config: Config | None,
    question: Callable[[Hub], Awaitable[R]],
) -> R:
    """Run a question on the loop, with connections of its own."""
    from blobio.blocking.binding import Binding

    url = _parse(name, revision)

    async def answer(core: AsyncContext) -> R:
        return await question(Hub(core, url))

    binding = Binding(config)
    try:
        return binding.call(answer)
    finally:
        binding.close()


def _parse(name: str, revision: str | None) -> BlobUrl:
    url = BlobUrl.parse(name if "://" in name else f"hf://datasets/{name}")
    if url.key:
        message = f"{name} names a file: a dataset is hf://datasets/namespace/name[@revision]"
        raise InvalidConfig(message, url=url, operation="open")
    if revision is None:
        return url
    dataset, at, _ = url.authority.partition("@")
    if at:
        message = f"{name} names its revision, and so does revision={revision!r}"
        raise InvalidConfig(message, url=url, operation="open")
    return dataset_at(dataset.removeprefix("datasets/"), revision)
