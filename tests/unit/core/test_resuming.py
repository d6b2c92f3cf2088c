"""The engine of `--resume`, from memory to disk: what is read again, what never published."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from blobio.config import Config, ReadConfig, WriteConfig
from blobio.core.copying import copy
from blobio.core.ends import Copied, End, Means
from blobio.core.flow import ByteBudget, Reservation
from blobio.core.journal import Journals
from blobio.core.resuming import Transfer
from blobio.drivers.base import Driver
from blobio.drivers.local.driver import LocalDriver
from blobio.drivers.memory import MemoryDriver, MemoryStore
from blobio.errors import AlreadyExists, ChecksumMismatch, PermissionDenied
from blobio.testing.faults import Counting, Fault, Flaky, Hook, Wrapped
from blobio.url import BlobUrl
from blobio.values import BlobMeta, CreateOnly, PutOptions, Version
from tests.unit.core.fakes import Changing, pattern_bytes

DATA: Final = pattern_bytes(1024)  # ten parts of 100 bytes and one of 24
CONFIG: Final = Config(
    read=ReadConfig(part_bytes=100, window=1), write=WriteConfig(part_bytes=100, window=1)
)
PARTS: Final = 11


class Disk:
    """A directory, and copies of `memory://bucket/key` to `it` in it."""

    def __init__(self, directory: Path) -> None:
        self.target = directory / "there" / "it"
        self.journals = Journals(str(directory / "state"))
        self.store = MemoryStore()
        self.moved: list[int] = []

    async def put(self, data: bytes = DATA) -> None:
        await MemoryDriver("bucket", self.store).put("key", data, PutOptions())

    async def copy(
        self, *hooks: Hook, mode: CreateOnly | None = None, want_md5: bool = False
    ) -> tuple[Copied, Counting]:
        """Copy as one process does; return the calls to the source as well."""
        counting = Counting()
        source: Driver = Wrapped(MemoryDriver("bucket", self.store), counting, *hooks)
        target = LocalDriver()
        means = Means(CONFIG, ByteBudget(100), moved=self.moved.append, journals=self.journals)
        options = PutOptions() if mode is None else PutOptions(mode=mode)
        ends = (
            End(source, BlobUrl("memory", "bucket", "key")),
            End(target, BlobUrl("file", "", str(self.target))),
        )
        try:
            return await copy(*ends, options, means, want_md5=want_md5), counting
        finally:
            await target.aclose()

    async def break_off(self, *hooks: Hook, after: int = 3) -> None:
        """Copy until a part cannot be read any more."""
        refusal = Fault("get", PermissionDenied("no"), skip=after)
        with pytest.raises(PermissionDenied):
            await self.copy(*hooks, Flaky(refusal))

    @property
    def has_state(self) -> bool:
        """Whether a journal was ever written."""
        return Path(self.journals.directory).exists()

    @property
    def left(self) -> list[str]:
        """What lies beside the destination."""
        parent = self.target.parent
        return sorted(path.name for path in parent.iterdir()) if parent.exists() else []


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path)


async def test_only_what_is_not_there_is_read(disk: Disk, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "blobio")
    await disk.put()
    await disk.break_off()
    disk.moved.clear()

    _, counting = await disk.copy()

    assert disk.target.read_bytes() == DATA
    assert counting.count("get") == PARTS - 3
    assert sum(disk.moved) == len(DATA)
    assert f"copy to {disk.target} goes on: 3 of 11 parts are there" in caplog.messages
    assert (disk.left, disk.journals.slots()) == (["it"], [])


async def test_it_can_break_off_again_and_again(disk: Disk) -> None:
    await disk.put()
    for _ in range(3):
        await disk.break_off(after=2)

    _, counting = await disk.copy()

    assert disk.target.read_bytes() == DATA
    assert counting.count("get") == PARTS - 6


def only_md5(meta: BlobMeta) -> BlobMeta:
    return meta._replace(crc32c=None)


async def test_an_md5_is_compared_without_reading_the_source_twice(disk: Disk) -> None:
    await disk.put()
    hook = Changing("head", only_md5)
    await disk.break_off(hook)

    _, counting = await disk.copy(hook)

    assert counting.count("get") == PARTS - 3
    assert disk.target.read_bytes() == DATA


async def test_the_md5_that_is_asked_for_is_of_the_whole(disk: Disk) -> None:
    await disk.put()
    expected = (await MemoryDriver("bucket", disk.store).head("key")).md5
    await disk.break_off()

    copied, _ = await disk.copy(want_md5=True)

    assert copied.md5 == expected


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(lambda meta: meta._replace(crc32c=1), id="crc32c"),
        pytest.param(lambda meta: meta._replace(crc32c=None, md5="0" * 32), id="md5"),
    ],
)
async def test_what_the_source_does_not_vouch_for_is_never_published(
    disk: Disk, wrong: Callable[[BlobMeta], BlobMeta]
) -> None:
    await disk.put()
    hook = Changing("head", wrong)
    await disk.break_off(hook)

    with pytest.raises(ChecksumMismatch):
        await disk.copy(hook)

    assert (disk.left, disk.journals.slots()) == ([], [])


async def test_a_part_that_was_changed_on_its_way_costs_no_other(disk: Disk) -> None:
    await disk.put()
    broken = Fault("get", ChecksumMismatch("flipped", operation="get", retryable=False), skip=3)
    with pytest.raises(ChecksumMismatch):
        await disk.copy(Flaky(broken))

    _, counting = await disk.copy()

    assert counting.count("get") == PARTS - 3
    assert disk.target.read_bytes() == DATA


async def test_another_version_of_the_source_is_another_transfer(disk: Disk) -> None:
    await disk.put()
    await disk.break_off()
    await disk.put(DATA[::-1])

    _, counting = await disk.copy()

    assert disk.target.read_bytes() == DATA[::-1]
    assert counting.count("get") == PARTS
    assert (disk.left, disk.journals.slots()) == (["it"], [])


async def test_a_lost_condition_leaves_what_is_there_and_nothing_else(disk: Disk) -> None:
    await disk.put()
    refusal = Fault("get", PermissionDenied("no"), skip=3)
    with pytest.raises(PermissionDenied):
        await disk.copy(Flaky(refusal), mode=CreateOnly())
    disk.target.write_text("other")

    with pytest.raises(AlreadyExists):
        await disk.copy(mode=CreateOnly())

    assert disk.target.read_text() == "other"
    assert (disk.left, disk.journals.slots()) == (["it"], [])


async def test_a_blob_of_one_part_leaves_no_journal(disk: Disk) -> None:
    await disk.put(DATA[:100])

    _, counting = await disk.copy()

    assert counting.count("get") == 1
    assert not disk.has_state


async def test_a_source_without_versions_is_copied_as_ever(disk: Disk) -> None:
    await disk.put()

    await disk.copy(Changing("head", lambda meta: meta._replace(version=None)))

    assert disk.target.read_bytes() == DATA
    assert not disk.has_state


async def test_a_signed_url_is_written_down_without_its_signature(disk: Disk) -> None:
    source, target = MemoryDriver("bucket", disk.store), LocalDriver()
    url = BlobUrl("https", "host.example", "key?X-Amz-Signature=canary")
    meta = BlobMeta("key", 1024, 0.0, 0.0, version=Version("1"))
    there = BlobUrl("file", "", str(disk.target))
    share = Reservation(ByteBudget(1))
    transfer = Transfer(source, url, meta, target, there, PutOptions(), CONFIG, share)
    upload = await target.begin_resumable(there.key, PutOptions())
    assert upload is not None

    journal = transfer.journal(upload)

    await upload.abort()
    await target.aclose()
    assert b"canary" not in journal.dump()
    assert journal.source.startswith("https://host.example/key")
