"""Buffers are used again while somebody copies, and not a moment longer."""

from __future__ import annotations

from blobio.core.buffers import Buffers


def test_a_buffer_comes_round() -> None:
    buffers = Buffers()
    with buffers.shared():
        first = buffers.take(100)
        memory = first.obj
        assert len(first) == 100
        buffers.give_back(first)
        assert buffers.take(100).obj is memory
        assert buffers.take(100).obj is not memory


def test_a_shorter_part_takes_a_buffer_that_is_not_much_too_large() -> None:
    buffers = Buffers()
    with buffers.shared():
        first = buffers.take(100)
        buffers.give_back(first)
        assert buffers.take(49).obj is not first.obj
        assert buffers.take(60).obj is first.obj


def test_buffers_that_are_too_small_make_room() -> None:
    buffers = Buffers()
    with buffers.shared():
        small = buffers.take(100)
        buffers.give_back(small)
        buffers.give_back(buffers.take(200))
        assert buffers.take(100).obj is not small.obj


def test_the_last_one_to_leave_gives_all_back() -> None:
    buffers = Buffers()
    with buffers.shared():
        with buffers.shared():
            first = buffers.take(100)
            buffers.give_back(first)
        assert buffers.take(100).obj is first.obj
        buffers.give_back(first)
    buffers.give_back(first)
    with buffers.shared():
        assert buffers.take(100).obj is not first.obj


def test_what_is_no_buffer_is_left_alone() -> None:
    buffers = Buffers()
    with buffers.shared():
        buffers.give_back(b"bytes")
        buffers.give_back(memoryview(b"bytes"))
        assert len(buffers.take(5)) == 5
