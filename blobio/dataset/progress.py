"""The journal of a dataset being written: which shards are finished, so that a run can go on.

Beside the shards lies `_unfinished.json`, which says who writes, and below `_unfinished/` one small
manifest for each finished shard. Both are made under conditions of the store, so that of two runs
that write to one place one is told. A published dataset has neither.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, cast, final

from blobio.dataset.manifest import Manifest, Shard, Split
from blobio.dataset.manifestfields import Fields, ManifestError
from blobio.dataset.manifestjson import dump_manifest, parse_manifest
from blobio.errors import AlreadyExists, BlobError, ConcurrentWrite, NotFound
from blobio.url import BlobUrl
from blobio.values import Overwrite, ReplaceIf, Version, WriteMode

if TYPE_CHECKING:
    import pyarrow as pa

    from blobio.dataset.blobs import Blobs

__all__ = ["MANIFEST", "Progress", "Written", "discard_unfinished", "splits_of"]

MANIFEST: Final = "manifest.json"
"""The name of a dataset's manifest below its prefix."""

_HEAD: Final = "_unfinished.json"
_RECORDS: Final = "_unfinished"
_DATA: Final = "data"


@final
@dataclass(frozen=True, slots=True)
class Written:
    """A finished shard and the split it belongs to."""

    split: str
    shard: Shard


@final
class Progress:
    """The journal below one prefix. Make one with `begin` or `resume`.

    Args:
        blobs: Reaches the store.
        root: The prefix.
        runs: The runs that have written, this one last.
        schema: Of the dataset.
        create: The condition under which new entries are made.
    """

    def __init__(
        self,
        blobs: Blobs,
        root: BlobUrl,
        runs: Sequence[str],
        schema: pa.Schema,
        create: WriteMode,
    ) -> None:
        self._blobs = blobs
        self._root = root
        self._runs = tuple(runs)
        self._schema = schema
        self._create = create
        self._version: Version | None = None
        self._count = 0

    @property
    def run(self) -> str:
        """The run, as it is called in the names of its shards."""
        return self._runs[-1]

    def data_url(self, split: str, number: int, extension: str) -> BlobUrl:
        """Return where shard `number` of a split goes: a name that no other run uses."""
        return self._root.join(f"{_DATA}/{split}-{number:05d}-{self.run}.{extension}")

    @classmethod
    def begin(
        cls, blobs: Blobs, root: BlobUrl, run: str, schema: pa.Schema, create: WriteMode
    ) -> Progress:
        """Start a journal; 1 PUT.

        Raises:
            AlreadyExists: There is one.
        """
        progress = cls(blobs, root, [run], schema, create)
        try:
            progress._write_head(create)
        except AlreadyExists as error:
            message = (
                f"write of a dataset to {root}: another run is writing there or was interrupted. "
                "If it is dead, go on with resume=True, or take it back with discard_unfinished()"
            )
            raise AlreadyExists(message, url=root, operation="put") from error
        return progress

    @classmethod
    def resume(
        cls, blobs: Blobs, root: BlobUrl, run: str, schema: pa.Schema, create: WriteMode
    ) -> tuple[Progress, list[Written]]:
        """Go on with a journal, or start one if there is none.

        What earlier runs wrote and did not finish is removed. Requests: 1 GET, 1 PUT, 2 LIST, 1 GET
        a finished shard.

        Returns:
            The journal, and the finished shards in their order.

        Raises:
            ManifestError: The shards have another schema, or the journal is damaged.
            VersionMismatch: Another run went on with it at the same time.
        """
        head = _read_head(blobs, root)
        if head is None:
            return cls.begin(blobs, root, run, schema, create), []
        runs, version = head
        progress = cls(blobs, root, [*runs, run], schema, create)
        is_decided = version is not None and not isinstance(create, Overwrite)
        progress._write_head(ReplaceIf(cast("Version", version)) if is_decided else Overwrite())
        written = list(_read_records(blobs, root, schema))
        progress._count = len(written)
        _remove_strays(blobs, root, runs, [entry.shard for entry in written])
        return progress, written

    def record(self, written: Written) -> None:
        """Note a finished shard; 1 HEAD and 1 PUT.

        Raises:
            ConcurrentWrite: Another run goes on with this journal.
        """
        self.check_own()
        url = _record_url(self._root, self._count)
        manifest = Manifest(
            schema=self._schema, shards=(written.shard,), splits={written.split: Split(0, 1)}
        )
        try:
            self._blobs.write(url, dump_manifest(manifest, url), self._create)
        except AlreadyExists as error:
            raise self._taken_over() from error
        self._count += 1

    def check_own(self) -> None:
        """Raise `ConcurrentWrite` if another run went on with this journal; 1 HEAD."""
        try:
            meta = self._blobs.head(self._root.join(_HEAD))
        except NotFound as error:
            raise self._taken_over() from error
        if meta.version != self._version:
            raise self._taken_over()

    def remove(self) -> None:
        """Remove the journal, what says that there is one last."""
        records = [_record_url(self._root, number) for number in range(self._count)]
        self._blobs.remove(records)
        self._blobs.remove([self._root.join(_HEAD)])

    def _taken_over(self) -> BlobError:
        message = (
            f"write of a dataset to {self._root}: another run goes on with what this one began "
            f"(run {self.run}); this one has published nothing"
        )
        return ConcurrentWrite(message, url=self._root, operation="put")

    def _write_head(self, mode: WriteMode) -> None:
        document = {"blobio_unfinished": 1, "runs": list(self._runs)}
        data = json.dumps(document).encode()
        self._version = self._blobs.write(self._root.join(_HEAD), data, mode)


