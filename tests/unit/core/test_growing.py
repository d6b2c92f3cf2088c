"""`GrowingBytes`: what is reserved follows what has been filled."""

from __future__ import annotations

import pytest

from blobio.core import growing
from blobio.core.growing import GrowingBytes


@pytest.fixture(autouse=True)
def small_trust(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growing, "TRUSTED_BYTES", 10)


def test_small_size_is_reserved_at_once() -> None:
    whole = GrowingBytes(4, first=10)
    whole.view[:] = b"abcd"

    assert whole.take(4) == b"abcd"


def test_steps_are_four_times_what_is_there() -> None:
    whole = GrowingBytes(1 << 60, first=10)
    steps = [len(whole.view)]
    for _ in range(4):
        whole.grow()
        steps.append(len(whole.view))

    assert steps == [10, 40, 160, 640, 2_560]


def test_first_step_below_the_trusted_size_grows_to_it() -> None:
    whole = GrowingBytes(100, first=1)

    whole.grow()

    assert len(whole.view) == 10


def test_bytes_stay_where_they_are_while_it_grows() -> None:
    whole = GrowingBytes(50, first=10)
    whole.view[:] = b"0123456789"
    while len(whole.view) < whole.size:
        whole.grow()
    whole.view[10:] = b"x" * 40

    assert whole.take(50) == b"0123456789" + b"x" * 40


def test_slice_that_is_still_held_does_no_harm() -> None:
    whole = GrowingBytes(50, first=10)
    whole.view[:] = b"0123456789"
    held = whole.view[5:]

    whole.grow()
    held[:] = b"wrong"
    whole.view[10:12] = b"ab"

    assert whole.take(12) == b"0123456789ab"


def test_part_of_what_was_reserved_can_be_taken() -> None:
    whole = GrowingBytes(10)
    whole.view[:3] = b"abc"

    assert whole.take(3) == b"abc"


def test_nothing_can_be_taken_of_nothing() -> None:
    assert GrowingBytes(0).take(0) == b""
