"""`Registry`: named, versioned datasets below a prefix of any store.

A version is a manifest, written once and never again: `datasets/NAME/versions/VERSION.json`. Beside
it, `datasets/NAME/latest.json` says which version is the latest and what it is like; it moves under
the store's own condition. Whoever knows name and version needs neither listing nor pointer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NoReturn, final

from blobio.dataset.blobs import Blobs
from blobio.dataset.freezing import HasManifest, read_document
from blobio.dataset.manifest import Manifest
from blobio.dataset.manifestfields import Fields, ManifestError
from blobio.dataset.manifestjson import dump_manifest, parse_manifest
from blobio.errors import AlreadyExists, BlobError, Conflict, NotFound, Unsupported, VersionMismatch
from blobio.url import BlobUrl, PathLike
from blobio.values import CreateOnly, ReplaceIf, Version, WriteMode

if TYPE_CHECKING:
    from blobio.config import Config
    from blobio.dataset.cache import Cache

__all__ = ["Card", "Registry"]

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}(/[A-Za-z0-9][A-Za-z0-9._-]{0,95})?")
_VERSION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
_LATEST: Final = "latest"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What a registry tells of the latest version of a dataset.

    Attributes:
        name: Of the dataset.
        version: The version.
        license: As an SPDX identifier or words, or None.
        tags: Words to find it by.
        description: For people.
        num_rows: Rows.
        num_bytes: Stored bytes of all shards.
        columns: Names of the columns.
        splits: Names of the splits.
        published: When, in UTC, as ISO 8601.
    """

    name: str
    version: str
    license: str | None
    tags: tuple[str, ...]
    description: str
    num_rows: int
    num_bytes: int
    columns: tuple[str, ...]
    splits: tuple[str, ...]
    published: str

    def matches(self, words: Iterable[str]) -> bool:
        """Tell whether each word is found in name, description, tags, licence or columns."""
        text = "\n".join(
            (self.name, self.description, self.license or "", *self.tags, *self.columns)
        ).casefold()
        return all(word.casefold() in text for word in words)


