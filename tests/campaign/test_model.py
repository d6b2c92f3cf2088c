from __future__ import annotations

import pytest

from tests.campaign.model import History, Model, Window


def _values(history: History, start: float, end: float) -> list[bytes | None]:
    return [one.value for one in history.candidates(Window(start, end))]


def _written(history: History, value: bytes | None, start: float, end: float) -> None:
    history.commit(history.begin(value, start), end)


def test_nothing_is_there_at_first() -> None:
    assert _values(History(), 1, 2) == [None]


def test_acknowledged_write_is_all_that_can_be_read_after_it() -> None:
    history = History()

    _written(history, b"a", 1, 2)

    assert _values(history, 3, 4) == [b"a"]


def test_read_beside_a_write_may_show_both() -> None:
    history = History()

    _written(history, b"a", 2, 5)

    assert _values(history, 3, 4) == [None, b"a"]


def test_write_under_way_may_be_read() -> None:
    history = History()

    history.begin(b"a", 2)

    assert _values(history, 3, 4) == [None, b"a"]


def test_write_of_unknown_outcome_may_be_read_or_not() -> None:
    history = History()

    history.leave_open(history.begin(b"a", 1), 2)

    assert _values(history, 3, 4) == [None, b"a"]


@pytest.mark.parametrize("seen", [None, b"a"])
def test_read_decides_an_unknown_outcome(seen: bytes | None) -> None:
    history = History()
    history.leave_open(history.begin(b"a", 1), 2)

    history.observe(seen, Window(3, 4))

    assert _values(history, 5, 6) == [seen]


def test_write_without_effect_cannot_be_read() -> None:
    history = History()

    history.withdraw(history.begin(b"a", 1))

    assert _values(history, 2, 3) == [None]


def test_value_that_was_written_again_can_be_read() -> None:
    history = History()
    _written(history, b"a", 1, 2)
    _written(history, None, 3, 4)
    _written(history, b"a", 5, 6)

    assert set(_values(history, 7, 8)) == {b"a"}


def test_concurrent_writes_may_end_either_way_until_one_is_read() -> None:
    history = History()
    first, second = history.begin(b"a", 1), history.begin(b"b", 2)
    history.commit(first, 3)
    history.commit(second, 4)
    assert _values(history, 5, 6) == [b"a", b"b"]

    history.observe(b"a", Window(5, 6))

    assert _values(history, 7, 8) == [b"a"]


def test_write_of_ones_own_can_be_left_out() -> None:
    history = History()
    write = history.begin(b"a", 1)

    before = history.candidates(Window(1, 2), without=write)

    assert [one.value for one in before] == [None]


def test_pruning_forgets_nothing_that_can_still_be_seen() -> None:
    history = History()
    for number in range(20):
        _written(history, b"%d" % number, 10 * number, 10 * number + 1)
    history.leave_open(history.begin(b"open", 200), 201)

    history.prune(210)

    assert [one.value for one in history.writes] == [b"19", b"open"]
    assert _values(history, 210, 211) == [b"19", b"open"]


def test_operation_under_way_keeps_what_it_may_see() -> None:
    model = Model()
    reading = model.clock.start()
    history = model["key"]
    for number in range(20):
        start = model.clock.start()
        history.commit(history.begin(b"%d" % number, start), model.clock.end(start).end)

    model.prune("key")

    window = model.clock.end(reading)
    assert len(history.candidates(window)) == 21
