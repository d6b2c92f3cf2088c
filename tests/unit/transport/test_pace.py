from __future__ import annotations

from blobio.transport.pace import Pace


def test_no_byte_for_the_stall_time_is_a_stall() -> None:
    pace = Pace(30.0, 0, 0.0)

    assert pace.check(29.0, 0) is None
    assert pace.check(30.0, 0) == "not a byte moved for 30 s"


def test_any_byte_starts_the_stall_time_anew() -> None:
    pace = Pace(30.0, 0, 0.0)

    assert pace.check(29.0, 1) is None
    assert pace.check(58.0, 1) is None
    assert pace.check(59.0, 1) is not None


def test_trickle_below_the_least_rate_is_given_up() -> None:
    pace = Pace(30.0, 100, 0.0)

    assert pace.check(15.0, 1000) is None
    assert pace.check(30.0, 2999) == "2999 bytes in 30.0 s is less than 100 bytes/s"


def test_rate_is_that_of_the_last_window() -> None:
    pace = Pace(10.0, 100, 0.0)

    assert pace.check(10.0, 1_000_000) is None
    assert pace.check(15.0, 1_000_100) is None
    assert pace.check(20.0, 1_000_200) is not None
