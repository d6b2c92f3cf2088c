"""Local files: replaced in one step, special ones in place, everything else as `open` does."""

from __future__ import annotations

import os
import socket
import stat
import threading
from pathlib import Path

import pytest

import blobio as bf
from blobio.url import PathLike


def test_reader_is_pythons_own_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"data")

    with bf.BlobFile(tmp_path / "file", "rb") as file:
        assert file.fileno() >= 0
        assert os.fstat(file.fileno()).st_size == 4


def test_paths_may_be_strings_path_objects_and_file_urls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Blobish:
        def __blobpath__(self) -> str:
            return str(tmp_path / "file")

    monkeypatch.chdir(tmp_path)
    text = str(tmp_path / "file")
    paths: list[PathLike] = [tmp_path / "file", text, "file", f"file://{text}", Blobish()]
    for number, path in enumerate(paths):
        with bf.BlobFile(path, "w") as out:
            out.write(str(number))
        with bf.BlobFile(path) as file:
            assert file.read() == str(number)

    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("mode", ["w", "x", "a"])
@pytest.mark.parametrize("depth", ["new/deep/file", "file"])
def test_parents_are_made(tmp_path: Path, mode: str, depth: str) -> None:
    with bf.Context().BlobFile(tmp_path / depth, mode) as file:  # type: ignore[call-overload]
        file.write("x")

    assert (tmp_path / depth).read_text() == "x"


def test_reading_makes_no_parents(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        bf.BlobFile(tmp_path / "new" / "file")

    assert list(tmp_path.iterdir()) == []


def test_mode_bits_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "script"
    path.write_text("old")
    path.chmod(0o754)

    with bf.BlobFile(path, "w") as file:
        file.write("new")

    assert stat.S_IMODE(path.stat().st_mode) == 0o754


def test_new_file_obeys_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        with bf.BlobFile(tmp_path / "file", "w") as file:
            file.write("x")
    finally:
        os.umask(old)

    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


def test_symbolic_link_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    link.symlink_to("target")

    with bf.BlobFile(link, "w") as file:
        file.write("new")

    assert link.is_symlink()
    assert target.read_text() == "new"


def test_x_takes_a_link_for_a_thing_that_exists(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("nowhere")

    with pytest.raises(FileExistsError):
        bf.BlobFile(link, "x").close()

    assert not (tmp_path / "nowhere").exists()


def test_writer_keeps_its_target_when_the_program_changes_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path)
    file = bf.BlobFile("file", "w")
    file.write("x")
    monkeypatch.chdir(tmp_path / "other")

    file.close()

    assert (tmp_path / "file").read_text() == "x"


def test_readers_of_the_old_file_keep_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    with path.open() as reader, bf.BlobFile(path, "w") as writer:
        writer.write("new")
        assert path.read_text() == "old"
        writer.close()
        assert (reader.read(), path.read_text()) == ("old", "new")


def test_dev_null_swallows_and_gives_nothing() -> None:
    with bf.BlobFile("/dev/null", "w") as file:
        file.write("x")
    with bf.BlobFile("/dev/null", "rb") as reader:
        assert reader.read() == b""

    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


@pytest.mark.parametrize("mode", ["w", "a"])
def test_fifo_is_written_in_place(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append(path.read_bytes()))
    reader.start()

    with bf.Context().BlobFile(path, mode) as file:  # type: ignore[call-overload]
        file.write("through the pipe")
    reader.join()

    assert received == [b"through the pipe"]
    assert stat.S_ISFIFO(path.stat().st_mode)


def test_fifo_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    writer = threading.Thread(target=lambda: path.write_bytes(b"through the pipe"))
    writer.start()

    with bf.BlobFile(path, "rb") as file:
        assert file.read() == b"through the pipe"
    writer.join()


def test_socket_is_refused(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        with pytest.raises(OSError, match="socket"):
            bf.BlobFile(tmp_path / "socket", "w")


@pytest.mark.parametrize("mode", ["r", "w", "x", "a"])
def test_directory_is_not_opened(tmp_path: Path, mode: str) -> None:
    (tmp_path / "dir").mkdir()
    context = bf.Context()

    for path in (f"{tmp_path}/dir", f"{tmp_path}/dir/"):
        with pytest.raises((IsADirectoryError, FileExistsError), match="dir"):
            context.BlobFile(path, mode).close()  # type: ignore[call-overload]

    assert list((tmp_path / "dir").iterdir()) == []


@pytest.mark.parametrize("mode", ["r", "w", "a"])
def test_file_is_no_directory(tmp_path: Path, mode: str) -> None:
    (tmp_path / "file").write_text("x")

    with pytest.raises(NotADirectoryError, match="file"):
        bf.Context().BlobFile(tmp_path / "file" / "below", mode)  # type: ignore[call-overload]


def test_append_is_in_place_for_other_writers_to_see(tmp_path: Path) -> None:
    path = tmp_path / "log"

    with bf.BlobFile(path, "a") as one, bf.BlobFile(path, "a") as two:
        for file in (one, two, one):
            file.write("line\n")
            file.flush()
        assert path.read_text() == "line\n" * 3


def test_append_takes_no_version(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="in place"):
        bf.BlobFile(tmp_path / "log", "a", version="1-2-3")


def test_arguments_of_remote_reads_are_ignored(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"data")
    cache = tmp_path / "cache"

    with bf.BlobFile(tmp_path / "file", "rb", file_size=10_000) as file:
        assert file.read() == b"data"
    with bf.BlobFile(
        tmp_path / "file", "rb", streaming=False, cache_dir=str(cache), buffer_size=1
    ) as file:
        assert file.read() == b"data"

    assert not cache.exists()


def test_no_loop_is_crossed_for_a_local_file_once_it_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from blobio.blocking.portal import Portal

    context = bf.Context()
    context.BlobFile(tmp_path / "first", "w").close()
    monkeypatch.setattr(Portal, "call", lambda *_: pytest.fail("crossed"))

    with context.BlobFile(tmp_path / "second", "w") as out:
        out.write("x")
    with context.BlobFile(tmp_path / "second") as file:
        assert file.read() == "x"
