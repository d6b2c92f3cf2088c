"""The rule of `sync`, its cap on deletes, and plans as text."""

from __future__ import annotations

import pytest

from blobio.core.comparing import Pair
from blobio.core.syncing import (
    Counts,
    DeleteLimit,
    PlanError,
    Rule,
    State,
    Step,
    Verdict,
    decide,
    dump_end,
    dump_head,
    dump_step,
    load_plan,
    refusal,
)
from blobio.values import BlobMeta, Version

MD5 = "0" * 32
OTHER = "1" * 32


_blob = BlobMeta(key="k", size=1, mtime=10, ctime=10)._replace
KEPT = {"blobfile-mtime": "10"}


@pytest.mark.parametrize(
    ("source", "target", "verdict"),
    [
        (_blob(), None, "copy"),
        (None, _blob(), "delete"),
        (_blob(size=1), _blob(size=2, mtime=20), "copy"),
        (_blob(md5=MD5, mtime=99), _blob(md5=MD5), "skip"),
        (_blob(md5=OTHER), _blob(md5=MD5, mtime=99), "copy"),
        (_blob(crc32c=1), _blob(crc32c=2, mtime=99), "copy"),
        (_blob(md5=MD5, crc32c=1), _blob(md5=MD5, crc32c=2, mtime=99), "copy"),
        (_blob(md5=MD5), _blob(crc32c=1), "skip"),  # nothing in common but times
        (_blob(mtime=10), _blob(mtime=99, metadata=KEPT), "skip"),
        (_blob(mtime=9), _blob(mtime=99, metadata=KEPT), "copy"),  # older is other, too
        (_blob(mtime=10), _blob(mtime=10), "skip"),
        (_blob(mtime=10.5), _blob(mtime=10), "copy"),
        (_blob(mtime=0), _blob(mtime=99), "copy"),  # nobody tells its time
        (_blob(mtime=0), _blob(mtime=99, metadata={"blobfile-mtime": "0"}), "copy"),
        (_blob(mtime=0, md5=MD5), _blob(md5=MD5), "skip"),
        (_blob(key="d/", size=0), None, "skip"),
        (None, _blob(key="d/", size=0), "skip"),
        (_blob(key="d/", size=0), _blob(key="d/", size=1), "delete"),
        (_blob(key="d/", size=1), _blob(key="d/", size=0), "copy"),
    ],
)
def test_each_pair_has_its_verdict(
    source: BlobMeta | None, target: BlobMeta | None, verdict: Verdict
) -> None:
    assert decide(Pair("k", source, target)) == verdict


@pytest.mark.parametrize(("rule", "verdict"), [("size", "skip"), ("checksum", "ask")])
def test_options_replace_the_rule_for_equal_sizes_only(rule: Rule, verdict: Verdict) -> None:
    assert decide(Pair("k", _blob(mtime=99), _blob()), rule) == verdict
    assert decide(Pair("k", _blob(size=2), _blob()), rule) == "copy"


@pytest.mark.parametrize(
    ("text", "targets", "most"),
    [("0", 1000, 0), ("7", 1000, 7), ("0%", 1000, 0), ("50%", 1001, 500), ("100%", 3, 3)],
)
def test_limit_is_a_number_or_a_share(text: str, targets: int, most: int) -> None:
    assert DeleteLimit.parse(text).most(targets) == most


@pytest.mark.parametrize("text", ["", "%", "-1", "-1%", "a", "1.5"])
def test_other_limits_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"invalid literal|not negative"):
        DeleteLimit.parse(text)


@pytest.mark.parametrize(
    ("targets", "deletes", "refused"),
    [(100, 100, False), (101, 101, True), (400, 100, False), (404, 101, False), (404, 102, True)],
)
def test_default_limit_is_100_or_a_quarter(targets: int, deletes: int, *, refused: bool) -> None:
    counts = Counts(sources=1, targets=targets, deletes=deletes)

    assert (refusal(counts, DeleteLimit(), empty_ok=False) is not None) is refused


STEPS = [
    Step("a", State(1, 2.5, Version('"e"')), None),
    Step("line\nbreak é \udc80", State(1, 2.5, None), State(0, 1.0, Version("v"))),
    Step("gone", None, State(0, 1.0, None)),
]


def _plan() -> list[str]:
    counts = Counts(sources=2, targets=2, copies=2, deletes=1)
    return [dump_head("s", "t"), *map(dump_step, STEPS), dump_end(counts)]


def test_plan_is_read_as_it_was_written() -> None:
    lines = _plan()

    assert all(line.isascii() and "\n" not in line for line in lines)
    assert list(load_plan(lines, "s", "t")) == STEPS


@pytest.mark.parametrize(
    "lines",
    [
        [],
        _plan()[:-1],
        _plan()[1:],
        [*_plan()[:2], _plan()[-1]],
        [*_plan(), dump_step(STEPS[0])],
        [_plan()[0], "{", _plan()[-1]],
        [_plan()[0], "[]", _plan()[-1]],
        [_plan()[0], '{"type": "delete", "name": "", "source": null, "target": null}'],
        [_plan()[0], '{"type": "copy", "name": "a", "source": 1, "target": null}'],
        [dump_head("s", "other"), dump_end(Counts())],
        [line.replace("2.5", "Infinity") for line in _plan()],
        [line.replace("2.5", '"now"') for line in _plan()],
    ],
)
def test_text_that_is_no_whole_plan_of_these_trees_is_refused(lines: list[str]) -> None:
    with pytest.raises(PlanError):
        list(load_plan(lines, "s", "t"))


@pytest.mark.parametrize(
    ("version", "size", "mtime", "same"),
    [("v", 9, 9.0, True), ("w", 1, 2.5, False), (None, 1, 2.0, True), (None, 1, 3.0, False)],
)
def test_state_is_told_by_version_else_by_size_and_second(
    version: str | None, size: int, mtime: float, *, same: bool
) -> None:
    meta = _blob(size=size, mtime=mtime, version=Version(version) if version else None)

    assert State(1, 2.5, Version("v")).describes(meta) is same
