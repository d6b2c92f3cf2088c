from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from blobio.drivers.local import special
from blobio.drivers.local.special import Stopped, drain, fill, is_special, open_special
from blobio.errors import NotFound, RequestFailed, Unsupported


@pytest.fixture
def never() -> threading.Event:
    return threading.Event()


@pytest.fixture
def stopped() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_pipes_sockets_and_devices_are_special(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("fifo")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))

    assert is_special(str(tmp_path / "fifo"))
    assert is_special(str(tmp_path / "link"))
    assert is_special(str(tmp_path / "socket"))
    assert is_special("/dev/null")


def test_files_directories_and_nothing_are_not_special(tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    (tmp_path / "link").symlink_to("f")
    (tmp_path / "circle").symlink_to("circle")

    for name in ("f", "link", "", "absent", "circle", "f/below"):
        assert not is_special(str(tmp_path / name)), name
    assert not is_special("")
    assert not is_special("\ud800")


def test_descriptor_by_name_is_special_even_if_open_on_a_file(tmp_path: Path) -> None:
    with (tmp_path / "f").open("wb") as file:
        (tmp_path / "link").symlink_to(f"/dev/fd/{file.fileno()}")

        assert is_special(f"/dev/fd/{file.fileno()}")
        assert is_special(f"/proc/self/fd/{file.fileno()}")
        assert is_special(str(tmp_path / "link"))


def test_writing_to_a_descriptor_appends_at_its_offset(
    tmp_path: Path, never: threading.Event
) -> None:
    with (tmp_path / "log").open("wb", buffering=0) as file:
        file.write(b"printed ")
        fill(f"/dev/fd/{file.fileno()}", [memoryview(b"then "), memoryview(b"put")], never)
        file.write(b" and more")

    assert (tmp_path / "log").read_bytes() == b"printed then put and more"


def test_descriptor_that_is_not_open_fails(never: threading.Event) -> None:
    with pytest.raises(RequestFailed):
        fill("/dev/fd/999", [], never)


def test_bytes_cross_a_fifo(tmp_path: Path, never: threading.Event) -> None:
    path = str(tmp_path / "fifo")
    os.mkfifo(path)
    data = bytes(range(256)) * 1000  # more than a pipe holds at once
    writer = threading.Thread(target=fill, args=(path, [memoryview(data)], never))
    writer.start()
    received = bytearray()

    fd = open_special(path, os.O_RDONLY, never)
    try:
        drain(fd, received.extend, None, never)
    finally:
        os.close(fd)
        writer.join()

    assert received == data


def test_reading_stops_at_the_limit(pipe: tuple[int, int], never: threading.Event) -> None:
    os.write(pipe[1], b"0123456789")
    received = bytearray()

    drain(pipe[0], received.extend, 4, never)

    assert received == b"0123"


def test_waiting_for_bytes_can_be_stopped(pipe: tuple[int, int], stopped: threading.Event) -> None:
    with pytest.raises(Stopped):
        drain(pipe[0], bytes, None, stopped)


def test_waiting_for_a_reader_can_be_stopped(tmp_path: Path, stopped: threading.Event) -> None:
    os.mkfifo(tmp_path / "fifo")

    with pytest.raises(Stopped):
        fill(str(tmp_path / "fifo"), [memoryview(b"x")], stopped)


def test_waiting_for_room_can_be_stopped(
    pipe: tuple[int, int], never: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(special, "_POLL_MS", 1)
    written: list[int] = []
    real = os.write

    def write_then_stop(fd: int, data: bytes) -> int:
        written.append(real(fd, data))
        if sum(written) >= 65536:  # what a pipe holds
            never.set()
        return written[-1]

    monkeypatch.setattr(os, "write", write_then_stop)

    with pytest.raises(Stopped):
        fill(f"/dev/fd/{pipe[1]}", [memoryview(bytes(1 << 20))], never)


def test_writing_to_a_pipe_that_nobody_reads_any_more_fails(never: threading.Event) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        with pytest.raises(RequestFailed):
            fill(f"/dev/fd/{writer}", [memoryview(b"x")], never)
    finally:
        os.close(writer)


def test_socket_cannot_be_opened(tmp_path: Path, never: threading.Event) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))

    with pytest.raises(Unsupported):
        open_special(str(tmp_path / "socket"), os.O_WRONLY, never)


def test_fifo_that_vanishes_is_not_found(tmp_path: Path, never: threading.Event) -> None:
    with pytest.raises(NotFound):
        fill(str(tmp_path / "fifo"), [], never)
