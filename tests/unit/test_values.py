"""The values: bad states cannot be made, good ones are frozen."""

from __future__ import annotations

import dataclasses
import pickle

import pytest

from blobio.values import (
    BlobMeta,
    Capabilities,
    CreateOnly,
    DeleteResult,
    From,
    GetOptions,
    Last,
    ListOptions,
    ListPage,
    MetaPatch,
    Overwrite,
    PutOptions,
    PutResult,
    ReplaceIf,
    SignedUrl,
    Span,
    Version,
)


@pytest.mark.parametrize(("start", "stop"), [(-1, 0), (-2, -1), (5, 4)])
def test_span_needs_a_start_before_its_stop(start: int, stop: int) -> None:
    with pytest.raises(ValueError, match="0 <= start <= stop"):
        Span(start, stop)


def test_span_is_half_open() -> None:
    assert len(Span(3, 10)) == 7
    assert len(Span(3, 3)) == 0


def test_range_cannot_start_before_the_blob() -> None:
    with pytest.raises(ValueError, match="cannot start at -1"):
        From(-1)


@pytest.mark.parametrize("size", [0, -1])
def test_suffix_range_needs_a_byte(size: int) -> None:
    with pytest.raises(ValueError, match="at least 1 byte"):
        Last(size)


@pytest.mark.parametrize("delimiter", ["//", "a", " "])
def test_delimiter_is_a_slash_or_nothing(delimiter: str) -> None:
    with pytest.raises(ValueError, match="delimiter"):
        ListOptions(delimiter=delimiter)


def test_page_holds_an_entry() -> None:
    with pytest.raises(ValueError, match="at least 1 entry"):
        ListOptions(page_size=0)


def test_write_modes_compare_by_what_they_ask() -> None:
    assert Overwrite() == Overwrite()
    assert ReplaceIf(Version("1")) == ReplaceIf(Version("1"))
    assert ReplaceIf(Version("1")) != ReplaceIf(Version("2"))
    assert len({CreateOnly(), Overwrite()}) == 2


def test_defaults_ask_for_nothing_special() -> None:
    assert PutOptions().mode == Overwrite()
    assert GetOptions() == GetOptions(range=None, version=None)
    assert ListOptions() == ListOptions(delimiter="", page_size=1000, start_after="")
    assert ListPage().token is None


@pytest.mark.parametrize(
    "value",
    [
        Span(0, 1),
        From(0),
        Last(1),
        Overwrite(),
        CreateOnly(),
        ReplaceIf(Version("v")),
        BlobMeta(key="k", size=1, mtime=0.0, ctime=0.0),
        GetOptions(),
        PutOptions(),
        PutResult(),
        ListOptions(),
        ListPage(),
        DeleteResult(key="k"),
        MetaPatch(),
        SignedUrl(url="u", expires_at=None),
        Capabilities(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_value_is_frozen_and_pickles(value: object) -> None:
    if isinstance(value, BlobMeta):
        first = value._fields[0]
    else:
        assert dataclasses.is_dataclass(value)
        first = next((one.name for one in dataclasses.fields(value)), "anything")

    with pytest.raises((dataclasses.FrozenInstanceError, TypeError, AttributeError)):
        setattr(value, first, None)
    assert pickle.loads(pickle.dumps(value)) == value  # noqa: S301 - our own bytes
