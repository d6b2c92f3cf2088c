"""Ctrl-C, and what else breaks into a file: nothing half done is published or lost."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any, Final

import pytest

import blobio as bf
from blobio.drivers.memory.driver import MemoryDriver, MemoryUpload
from tests.blocking.conftest import Configure, Place

MAIN: Final = threading.main_thread()


def main_waits() -> bool:
    """Tell whether the main thread is blocked, and not on its way into or out of the portal."""
    assert MAIN.ident is not None
    frame = sys._current_frames()[MAIN.ident]
    is_in_wait = (frame.f_code.co_filename, frame.f_code.co_name) == (threading.__file__, "wait")
    return is_in_wait and _main_sleeps()


def _main_sleeps() -> bool:
    """Tell whether the kernel has put the main thread to sleep; True where it does not say.

    A signal that comes when Python has let other threads run, and the thread is not asleep yet, is
    noted and wakes nobody: the thread would then sleep for ever. On a busy machine that happens.
    """
    stat = Path(f"/proc/self/task/{MAIN.native_id}/stat")
    if not stat.exists():
        return True
    return stat.read_text().rpartition(")")[2].split()[0] == "S"


def interrupt_in(monkeypatch: pytest.MonkeyPatch, kind: type, verb: str, *, skip: int = 0) -> None:
    """Press Ctrl-C when the call of a driver after `skip` others is under way, which never ends."""
    act = getattr(kind, verb)
    calls = 0

    async def hang(*arguments: Any, **options: Any) -> object:
        nonlocal calls
        calls += 1
        if calls == skip + 1:
            while not main_waits():  # noqa: ASYNC110 - no event tells what a thread does
                await asyncio.sleep(0)
            assert MAIN.ident is not None
            signal.pthread_kill(MAIN.ident, signal.SIGINT)
            await asyncio.Event().wait()
        return await act(*arguments, **options)

    monkeypatch.setattr(kind, verb, hang)


@pytest.fixture
def small(memory_with: Configure) -> Place:
    """A place where four bytes are a part and a block."""
    return memory_with(
        bf.Config(
            buffer_bytes=4,
            read=bf.ReadConfig(part_bytes=4, window=2),
            write=bf.WriteConfig(part_bytes=4, window=1),
        )
    )


def write(file: Any, data: str | bytes) -> None:
    with file:
        file.write(data)


@pytest.mark.parametrize("mode", ["wb", "w"])
def test_interrupted_write_publishes_nothing(
    small: Place, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    small.put("blob", b"old")
    aborted: list[object] = []
    abort = MemoryUpload.abort

    async def count(upload: MemoryUpload) -> None:
        aborted.append(upload)
        await abort(upload)

    monkeypatch.setattr(MemoryUpload, "abort", count)
    interrupt_in(monkeypatch, MemoryUpload, "put_part")

    with pytest.raises(KeyboardInterrupt):
        write(small.open("blob", mode), b"x" * 99 if mode == "wb" else "x" * 99)

    assert small.get("blob") == b"old"
    assert len(aborted) >= 1


def test_text_that_could_not_be_flushed_is_not_left_out(
    small: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python's own text layer closes the file below all the same."""
    from blobio.blocking.file import BlobWriter

    def refuse(*_: object) -> int:
        raise KeyboardInterrupt

    file = small.open("blob", "w")
    file.write("1")
    file.flush()
    file.write("2")
    monkeypatch.setattr(BlobWriter, "write", refuse)

    with pytest.raises(KeyboardInterrupt):
        file.close()

    assert file.closed
    assert not small.context.exists(small.path("blob"))


