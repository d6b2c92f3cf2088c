"""Rows 5 to 7: bytes that were changed, bytes that nobody asked for, bytes of another version."""

from __future__ import annotations

import gzip
from dataclasses import replace
from operator import attrgetter
from typing import BinaryIO

import pytest

from blobio import Context
from blobio.errors import BlobError, ChecksumMismatch, VersionMismatch
from blobio.testing.faultproxy import Action, Forward, corrupt, truncate
from blobio.testing.scripted import Received, Reply, ScriptedServer, serving
from tests.faults.sites import DATA, KIB, OTHER, PART, QUICK, Site, Store
from tests.faults.ways import WAYS, Way, each_way

# Ranges may be any part of a blob, and no store has a checksum of that.
CHECKED = [way for way in WAYS if way.name != "read_ranges"]
each_checked_way = pytest.mark.parametrize("way", CHECKED, ids=attrgetter("name"))


def drain(file: BinaryIO) -> None:
    while file.read(10 * KIB):
        pass


@each_checked_way
def test_row_05_flipped_byte_is_never_silent(checked: Site, way: Way) -> None:
    """What is taken or published whole is fetched again; a stream does not come to its end."""
    checked.breaks(corrupt(5))

    if way.mends:
        assert way.read(checked.config, checked.url) == DATA
    else:
        with pytest.raises(ChecksumMismatch):
            way.read(checked.config, checked.url)


@each_checked_way
def test_row_05_byte_that_is_always_flipped_is_an_error(checked: Site, way: Way) -> None:
    checked.breaks(corrupt(5), times=None)

    with pytest.raises(ChecksumMismatch):
        way.read(checked.config, checked.url)


@pytest.mark.parametrize("offset", [0, PART - 1, 200, 17])
@pytest.mark.parametrize("skip", range(5))
def test_row_05_flipped_byte_in_any_part_of_a_parallel_read_is_found(
    checked: Site, skip: int, offset: int
) -> None:
    checked.breaks(corrupt(offset), skip=skip)

    with Context(checked.config) as context:
        assert context.read_bytes(checked.url) == DATA


def test_row_05_md5_in_the_etag_checks_a_read_in_one_request(s3: Store) -> None:
    site = s3.site("md5")
    config = replace(site.config, read=replace(site.config.read, part_bytes=len(DATA)))
    site.breaks(corrupt(5))

    with Context(config) as context:
        assert context.read_bytes(site.url) == DATA
    assert len(site.gets) == 2


def test_row_05_stream_that_was_read_in_jumps_is_checked_once_all_of_it_was_read(
    checked: Site,
) -> None:
    checked.breaks(corrupt(5), skip=2)

    with Context(checked.config) as context, context.BlobFile(checked.url, "rb") as file:
        assert file.read(100) == DATA[:100]
        file.seek(len(DATA) - 10)
        assert file.read() == DATA[-10:]
        file.seek(0)
        file.read(PART)
        with pytest.raises(ChecksumMismatch):
            file.read()
        file.seek(0)
        assert file.read() == DATA


def test_row_05_stream_that_failed_its_check_does_not_pass_it_by_reading_on(checked: Site) -> None:
    checked.breaks(corrupt(5))

    with Context(checked.config) as context, context.BlobFile(checked.url, "rb") as file:
        for _ in range(2):
            with pytest.raises(ChecksumMismatch):
                drain(file)
            assert file.tell() < len(DATA)


def _ignore_range(request: Received, forward: Forward) -> Reply:
    """Answer a request for a part with 200 and all of it."""
    reply = forward(request)
    if reply.status != 206:
        return reply
    kept = {name: text for name, text in reply.headers.items() if name.lower() != "content-range"}
    return replace(reply, status=200, headers=kept, body=DATA)


@each_way
def test_row_06_store_that_ignores_ranges_is_sliced(site: Site, way: Way) -> None:
    site.breaks(_ignore_range, times=None)

    assert way.read(site.config, site.url) == DATA


def test_row_06_range_out_of_a_whole_body_is_the_one_asked_for(site: Site) -> None:
    site.breaks(_ignore_range, times=None)

    with Context(site.config) as context:
        assert context.read_ranges(site.url, [(70_000, 70_010)]) == [DATA[70_000:70_010]]


