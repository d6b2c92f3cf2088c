"""Uploads to Google go on in their session.

fake-gcs-server ends a session when it is asked how far it is, so this runs against the strict
server in this process.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from blobio.checksum import crc32c
from blobio.drivers.gcs.resumable import GRANULE
from blobio.testing.faultproxy import FaultProxy
from blobio.testing.strict_gcs import StrictGcs, strict_gcs
from blobio.testing.strict_gcs.store import Bucket
from tests.cli.conftest import Run
from tests.cli.interrupting import DATA, ONE_BY_ONE, PART, At, Start, interrupt, journals

SIGNALS: Final = {signal.SIGINT: 130, signal.SIGKILL: -9}
signals = pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
PART_4: Final = At("PUT", "upload_id=", skip=3)
CONFIRMED: Final = 3 * PART - GRANULE
"""Of the third part the last granule is kept back, for the session may end with it."""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StrictGcs]:
    """Lead the command's credentials to the strict server, and work in an empty directory."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("BLOBIO_STATE_DIR", str(tmp_path / "state"))
    with strict_gcs() as server:
        credentials = server.config().gcs.credentials_file
        assert credentials is not None
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", credentials)
        yield server


@pytest.fixture
def bucket(server: StrictGcs) -> Bucket:
    """Make a bucket."""
    return server.make_bucket("bucket")


@pytest.fixture
def proxy(server: StrictGcs) -> Iterator[FaultProxy]:
    """Stand between the command and the server."""
    with FaultProxy(server.url) as proxy:
        yield proxy


def words_for(proxy: FaultProxy) -> tuple[str, ...]:
    """Write the source, and return the words that copy it."""
    Path("big").write_bytes(DATA)
    return ("cp", "--resume", "--endpoint", proxy.url, *ONE_BY_ONE, "big", "gs://bucket/big")


def bytes_sent(proxy: FaultProxy) -> int:
    """Return how many bytes sessions were sent."""
    return sum(len(request.body) for request in proxy.requests if request.method == "PUT")


@signals
def test_a_session_goes_on_where_it_was_interrupted(
    start: Start, run: Run, proxy: FaultProxy, bucket: Bucket, number: signal.Signals
) -> None:
    words = words_for(proxy)

    code = interrupt(start, proxy, number, PART_4, *words)
    assert len(journals()) == 1
    again = run(*words)

    assert (code, again.code) == (SIGNALS[number], 0), again.err
    assert bytes_sent(proxy) == len(DATA) - CONFIRMED
    assert proxy.count("POST", "uploadType=resumable") == 0
    assert bucket.get("big").body == DATA
    assert journals() == []


def test_bytes_that_were_stored_and_not_written_down_are_not_sent_again(
    start: Start, run: Run, proxy: FaultProxy, bucket: Bucket
) -> None:
    words = words_for(proxy)
    interrupt(start, proxy, signal.SIGKILL, PART_4, *words)
    (session,) = bucket.sessions.values()
    more = len(session.data) + PART + GRANULE
    session.data += DATA[len(session.data) : more]

    assert run(*words).code == 0

    assert bytes_sent(proxy) == len(DATA) - more
    assert bucket.get("big").body == DATA


def test_a_session_that_is_gone_is_begun_anew(
    start: Start, run: Run, proxy: FaultProxy, bucket: Bucket
) -> None:
    words = words_for(proxy)
    interrupt(start, proxy, signal.SIGKILL, PART_4, *words)
    bucket.sessions.clear()

    assert run(*words).code == 0

    assert bytes_sent(proxy) == len(DATA)
    assert bucket.get("big").body == DATA


def test_a_source_that_changed_is_sent_anew_and_the_old_session_dropped(
    start: Start, run: Run, proxy: FaultProxy, bucket: Bucket
) -> None:
    words = words_for(proxy)
    interrupt(start, proxy, signal.SIGKILL, PART_4, *words)
    Path("big").write_bytes(DATA[::-1])

    assert run(*words).code == 0

    assert proxy.count("DELETE", "upload_id=") == 1
    assert bucket.get("big").body == DATA[::-1]


@pytest.mark.usefixtures("bucket")
def test_what_was_published_by_a_process_that_died_then_is_not_a_conflict(
    start: Start, run: Run, proxy: FaultProxy
) -> None:
    words = (*words_for(proxy), "--if-absent")
    last = At("PUT", "upload_id=", skip=4)
    assert interrupt(start, proxy, signal.SIGKILL, last, *words) < 0
    (journal,) = journals()
    kept = journal.read_text()
    assert run(*words).code == 0
    parts = {str(n): [PART, crc32c(DATA[n * PART :][:PART]), str(n)] for n in range(4)}
    parts["4"] = [len(DATA) - 4 * PART, crc32c(DATA[4 * PART :]), "4"]
    # as it was when the last process published, before it was removed
    journal.write_text(json.dumps({**json.loads(kept), "parts": parts}))
    proxy.clear()

    again = run(*words)

    assert again.code == 0, again.err
    assert bytes_sent(proxy) == 0
    assert journals() == []


def test_a_journal_that_is_older_than_what_was_published_proves_nothing(
    start: Start, run: Run, proxy: FaultProxy, bucket: Bucket
) -> None:
    words = words_for(proxy)
    interrupt(start, proxy, signal.SIGKILL, PART_4, *words)
    (journal,) = journals()
    kept = journal.read_text()
    assert run(*words).code == 0
    journal.write_text(kept)
    proxy.clear()

    assert run(*words).code == 0

    assert bytes_sent(proxy) == len(DATA)
    assert bucket.get("big").body == DATA
    assert journals() == []


def test_gc_cancels_a_session_by_its_journal(
    start: Start, run: Run, proxy: FaultProxy, bucket: Bucket
) -> None:
    interrupt(start, proxy, signal.SIGKILL, PART_4, *words_for(proxy))

    ran = run("gc", "--abort", "--older-than", "0", "--endpoint", proxy.url, "gs://bucket/")

    assert (ran.code, ran.out) == (0, "removed journal gs://bucket/big\n")
    assert not bucket.sessions
    assert journals() == []


def test_gc_finds_components(start: Start, run: Run, proxy: FaultProxy, bucket: Bucket) -> None:
    Path("big").write_bytes(DATA)
    words = ("cp", "--endpoint", proxy.url, *ONE_BY_ONE, "big", "gs://bucket/big")
    at = At("POST", "uploadType=multipart", skip=2)
    assert interrupt(start, proxy, signal.SIGKILL, at, *words) < 0
    gc = ("gc", "--json", "--older-than", "0", "--endpoint", proxy.url)

    found = run(*gc, "gs://bucket").records
    elsewhere = run(*gc, "gs://bucket/other/").records
    removed = run(*gc, "--abort", "gs://bucket").records

    assert [record["reason"] for record in found] == ["component of an upload"] * 2
    assert all(record["dst"].startswith("gs://bucket/.blobio-components/") for record in found)
    assert elsewhere == []
    assert [record["status"] for record in removed] == ["done"] * 2
    assert not bucket.objects
