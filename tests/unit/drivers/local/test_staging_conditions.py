from __future__ import annotations

import errno
import fcntl
import os
import threading
from pathlib import Path

import pytest

from blobio.drivers.local import locking
from blobio.drivers.local.facts import is_temporary, version_of
from blobio.drivers.local.staging import stage
from blobio.errors import (
    AlreadyExists,
    ConcurrentWrite,
    PermissionDenied,
    Unsupported,
    VersionMismatch,
)
from blobio.values import CreateOnly, Overwrite, ReplaceIf
from tests.unit.drivers.local.kit import failing, in_threads, names, write

pytestmark = pytest.mark.usefixtures("scratch_kind")


def test_create_only_leaves_the_old_file(tmp_path: Path) -> None:
    write(tmp_path / "f", b"first", CreateOnly())

    with pytest.raises(AlreadyExists):
        write(tmp_path / "f", b"second", CreateOnly())

    assert (tmp_path / "f").read_bytes() == b"first"
    assert names(tmp_path) == ["f"]


def test_racing_create_only_writers_have_exactly_one_winner(tmp_path: Path) -> None:
    barrier = threading.Barrier(8, timeout=10)
    won: list[int] = []
    lost: list[int] = []

    def create(index: int) -> None:
        with stage(str(tmp_path / "f"), CreateOnly()) as staged:
            staged.write(b"%d" % index)
            barrier.wait()
            try:
                staged.publish()
            except AlreadyExists:
                lost.append(index)
            else:
                won.append(index)

    in_threads(create, 8)

    assert (len(won), len(lost)) == (1, 7)
    assert (tmp_path / "f").read_bytes() == b"%d" % won[0]
    assert names(tmp_path) == ["f"]


def test_create_only_needs_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", failing(errno.EPERM))

    with pytest.raises(Unsupported):
        write(tmp_path / "f", b"x", CreateOnly())

    assert names(tmp_path) == []


def test_replace_if_needs_the_version_that_is_there(tmp_path: Path) -> None:
    first = write(tmp_path / "f", b"1")
    second = write(tmp_path / "f", b"2", ReplaceIf(first))

    with pytest.raises(VersionMismatch):
        write(tmp_path / "f", b"3", ReplaceIf(first))
    with pytest.raises(VersionMismatch):
        write(tmp_path / "absent", b"3", ReplaceIf(second))

    assert (tmp_path / "f").read_bytes() == b"2"
    assert names(tmp_path) == ["f"]


def test_racing_conditional_replacements_lose_no_update(tmp_path: Path) -> None:
    path = tmp_path / "counter"
    write(path, b"0")

    def count_up(_index: int) -> None:
        for _ in range(10):
            while True:
                version = version_of(os.stat(path))
                value = int(path.read_bytes())
                try:
                    write(path, b"%d" % (value + 1), ReplaceIf(version))
                except VersionMismatch:
                    continue
                break

    in_threads(count_up, 3)

    assert path.read_bytes() == b"30"


def test_locked_directory_stops_conditional_replacement_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locking, "_PATIENCE_S", 0)
    version = write(tmp_path / "f", b"1")
    held = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)

        with pytest.raises(ConcurrentWrite):
            write(tmp_path / "f", b"2", ReplaceIf(version))
        write(tmp_path / "f", b"3")
    finally:
        os.close(held)

    assert (tmp_path / "f").read_bytes() == b"3"


def test_conditional_replacement_needs_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = write(tmp_path / "f", b"1")
    monkeypatch.setattr(fcntl, "flock", failing(errno.EBADF))  # as NFS answers for a directory

    with pytest.raises(Unsupported):
        write(tmp_path / "f", b"2", ReplaceIf(version))
    write(tmp_path / "f", b"3")

    assert (tmp_path / "f").read_bytes() == b"3"


def test_directory_that_cannot_be_opened_stops_conditional_replacement_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One may write into a directory that one may not read."""
    version = write(tmp_path / "f", b"1")
    real = os.open

    def deny_directories(path: str, flags: int, bits: int = 0o777) -> int:
        if os.path.isdir(path) and not flags & getattr(os, "O_TMPFILE", 0) & ~os.O_DIRECTORY:
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return real(path, flags, bits)

    monkeypatch.setattr(os, "open", deny_directories)

    with pytest.raises(PermissionDenied):
        write(tmp_path / "f", b"2", ReplaceIf(version))
    write(tmp_path / "f", b"3")

    assert (tmp_path / "f").read_bytes() == b"3"


def test_file_system_without_unnamed_files_gets_a_named_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def refuse(path: str, flags: int, bits: int = 0o777) -> int:
        if path == str(tmp_path):
            raise OSError(errno.EOPNOTSUPP, "Operation not supported", path)
        return real(path, flags, bits)

    monkeypatch.setattr(os, "open", refuse)

    with stage(str(tmp_path / "f"), Overwrite()) as staged:
        assert [is_temporary(name) for name in names(tmp_path)] == [True]
        staged.publish()

    assert names(tmp_path) == ["f"]


def test_directory_that_is_not_writable_is_denied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "open", failing(errno.EACCES))

    with pytest.raises(PermissionDenied):
        stage(str(tmp_path / "f"), Overwrite())


def test_file_removed_while_it_is_looked_at_is_no_read_only_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "f").write_bytes(b"old")
    access = os.access

    def late(path: str, mode: int, *, effective_ids: bool = False) -> bool:
        (tmp_path / "f").unlink(missing_ok=True)
        return access(path, mode, effective_ids=effective_ids)

    monkeypatch.setattr(os, "access", late)
    monkeypatch.setattr(os, "supports_effective_ids", {late})

    write(tmp_path / "f", b"new")

    assert (tmp_path / "f").read_bytes() == b"new"
