"""Rows 1 to 4, 10, 12, 23 and 34: bodies that break off, lie about their length, or stop moving."""

from __future__ import annotations

from dataclasses import replace

import pytest

from blobio import Context
from blobio.config import Config
from blobio.errors import BlobError, DeadlineExceeded, TransportFailed
from blobio.testing.faultproxy import (
    close_delimited,
    relength,
    shorten,
    stall,
    trickle,
    truncate,
)
from blobio.testing.scripted import End, Received
from tests.faults.sites import DATA, KIB, Site
from tests.faults.ways import Way, each_protocol, each_way

CUT = 10_000


def impatient(config: Config, stall_s: float = 0.1) -> Config:
    return replace(config, http=replace(config.http, stall_timeout_s=stall_s))


@each_way
def test_row_01_reset_mid_body_is_resumed(site: Site, way: Way) -> None:
    site.breaks(truncate(CUT, End.RST), times=2)

    assert way.read(site.config, site.url) == DATA


@each_way
def test_row_02_end_mid_body_is_resumed(site: Site, way: Way) -> None:
    site.breaks(truncate(CUT, End.FIN), times=2)

    assert way.read(site.config, site.url) == DATA


@pytest.mark.parametrize("end", [End.FIN, End.RST])
def test_row_02_resume_starts_at_the_byte_that_is_missing_and_is_pinned(
    site: Site, end: End
) -> None:
    site.breaks(truncate(CUT, end))

    with Context(site.config) as context:
        assert context.read_ranges(site.url, [(5, 50_005)]) == [DATA[5:50_005]]

    first, second = site.gets
    assert _range(first) == "bytes=5-50004"
    start = int(_range(second).removeprefix("bytes=").removesuffix("-50004"))
    assert 5 <= start <= 5 + CUT  # a reset may overtake bytes
    assert end is End.RST or start == 5 + CUT
    assert site.pin(second) is not None


@pytest.mark.parametrize("end", [End.FIN, End.RST])
def test_row_02_body_that_always_breaks_off_is_an_error(site: Site, end: End) -> None:
    site.breaks(truncate(0, end), times=None)

    with Context(site.config) as context, pytest.raises(TransportFailed):
        context.read_bytes(site.url)


@each_way
def test_row_03_short_body_with_matching_length_is_detected(site: Site, way: Way) -> None:
    site.breaks(shorten(CUT), times=2)

    assert way.read(site.config, site.url) == DATA


@each_way
def test_row_03_body_that_is_always_short_with_a_matching_length_is_an_error(
    site: Site, way: Way
) -> None:
    site.breaks(shorten(0), times=None)

    with pytest.raises(BlobError):
        way.read(site.config, site.url)


@each_way
def test_row_03_length_that_is_too_large_is_detected(site: Site, way: Way) -> None:
    site.breaks(relength(1000), times=2)

    _right_or_loud(site, way)


@each_way
def test_row_04_short_body_that_ends_with_the_connection_is_detected(site: Site, way: Way) -> None:
    site.breaks(close_delimited(CUT), times=2)

    _right_or_loud(site, way)


@each_way
def test_row_04_whole_body_that_ends_with_the_connection_is_not_trusted(
    site: Site, way: Way
) -> None:
    site.breaks(close_delimited(), times=2)

    _right_or_loud(site, way)


def _range(request: Received) -> str:
    """Return the range asked for; Azure has a header of its own for it."""
    return request.headers.get("range") or request.headers["x-ms-range"]


def _right_or_loud(site: Site, way: Way) -> None:
    """Nothing tells the size of a whole body without a length: an error is right then."""
    try:
        found = way.read(site.config, site.url)
    except BlobError:
        assert way.whole
    else:
        assert found == DATA


@each_protocol
@each_way
def test_row_10_body_that_stalls_is_given_up_and_resumed(site: Site, way: Way) -> None:
    site.breaks(stall(CUT))

    assert way.read(impatient(site.config), site.url) == DATA


def test_row_10_server_that_never_answers_is_an_error(site: Site) -> None:
    site.breaks(stall(0), times=None)

    with (
        Context(impatient(site.config, 0.05)) as context,
        pytest.raises((TransportFailed, DeadlineExceeded)),
    ):
        context.read_bytes(site.url)


@each_protocol
@each_way
def test_row_12_idle_connection_that_was_closed_is_invisible(site: Site, way: Way) -> None:
    """Each reply is whole, and then the connection ends although it was to be kept."""
    site.breaks(relength(0), times=None)

    assert way.read(site.config, site.url) == DATA
    assert len(site.gets) <= 20


def test_row_12_connection_that_was_closed_between_two_reads_is_invisible(site: Site) -> None:
    site.proxy.clear()
    with Context(site.config) as context:
        context.stat(site.url)
        site.breaks(truncate(0, End.RST))

        assert context.read_bytes(site.url) == DATA


@each_protocol
@each_way
def test_row_23_trickle_is_given_up_and_asked_for_again(site: Site, way: Way) -> None:
    """A byte now and then keeps a stall timeout quiet, but not the least rate."""
    site.breaks(trickle(0.02))

    assert way.read(impatient(site.config), site.url) == DATA


def test_row_34_slow_reader_gets_all_bytes_of_a_fast_server(site: Site) -> None:
    """A reader that takes its time stalls nobody: the clock runs only while it waits."""
    site.proxy.clear()
    config = replace(impatient(site.config, 0.05), buffer_bytes=len(DATA))
    with Context(config) as context, context.BlobFile(site.url, "rb") as file:
        first = file.read(KIB)
        for _ in range(20):
            context.stat(site.url)  # work in between, on the same connections
        assert first + file.read() == DATA