def discard_unfinished(blobs: Blobs, root: BlobUrl, kept: Iterable[Shard] = ()) -> int:
    """Remove what runs have left below a prefix but for `kept`; return how many shards that was."""
    head = _read_head(blobs, root)
    if head is None:
        return 0
    removed = _remove_strays(blobs, root, head[0], kept)
    directory = root.join(_RECORDS)
    blobs.remove([directory.join(name) for name in blobs.names(directory)])
    blobs.remove([root.join(_HEAD)])
    return removed


def _record_url(root: BlobUrl, number: int) -> BlobUrl:
    return root.join(f"{_RECORDS}/{number:06d}.json")


def _read_head(blobs: Blobs, root: BlobUrl) -> tuple[tuple[str, ...], Version | None] | None:
    url = root.join(_HEAD)
    try:
        data, version = blobs.read(url)
    except NotFound:
        return None
    try:
        values = json.loads(data)
    except ValueError as error:
        message = f"journal {url} is no JSON ({error}): remove it if nobody writes there"
        raise ManifestError(message, url=url, operation="get") from error
    fields = Fields(values if isinstance(values, dict) else {}, url, kind="journal")
    if fields.whole("blobio_unfinished") != 1:
        fields.refuse("blobio_unfinished", "is of a newer blobio: upgrade")
    return fields.texts("runs"), version


def _read_records(blobs: Blobs, root: BlobUrl, schema: pa.Schema) -> Iterator[Written]:
    directory = root.join(_RECORDS)
    urls = [directory.join(name) for name in sorted(blobs.names(directory))]
    for number, (url, found) in enumerate(zip(urls, blobs.read_many(urls), strict=True)):
        if isinstance(found, BlobError):
            raise found
        manifest = parse_manifest(found[0], url)
        if not manifest.schema.equals(schema):
            message = f"the shards below {root} have another schema: {manifest.schema}"
            raise ManifestError(message, url=url, operation="get", field="schema")
        if (
            len(manifest.shards) != 1
            or len(manifest.splits) != 1
            or url != _record_url(root, number)
        ):
            message = f"journal entry {url} is not the record of shard {number}"
            raise ManifestError(message, url=url, operation="get", field="shards")
        yield Written(next(iter(manifest.splits)), manifest.shards[0])


def _remove_strays(blobs: Blobs, root: BlobUrl, runs: Sequence[str], kept: Iterable[Shard]) -> int:
    """Remove the shards of these runs that are not among `kept`; return how many."""
    directory = root.join(_DATA)
    known = {BlobUrl.parse(shard.url).name for shard in kept}
    strays = [
        name
        for name in blobs.names(directory)
        if name not in known and name.rpartition("-")[2].partition(".")[0] in runs
    ]
    blobs.remove([directory.join(name) for name in strays])
    return len(strays)


def splits_of(written: Sequence[Written]) -> Mapping[str, Split]:
    """Return the splits that shards in their order belong to."""
    splits: dict[str, Split] = {}
    for number, entry in enumerate(written):
        old = splits.get(entry.split, Split(number, number))
        splits[entry.split] = replace(old, stop=number + 1)
    return splits
