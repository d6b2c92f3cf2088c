from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from blobio.drivers.local.staging import stage
from blobio.errors import (
    BlobError,
    PermissionDenied,
    RequestFailed,
)
from blobio.values import Overwrite
from tests.unit.drivers.local.kit import failing, largest_file, names, umask, write

pytestmark = pytest.mark.usefixtures("scratch_kind")


def test_too_large_a_file_leaves_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"old")

    with pytest.raises(RequestFailed) as caught, largest_file(4096):
        write(tmp_path / "f", bytes(10_000))

    assert caught.value.errno == errno.EFBIG
    assert (tmp_path / "f").read_bytes() == b"old"
    assert names(tmp_path) == ["f"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_failing_disk_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    (tmp_path / "f").write_bytes(b"old")
    monkeypatch.setattr(os, "write", failing(number))

    with pytest.raises(RequestFailed) as caught:
        write(tmp_path / "f", b"new")

    assert caught.value.errno == number
    assert (tmp_path / "f").read_bytes() == b"old"
    assert names(tmp_path) == ["f"]


def test_failing_rename_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "f").write_bytes(b"old")
    monkeypatch.setattr(os, "replace", failing(errno.EACCES))

    with pytest.raises(PermissionDenied):
        write(tmp_path / "f", b"new")

    assert (tmp_path / "f").read_bytes() == b"old"
    assert names(tmp_path) == ["f"]


def test_failing_take_over_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "f").write_bytes(b"old")
    (tmp_path / "f").chmod(0o640)
    monkeypatch.setattr(os, "fchmod", failing(errno.EIO))

    with pytest.raises(BlobError), umask(0o077):
        stage(str(tmp_path / "f"), Overwrite())

    assert names(tmp_path) == ["f"]


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_some, write_some_at = os.write, os.pwrite
    monkeypatch.setattr(os, "write", lambda fd, data: write_some(fd, data[:3]))
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: write_some_at(fd, data[:3], at))

    with stage(str(tmp_path / "f"), Overwrite()) as staged:
        assert staged.write(b"0123456789") == 10
        assert staged.write_at(10, bytearray(b"abcdef")) == 6
        staged.publish()

    assert (tmp_path / "f").read_bytes() == b"0123456789abcdef"


def test_parts_are_written_in_any_order_and_truncated(tmp_path: Path) -> None:
    with stage(str(tmp_path / "f"), Overwrite()) as staged:
        staged.write_at(3, memoryview(b"defgh"))
        staged.write_at(0, b"abc")
        staged.truncate(6)
        staged.publish()

    assert (tmp_path / "f").read_bytes() == b"abcdef"


def test_durable_write_flushes_the_bytes_then_the_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda fd: flushed.append(kind_of(fd)))
    inode = {os.stat(tmp_path).st_ino: "top"}

    def kind_of(fd: int) -> str:
        facts = os.fstat(fd)
        if stat.S_ISREG(facts.st_mode):
            return f"file, {len(list(tmp_path.rglob('f')))} published"
        return inode.get(facts.st_ino, "directory")

    write(tmp_path / "a" / "b" / "f", b"x", durable=True)

    assert flushed == ["file, 0 published", "directory", "directory", "top"]
