"""Bugs that a campaign must find: some that it did find, put back, and some that nobody made.

What it found only once in many thousand operations has a unit test beside the code instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import pytest

from blobio.config import Config
from blobio.core import copying as core_copying
from blobio.core.ends import End
from blobio.core.reader import RangeReader
from blobio.drivers.s3 import errors, judge, reading, writing
from blobio.drivers.s3.bucket import Bucket
from blobio.drivers.s3.upload import S3Upload
from blobio.drivers.s3.wire import Wire
from blobio.errors import BlobError, RangeNotSatisfiable
from blobio.transport.message import Request
from blobio.values import (
    BlobMeta,
    Body,
    GetOptions,
    PutOptions,
    PutResult,
)

__all__ = ["BUGS"]

Patch = pytest.MonkeyPatch


def lost_write(patch: Patch) -> None:
    """Some writes are acknowledged and never sent."""
    put, count = writing.put, 0

    async def forgetful(bucket: Bucket, key: str, body: Body, options: PutOptions) -> PutResult:
        nonlocal count
        count += 1
        return PutResult() if count % 20 == 0 else await put(bucket, key, body, options)

    patch.setattr(writing, "put", forgetful)


def orphaned_upload(patch: Patch) -> None:
    """An upload that failed or was abandoned is left to the store."""

    async def abort(self: S3Upload) -> None:
        del self

    patch.setattr(S3Upload, "abort", abort)


def own_success_a_conflict(patch: Patch) -> None:
    """A refusal after a lost reply is taken at face value."""

    async def is_own(claim: writing.Claim) -> PutResult | None:
        del claim
        return None

    patch.setattr(writing, "is_own", is_own)


def lost_race_a_success(patch: Patch) -> None:
    """Whatever is there is taken for ours."""

    async def is_own(claim: writing.Claim) -> PutResult | None:
        del claim
        return PutResult()

    patch.setattr(writing, "is_own", is_own)


def unpinned_read(patch: Patch) -> None:
    """An open file reads whatever is there by now."""
    get = Wire.get

    def unpinned(self: Wire, key: str, options: GetOptions) -> Request:
        return get(self, key, GetOptions(range=options.range))

    def pin(self: RangeReader, meta: BlobMeta) -> None:
        self.size = meta.size if self.size is None else self.size

    patch.setattr(Wire, "get", unpinned)
    patch.setattr(reading, "_check_version", lambda *_: None)
    patch.setattr(RangeReader, "_pin", pin)


def unchecked_read(patch: Patch) -> None:
    """What comes over the wire is believed."""
    patch.setattr(reading, "_verified", lambda stream, *_: stream)


def outcome_called_known(patch: Patch) -> None:
    """An error does not say that the store may have acted."""
    patch.setattr(errors, "_CHANGES", frozenset())


def cut_document_believed(patch: Patch) -> None:
    """A completion or a listing that breaks off is not asked for again."""
    patch.setattr(judge, "is_cut", lambda _: False)


def range_of_a_newer_version_refused(patch: Patch) -> None:
    """A range past the end of the old version is refused though a newer, larger one came."""
    learn = RangeReader._learn_size

    async def refusing(self: RangeReader) -> int:
        size = await learn(self)
        if size > 0:
            raise RangeNotSatisfiable("a newer version was larger")
        return size

    patch.setattr(RangeReader, "_learn_size", refusing)


def copy_hidden_by_its_md5(patch: Patch) -> None:
    """A copy that is there looks like a failure because its MD5 could not be read."""

    after = core_copying._md5_after

    async def md5_after(target: End, result: PutResult, config: Config) -> str:
        try:
            return await after(target, result, config)
        except BlobError as error:
            error.ambiguous = False
            raise

    patch.setattr(core_copying, "_md5_after", md5_after)


BUGS: Final[Mapping[Callable[[Patch], None], tuple[str, int, int]]] = {
    lost_write: ("strict", 1, 600),
    orphaned_upload: ("strict", 1, 400),
    own_success_a_conflict: ("strict", 1, 600),
    lost_race_a_success: ("strict", 1, 600),
    unpinned_read: ("strict", 2, 600),
    unchecked_read: ("strict", 4, 800),
    outcome_called_known: ("strict", 5, 2500),
    cut_document_believed: ("strict", 3, 1500),
    range_of_a_newer_version_refused: ("strict", 1, 400),
    copy_hidden_by_its_md5: ("local", 8, 8000),
}
"""The store, first seed and number of operations that show each bug, here or a seed or two on."""