def _shifted(request: Received, forward: Forward) -> Reply:
    """Serve other bytes than those that were asked for, and say so."""
    reply = forward(request)
    kept = {name.lower(): text for name, text in reply.headers.items()}
    return replace(reply, headers=kept | {"content-range": f"bytes 69900-69909/{len(DATA)}"})


def _unnamed(request: Received, forward: Forward) -> Reply:
    """Leave out which bytes these are."""
    reply = forward(request)
    kept = {name: text for name, text in reply.headers.items() if name.lower() != "content-range"}
    return replace(reply, headers=kept)


def _many(request: Received, forward: Forward) -> Reply:
    reply = forward(request)
    headers = {**reply.headers, "Content-Type": "multipart/byteranges; boundary=x"}
    return replace(reply, headers=headers)


@pytest.mark.parametrize("action", [_shifted, _unnamed, _many])
def test_row_06_bytes_that_were_not_asked_for_are_refused(site: Site, action: Action) -> None:
    site.breaks(action, times=None)

    with Context(site.config) as context, pytest.raises(BlobError):
        context.read_ranges(site.url, [(70_000, 70_010)])


@pytest.mark.parametrize("seek", [False, True])
def test_row_07_object_replaced_between_reads_of_a_handle_is_refused(
    site: Site, seek: bool
) -> None:
    with Context(site.config) as context, context.BlobFile(site.url, "rb") as file:
        assert file.read(1000) == DATA[:1000]
        site.replace(OTHER)
        if seek:
            file.seek(200_000)

        if site.keeps_versions:
            assert file.read() == DATA[200_000 if seek else 1000 :]
        else:
            with pytest.raises(VersionMismatch):
                drain(file)
    site.replace(DATA)


@each_way
def test_row_07_object_replaced_between_requests_is_never_mixed(site: Site, way: Way) -> None:
    """The first body breaks off, and then there is another object of the same size."""

    def act(request: Received, forward: Forward) -> Reply:
        reply = truncate(10_000)(request, forward)
        site.replace(OTHER)
        return reply

    site.breaks(act)
    try:
        if site.keeps_versions:
            assert way.read(site.config, site.url) == DATA
        else:
            with pytest.raises(VersionMismatch):
                way.read(site.config, site.url)
    finally:
        site.replace(DATA)


def test_row_07_page_with_only_a_date_is_pinned_to_it() -> None:
    """Without an ETag the time of the last change tells that a page is another."""
    dates = ["Mon, 01 Jan 2024 00:00:00 GMT"]

    def handler(request: Received) -> Reply:
        if_range = request.headers.get("if-range", dates[0])
        kept = {name: text for name, text in request.headers.items() if name != "if-range"}
        if if_range != dates[0]:
            kept.pop("range")
        reply = serving(DATA)(replace(request, headers=kept))
        headers = {**reply.headers, "Last-Modified": dates[0]}
        headers.pop("ETag")
        return replace(reply, headers=headers)

    with ScriptedServer(handler) as server, Context(QUICK) as context:
        url = f"{server.url}/page"
        with context.BlobFile(url, "rb") as file:
            assert file.read() == DATA
        with context.BlobFile(url, "rb") as file:
            file.read(1000)
            dates[0] = "Tue, 02 Jan 2024 00:00:00 GMT"
            with pytest.raises(VersionMismatch):
                file.read()


def test_rule_09_what_is_stored_compressed_is_returned_as_stored(s3: Store) -> None:
    stored = gzip.compress(DATA)
    bucket = s3.server.make_bucket(s3.bucket)
    bucket.put("blob", stored, {"content-encoding": "gzip"})

    with Context(s3.config) as context:
        assert context.read_bytes(s3.url()) == stored
        assert context.stat(s3.url()).size == len(stored)
        with context.BlobFile(s3.url(), "rb") as file:
            assert file.read() == stored

    requests = [r for r in list(s3.proxy.requests) if s3.bucket in r.target]
    assert {request.headers.get("accept-encoding") for request in requests} == {"identity"}
