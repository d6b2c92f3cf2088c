from __future__ import annotations

import errno
import gc
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from blobio.drivers.local import staging
from blobio.drivers.local.facts import is_temporary, version_of
from blobio.drivers.local.staging import stage
from blobio.errors import (
    AlreadyExists,
    InvalidUrl,
    IsDirectory,
    NotDirectory,
    NotFound,
    PermissionDenied,
    Unsupported,
    UploadLost,
)
from blobio.values import Body, CreateOnly, Overwrite, ReplaceIf, Version, WriteMode
from tests.unit.drivers.local.kit import failing, names, umask, write

pytestmark = pytest.mark.usefixtures("scratch_kind")


def test_publish_makes_the_file_and_returns_its_version(tmp_path: Path) -> None:
    version = write(tmp_path / "f", b"hello")

    assert (tmp_path / "f").read_bytes() == b"hello"
    assert version == version_of(os.stat(tmp_path / "f"))
    assert names(tmp_path) == ["f"]


def test_version_is_time_size_and_inode(tmp_path: Path) -> None:
    version = write(tmp_path / "f", b"hello")

    facts = os.stat(tmp_path / "f")
    assert version == f"{facts.st_mtime_ns}-5-{facts.st_ino}"


def test_old_file_stays_until_publish(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"old")

    with stage(str(tmp_path / "f"), Overwrite()) as staged:
        staged.write(b"new")
        assert (tmp_path / "f").read_bytes() == b"old"
        staged.publish()

    assert (tmp_path / "f").read_bytes() == b"new"
    assert names(tmp_path) == ["f"]


def test_raising_body_leaves_the_old_file_and_no_temporary(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"old")

    def fail_half_way() -> None:
        with stage(str(tmp_path / "f"), Overwrite()) as staged:
            staged.write(b"new")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()

    assert (tmp_path / "f").read_bytes() == b"old"
    assert names(tmp_path) == ["f"]


def test_forgotten_file_is_discarded_by_garbage_collection(tmp_path: Path) -> None:
    staged = stage(str(tmp_path / "f"), Overwrite())
    staged.write(b"new")

    del staged
    gc.collect()

    assert names(tmp_path) == []


@pytest.mark.slow
def test_killed_process_leaves_nothing_that_shows(tmp_path: Path, scratch_kind: str) -> None:
    (tmp_path / "f").write_bytes(b"old")
    script = (
        "import os, signal, sys\n"
        "from blobio.drivers.local import staging\n"
        "from blobio.values import Overwrite\n"
        "if sys.argv[2] == 'named': staging._UNNAMED = 0\n"
        "staged = staging.stage(sys.argv[1], Overwrite())\n"
        "staged.write(b'new')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )

    done = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, "-c", script, str(tmp_path / "f"), scratch_kind], check=False
    )

    assert done.returncode == -signal.SIGKILL
    assert [name for name in names(tmp_path) if not is_temporary(name)] == ["f"]
    assert (tmp_path / "f").read_bytes() == b"old"


def test_fork_does_not_discard_the_file_of_its_parent(tmp_path: Path) -> None:
    staged = stage(str(tmp_path / "f"), Overwrite())
    staged.write(b"new")
    child = os.dup(staged.fileno())  # a fork has its own copy of the descriptor
    forked = staging._Scratch(child, staged._scratch.name, process=os.getppid())

    forked.release()

    staged.publish()
    assert (tmp_path / "f").read_bytes() == b"new"


def test_discard_is_idempotent_and_ends_the_write(tmp_path: Path) -> None:
    staged = stage(str(tmp_path / "f"), Overwrite())
    staged.discard()
    staged.discard()

    with pytest.raises(UploadLost):
        staged.write(b"x")
    with pytest.raises(UploadLost):
        staged.write_at(0, b"x")
    with pytest.raises(UploadLost):
        staged.publish()
    assert names(tmp_path) == []


def test_discard_after_publish_keeps_the_file(tmp_path: Path) -> None:
    with stage(str(tmp_path / "f"), Overwrite()) as staged:
        staged.publish()
        staged.discard()

    assert names(tmp_path) == ["f"]


def test_discard_waits_for_a_write_on_another_thread_to_close_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged = stage(str(tmp_path / "f"), Overwrite())
    fd = staged.fileno()
    real = os.pwrite

    def discard_meanwhile(target: int, data: Body, offset: int) -> int:
        staged.discard()
        os.fstat(fd)  # still open: its number is not free for another file
        return real(target, data, offset)

    monkeypatch.setattr(os, "pwrite", discard_meanwhile)

    with pytest.raises(UploadLost):
        staged.write_at(0, b"x")

    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_parents_are_made(tmp_path: Path) -> None:
    write(tmp_path / "a" / "b" / "f", b"x")

    assert (tmp_path / "a" / "b" / "f").read_bytes() == b"x"


