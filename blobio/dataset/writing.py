"""A dataset written as another one: in one stream here, or in parts by the tasks of an executor."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, final

from blobio.blocking.context import Context
from blobio.dataset.freezing import load_manifest, save_manifest
from blobio.dataset.joining import join_manifests
from blobio.dataset.manifest import Manifest
from blobio.dataset.pieces import batches_of, divide
from blobio.dataset.progress import MANIFEST
from blobio.dataset.tasks import Task, results
from blobio.dataset.writer import ShardWriter, discard_unfinished, root_of
from blobio.errors import AlreadyExists, BlobError, NotFound
from blobio.url import PathLike

if TYPE_CHECKING:
    import pyarrow as pa

    from blobio.config import Config
    from blobio.dataset.dataset import Dataset

__all__ = ["Writing", "write"]

_ONE_TASK: Final = 1 << 62


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """How a dataset is written: see `Dataset.write`."""

    format: Literal["parquet", "arrow"]
    split: str
    shard_bytes: int
    license: str | None
    tags: tuple[str, ...]
    description: str
    overwrite: bool
    config: Config | None


def write(
    dataset: Dataset,
    url: PathLike,
    how: Writing,
    *,
    executor: Executor | None,
    task_bytes: int,
    in_flight: int | None,
) -> Manifest:
    """Write a dataset: see `Dataset.write`."""
    pieces = divide(dataset, _ONE_TASK if executor is None else task_bytes, "write")
    if executor is None or not pieces:
        return _stream([piece.dataset for piece in pieces], dataset.schema, url, how)
    root = root_of(url)
    manifest = str(root.join(MANIFEST))
    where = root.join(f"parts/{secrets.token_hex(4)}")
    tasks = [
        Task(piece, _Part(piece.dataset, str(where.join(f"{number:05}")), how))
        for number, piece in enumerate(pieces)
    ]
    with Context(how.config) as context:
        if not how.overwrite and context.exists(manifest):
            message = f"write of a dataset: {manifest} is there already; see overwrite=True"
            raise AlreadyExists(message, url=root.join(MANIFEST), operation="put")
        try:
            whole = join_manifests(results(tasks, executor, in_flight, "write"))
            save_manifest(whole, manifest, overwrite=how.overwrite, config=how.config)
        except BaseException as error:
            if not getattr(error, "ambiguous", False):  # or the manifest may be there
                _remove(context, str(where), error)
            raise
    return whole


def _remove(context: Context, directory: str, error: BaseException) -> None:
    """Remove what tasks have written, after an error; what this meets is added to it as a note."""
    try:
        context.rmtree(directory)
    except NotFound:
        pass
    except BlobError as failure:
        error.add_note(f"what was written below {directory} is still there: {failure}")


@final
@dataclass(frozen=True, slots=True)
class _Part:
    """Writes one part, in any process; the second time it finds what it has written."""

    dataset: Dataset
    url: str
    how: Writing

    def __call__(self) -> Manifest:
        try:
            return _stream([self.dataset], self.dataset.schema, self.url, self.how)
        except AlreadyExists:  # the executor tries again what it took for lost
            pass
        try:
            return load_manifest(f"{self.url}/{MANIFEST}", config=self.how.config)
        except NotFound:
            discard_unfinished(self.url, config=self.how.config)
        return _stream([self.dataset], self.dataset.schema, self.url, self.how)


def _stream(parts: Sequence[Dataset], schema: pa.Schema, url: PathLike, how: Writing) -> Manifest:
    """Write rows as one dataset, from one process."""
    counts = [part.num_rows for part in parts]
    writer = ShardWriter(
        url,
        schema,
        format=how.format,
        split=how.split,
        num_rows=None if None in counts else sum(count or 0 for count in counts),
        shard_bytes=how.shard_bytes,
        license=how.license,
        tags=how.tags,
        description=how.description,
        overwrite=how.overwrite,
        config=how.config,
    )
    with writer:
        for part in parts:
            for batch in batches_of(part):
                writer.write(batch)
    return writer.manifest