def test_writer_that_was_interrupted_does_not_publish_what_is_left(
    small: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part is missing, whatever the program catches."""
    interrupt_in(monkeypatch, MemoryDriver, "begin_upload")
    file = small.open("blob", "wb")

    with pytest.raises(KeyboardInterrupt):
        file.write(b"0123456789")
    with pytest.raises(bf.BlobError):
        write(file, b"more")

    assert file.closed
    assert not small.context.exists(small.path("blob"))


@pytest.mark.parametrize("streaming", [None, False])
def test_interrupted_close_publishes_nothing(
    small: Place, monkeypatch: pytest.MonkeyPatch, streaming: bool | None
) -> None:
    file = small.open("blob", "wb", streaming=streaming)
    file.write(b"xyz")
    interrupt_in(monkeypatch, MemoryDriver, "put")

    with pytest.raises(KeyboardInterrupt):
        file.close()

    assert file.closed
    assert not small.context.exists(small.path("blob"))
    file.close()


def test_interrupted_read_has_read_nothing_and_can_go_on(
    small: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = small.put("blob", b"0123456789abcdef" * 4)

    with small.context.BlobFile(path, "rb") as file:
        assert file.read(2) == b"01"
        interrupt_in(monkeypatch, MemoryDriver, "get", skip=1)
        with pytest.raises(KeyboardInterrupt):
            file.read()
        assert file.tell() == 2
        assert file.read() == (b"0123456789abcdef" * 4)[2:]


def test_interrupted_readline_can_go_on(small: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    path = small.put("blob", b"0123456789\nabcdef")

    with small.context.BlobFile(path, "rb") as file:
        interrupt_in(monkeypatch, MemoryDriver, "get", skip=1)
        with pytest.raises(KeyboardInterrupt):
            file.readline()
        assert (file.tell(), file.readline()) == (0, b"0123456789\n")


def test_interrupted_readinto_can_go_on(small: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    path = small.put("blob", b"0123456789")
    buffer = bytearray(6)

    with small.open("blob", "rb") as file:
        interrupt_in(monkeypatch, MemoryDriver, "get")
        with pytest.raises(KeyboardInterrupt):
            file.readinto(buffer)
        assert (file.tell(), file.readinto(buffer)) == (0, 6)

    assert buffer == b"012345"
    assert small.context.read_bytes(path) == b"0123456789"


def test_interrupted_listing_ends(small: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    small.put("blob")
    interrupt_in(monkeypatch, MemoryDriver, "list_page")
    names = small.context.listdir(small.root)

    with pytest.raises(KeyboardInterrupt):
        next(names)

    assert list(names) == []
    assert list(small.context.listdir(small.root)) == ["blob"]


def test_interrupted_copy_publishes_nothing(
    small: Place, local: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = small.put("blob", bytes(100))
    interrupt_in(monkeypatch, MemoryDriver, "get", skip=3)

    with pytest.raises(KeyboardInterrupt):
        small.context.copy(source, local.path("target"))

    assert os.listdir(local.root) == []


def test_interrupted_copytree_leaves_whole_blobs_only(
    small: Place, local: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        small.put(f"src/{number}", b"x" * 99)
    interrupt_in(monkeypatch, MemoryDriver, "get", skip=60)

    with pytest.raises(KeyboardInterrupt):
        small.context.copytree(small.path("src"), local.path("dst"), concurrency=2)

    left = [path for path in Path(local.root).rglob("*") if path.is_file()]
    assert 0 < len(left) < 5
    assert all(path.read_bytes() == b"x" * 99 for path in left)


@pytest.mark.parametrize("streaming", [None, False])
@pytest.mark.parametrize("mode", ["wb", "w"])
def test_error_of_the_body_is_the_one_that_is_seen(
    remote: Place, mode: str, streaming: bool | None
) -> None:
    """Also if publishing what there is fails as well; the error says so."""

    class Boom(Exception):
        pass

    remote.put("blob", b"theirs")
    file = remote.open(
        "blob", mode, streaming=streaming, partial_writes_on_exc=True, version="none of its"
    )

    with pytest.raises(Boom) as caught, file:
        raise Boom

    assert "VersionMismatch" in "".join(caught.value.__notes__)
    assert remote.get("blob") == b"theirs"


def test_abort_that_fails_does_not_hide_the_error_of_the_body(
    small: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(_: object) -> None:
        message = "reset"
        raise bf.TransportFailed(message)

    file = small.open("blob", "wb")
    file.write(bytes(20))
    with monkeypatch.context() as patch:
        patch.setattr(MemoryUpload, "abort", refuse)
        with pytest.raises(LookupError) as caught, file:
            raise LookupError

    assert "reset" in "".join(caught.value.__notes__)
    assert not small.context.exists(small.path("blob"))


def test_part_that_failed_is_raised_by_the_next_call_and_by_close(
    small: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> None:
        message = "full"
        raise bf.RequestFailed(message)

    monkeypatch.setattr(MemoryUpload, "put_part", refuse)
    file = small.open("blob", "wb")

    with pytest.raises(bf.RequestFailed, match="full"):
        file.write(bytes(100))
    with pytest.raises(bf.RequestFailed, match="full"):
        file.close()

    assert file.closed
    assert not small.context.exists(small.path("blob"))


def test_empty_arrays_of_several_dimensions_are_written_and_filled(small: Place) -> None:
    empty = memoryview((ctypes.c_ubyte * 3 * 0)())  # as of numpy.empty((0, 3)): no cast takes it
    grid = memoryview(bytearray(4)).cast("B", (2, 2))

    with small.open("blob", "wb") as file:
        assert file.write(empty) == 0
        assert file.write(memoryview(b"abcd").cast("B", (2, 2))) == 4
    with small.open("blob", "rb") as file:
        assert file.readinto(empty) == 0
        assert file.readinto(grid) == 4

    assert grid.tobytes() == b"abcd"