@final
class Registry:
    """Named, versioned datasets below a prefix of any store.

    Names are `NAME` or `ORG/NAME`, of letters, digits, `.`, `_` and `-`; versions likewise, with
    `+`. Of two publishers of one version one wins and the other gets `AlreadyExists`. Of two
    publishers of different versions at once both versions are there, and who did not get to move
    `latest` is told.

    Args:
        url: The prefix.
        cache: Where `load` and `latest` keep what they read, and find it offline, see
            `load_manifest`.
        config: All settings; None for `Config.from_env()`.
    """

    def __init__(
        self, url: PathLike, *, cache: Cache | None = None, config: Config | None = None
    ) -> None:
        self._root = BlobUrl.parse(url).as_directory
        self._cache = cache
        self._blobs = Blobs(config)

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (str(self._root), self._cache, self._blobs.given)

    @property
    def url(self) -> str:
        """The prefix."""
        return str(self._root)

    def publish(
        self,
        name: str,
        dataset: Manifest | HasManifest,
        *,
        version: str,
        license: str | None = None,
        tags: Sequence[str] | None = None,
        description: str | None = None,
    ) -> Card:
        """Publish a version of a dataset, and make it the latest.

        The shards stay where they are. Publishing the same again, after a failure, goes on where it
        ended. Requests: 1 GET, 1 PUT of the manifest, 1 PUT of the pointer.

        Args:
            name: Of the dataset.
            dataset: A manifest, or anything with one.
            version: Of the dataset; any that is not there yet.
            license: None keeps what the manifest says.
            tags: None keeps what the manifest says.
            description: None keeps what the manifest says.

        Raises:
            ValueError: The name or the version is none.
            AlreadyExists: That version is there, and is another.
            VersionMismatch: The version is published, but somebody else moved `latest` at the same
                time: `set_latest` moves it again.
            Unsupported: The store cannot write on a condition; nothing was sent.
        """
        manifest = dataset if isinstance(dataset, Manifest) else dataset.manifest
        manifest = replace(
            manifest,
            license=manifest.license if license is None else license,
            tags=manifest.tags if tags is None else tuple(tags),
            description=manifest.description if description is None else description,
        )
        url = self._version_url(name, version)
        self._require_conditions()
        pointer = self._pointer(name)
        data = dump_manifest(manifest, url)
        try:
            self._blobs.write(url, data, CreateOnly())
        except AlreadyExists as error:
            if self._blobs.read(url)[0] != data:
                message = (
                    f"publish of {name} {version} in {self._root}: this version is there already, "
                    "and versions never change: publish another"
                )
                raise AlreadyExists(message, url=url, operation="put") from error
        return self._move(name, version, manifest, pointer)

    def set_latest(self, name: str, version: str) -> Card:
        """Make a version that is there the latest one.

        Raises:
            NotFound: There is no such version.
            VersionMismatch: Somebody else moved `latest` at the same time.
        """
        self._require_conditions()
        pointer = self._pointer(name)
        return self._move(name, version, self.load(name, version), pointer)

    def load(self, name: str, version: str | None = None) -> Manifest:
        """Load the manifest of a dataset; 1 GET, or 2 for the latest version.

        Raises:
            NotFound: There is no such dataset or version; the message tells which there are.
            ManifestError: The manifest is damaged, or a newer blobio wrote it.
        """
        if version is None or version == _LATEST:
            version = self.latest(name).version
        url = self._version_url(name, version)
        try:
            data = read_document(self._blobs, url, self._cache)
        except NotFound as error:
            self._explain(name, version, error)
        return parse_manifest(data, url)

    def latest(self, name: str) -> Card:
        """Return what the latest version of a dataset is; 1 GET.

        Raises:
            NotFound: There is no such dataset; the message tells which there are.
        """
        url = self._latest_url(name)
        try:
            data = read_document(self._blobs, url, self._cache)
        except NotFound as error:
            self._explain(name, None, error)
        return _parse_card(data, url)

    def versions(self, name: str) -> tuple[str, ...]:
        """Return the versions of a dataset in the order of their names; 1 LIST a page.

        What was published is here even if its publisher died before it moved `latest`.
        """
        directory = self._directory(name).join("versions")
        names = self._blobs.names(directory)
        return tuple(sorted(name.removesuffix(".json") for name in names))

    def names(self) -> tuple[str, ...]:
        """Return the names of all datasets, sorted; 1 LIST for the root, and 1 for each of them."""
        found: set[str] = set()
        root = self._root.join("datasets")
        for first in self._blobs.directories(root):
            below = root.join(first)
            inner = set(self._blobs.directories(below))
            if "versions" in inner:
                found.add(first)
            found.update(f"{first}/{second}" for second in inner - {"versions"})
        return tuple(sorted(found))

    def search(self, *words: str) -> tuple[Card, ...]:
        """Return the datasets whose name, description, tags, licence and columns have all words.

        No words find every dataset. The latest versions are searched. 1 GET a dataset, side by
        side, beside what `names` sends.
        """
        urls = [self._latest_url(name) for name in self.names()]
        cards = []
        for url, found in zip(urls, self._blobs.read_many(urls), strict=True):
            if isinstance(found, NotFound):  # its publisher has not come to it
                continue
            if isinstance(found, BlobError):
                raise found
            cards.append(_parse_card(found[0], url))
        return tuple(card for card in cards if card.matches(words))

    def _move(self, name: str, version: str, manifest: Manifest, pointer: Version | None) -> Card:
        card = Card(
            name=name,
            version=version,
            license=manifest.license,
            tags=manifest.tags,
            description=manifest.description,
            num_rows=manifest.num_rows,
            num_bytes=sum(shard.size for shard in manifest.shards),
            columns=tuple(manifest.schema.names),
            splits=tuple(manifest.splits),
            published=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        url = self._latest_url(name)
        mode: WriteMode = CreateOnly() if pointer is None else ReplaceIf(pointer)
        try:
            self._blobs.write(url, _dump_card(card), mode)
        except (AlreadyExists, Conflict) as error:
            message = (
                f"{name} {version} is published in {self._root} and can be loaded by this version, "
                "but somebody else moved `latest` at the same time: look at latest(), and call "
                "set_latest() if this version should be it"
            )
            raise VersionMismatch(message, url=url, operation="put") from error
        return card

    def _pointer(self, name: str) -> Version | None:
        """Return the version of the blob that says what is latest, None if there is none."""
        try:
            return self._blobs.head(self._latest_url(name)).version
        except NotFound:
            return None

    def _require_conditions(self) -> None:
        able = self._blobs.capabilities(self._root)
        if not (able.create_only and able.replace_if):
            message = (
                f"publish in {self._root}: this store cannot decide who of two publishers wins; "
                "what is there can be loaded"
            )
            raise Unsupported(message, url=self._root, operation="put")

    def _explain(self, name: str, version: str | None, error: NotFound) -> NoReturn:
        """Raise `NotFound` with what there is instead, as far as the store lists it."""
        if self._blobs.config.dataset.offline:
            raise error
        try:
            there = self.versions(name) if version is not None else ()
            known = there or self.names()
        except BlobError:  # a store that does not list, or not for us
            there, known = (), ()
        what = name if version is None else f"{name} {version}"
        kind = "versions" if there else "datasets"
        some = f"; its {kind} are {', '.join(known[:20])}" if known else ""
        message = f"registry {self._root} has no {what}{some}"
        raise NotFound(message, url=error.url, operation="get") from error

    def _directory(self, name: str) -> BlobUrl:
        parts = name.split("/")
        if not _NAME.fullmatch(name) or "versions" in parts or ".." in name:
            message = f"a dataset is NAME or ORG/NAME, of letters, digits, . _ -; not {name!r}"
            raise ValueError(message)
        return self._root.join(f"datasets/{name}")

    def _latest_url(self, name: str) -> BlobUrl:
        return self._directory(name).join("latest.json")

    def _version_url(self, name: str, version: str) -> BlobUrl:
        if not _VERSION.fullmatch(version) or version == _LATEST:
            message = f"a version is of letters, digits, . _ + -, and not 'latest'; not {version!r}"
            raise ValueError(message)
        return self._directory(name).join(f"versions/{version}.json")


def _rebuild(url: str, cache: Cache | None, config: Config | None) -> Registry:
    return Registry(url, cache=cache, config=config)


def _dump_card(card: Card) -> bytes:
    fields = {name: getattr(card, name) for name in Card.__slots__}
    return json.dumps({"blobio_card": 1, **fields}, indent=1).encode()


def _parse_card(data: bytes, url: BlobUrl) -> Card:
    try:
        values = json.loads(data)
    except (ValueError, RecursionError) as error:
        message = f"card {url} is no JSON: {error}"
        raise ManifestError(message, url=url, operation="get") from error
    fields = Fields(values if isinstance(values, dict) else {}, url, kind="card")
    if fields.whole("blobio_card") != 1:
        fields.refuse("blobio_card", "is of a newer blobio: upgrade")
    return Card(
        name=fields.text("name"),
        version=fields.text("version"),
        license=fields.maybe_text("license"),
        tags=fields.texts("tags"),
        description=fields.text("description"),
        num_rows=fields.whole("num_rows"),
        num_bytes=fields.whole("num_bytes"),
        columns=fields.texts("columns"),
        splits=fields.texts("splits"),
        published=fields.text("published"),
    )