def test_parent_that_is_a_broken_link_is_not_a_directory(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("absent")

    with pytest.raises(NotDirectory):
        stage(str(tmp_path / "link" / "f"), Overwrite())


def test_parent_that_is_a_file_is_not_a_directory(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"")

    with pytest.raises(NotDirectory):
        stage(str(tmp_path / "f" / "g"), Overwrite())
    with pytest.raises(NotDirectory):
        stage(str(tmp_path / "f" / "g" / "h"), Overwrite())


@pytest.mark.parametrize("mode", [Overwrite(), CreateOnly(), ReplaceIf(Version("1-2-3"))])
def test_directory_in_the_way_is_a_directory(tmp_path: Path, mode: WriteMode) -> None:
    (tmp_path / "d").mkdir()

    with pytest.raises(IsDirectory):
        stage(str(tmp_path / "d"), mode)
    with pytest.raises(IsDirectory):
        stage(str(tmp_path / "absent") + "/", mode)


def test_directory_that_comes_in_the_way_is_a_directory(tmp_path: Path) -> None:
    with stage(str(tmp_path / "f"), Overwrite()) as staged:
        (tmp_path / "f").mkdir()

        with pytest.raises(IsDirectory):
            staged.publish()

    assert names(tmp_path) == ["f"]


def test_empty_path_is_not_found() -> None:
    with pytest.raises(NotFound):
        stage("", Overwrite())


def test_relative_path_means_the_directory_of_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with stage("f", Overwrite()) as staged:
        monkeypatch.chdir(tmp_path / "elsewhere")

        staged.publish()

    assert names(tmp_path) == ["elsewhere", "f"]


def test_new_file_obeys_the_umask(tmp_path: Path) -> None:
    with umask(0o027):
        write(tmp_path / "f", b"")

    assert stat.S_IMODE(os.stat(tmp_path / "f").st_mode) == 0o640


@pytest.mark.parametrize("bits", [0o600, 0o755, 0o666])
def test_permission_bits_of_the_replaced_file_are_kept(tmp_path: Path, bits: int) -> None:
    (tmp_path / "f").write_bytes(b"")
    (tmp_path / "f").chmod(bits)

    with umask(0o077):
        write(tmp_path / "f", b"new")

    assert stat.S_IMODE(os.stat(tmp_path / "f").st_mode) == bits


def test_set_user_id_is_dropped_as_by_any_write(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"")
    (tmp_path / "f").chmod(0o4755)

    write(tmp_path / "f", b"new")

    assert stat.S_IMODE(os.stat(tmp_path / "f").st_mode) == 0o755


def test_owner_and_group_are_asked_to_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "f").write_bytes(b"")
    facts = os.stat(tmp_path / "f")
    asked = []
    monkeypatch.setattr(os, "fchown", lambda _fd, uid, gid: asked.append((uid, gid)))

    with stage(str(tmp_path / "f"), Overwrite()) as staged:
        other = os.stat_result((facts.st_mode, 1, 1, 1, 12345, 54321, 0, 0, 0, 0))
        staging._take_over(staged.fileno(), other)

    assert asked == [(12345, 54321)]


def test_group_that_cannot_stay_hands_on_no_rights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fchown", failing(errno.EPERM))

    with stage(str(tmp_path / "f"), Overwrite()) as staged:
        other = os.stat_result((stat.S_IFREG | 0o674, 1, 1, 1, 12345, 54321, 0, 0, 0, 0))
        staging._take_over(staged.fileno(), other)

        assert stat.S_IMODE(os.fstat(staged.fileno()).st_mode) == 0o644


def test_symbolic_link_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "f").write_bytes(b"old")
    (tmp_path / "link").symlink_to("data/f")

    write(tmp_path / "link", b"new")

    assert os.readlink(tmp_path / "link") == "data/f"
    assert (tmp_path / "data" / "f").read_bytes() == b"new"
    assert names(tmp_path / "data") == ["f"]


def test_broken_link_gets_its_target_but_is_in_the_way_of_create_only(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("target")

    with pytest.raises(AlreadyExists):
        write(tmp_path / "link", b"new", CreateOnly())
    assert names(tmp_path) == ["link"]

    write(tmp_path / "link", b"new")
    assert (tmp_path / "target").read_bytes() == b"new"


def test_link_to_itself_is_an_invalid_url(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("link")

    with pytest.raises(InvalidUrl):
        stage(str(tmp_path / "link"), Overwrite())


def test_read_only_file_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "f").write_bytes(b"old")
    asked = []

    def deny(path: str, mode: int, *, effective_ids: bool = False) -> bool:
        asked.append((path, mode, effective_ids))
        return False

    monkeypatch.setattr(os, "access", deny)  # the tests may run as root, who may write anything

    with pytest.raises(PermissionDenied):
        stage(str(tmp_path / "f"), Overwrite())

    assert [question[:2] for question in asked] == [(str(tmp_path / "f"), os.W_OK)]
    assert (tmp_path / "f").read_bytes() == b"old"


def test_special_file_is_not_replaced() -> None:
    with pytest.raises(Unsupported):
        stage("/dev/null", Overwrite())
