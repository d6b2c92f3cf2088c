"""A large transfer that is interrupted in the middle goes on with the next `--resume`: no part that
was done is sent again, and the bytes are exact.
"""

from __future__ import annotations

import base64
import json
import signal
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs

import pytest

from blobio.cli import main
from blobio.core.journal import Journals
from blobio.testing.faultproxy import FaultProxy, Rule, answer
from tests.cli.conftest import Run, Servers
from tests.cli.interrupting import DATA, ONE_BY_ONE, PART, At, Start, interrupt, journals

SIGNALS: Final = {signal.SIGINT: 130, signal.SIGKILL: -9}
PART_4: Final = At("PUT", "partNumber=4&")
stores = pytest.mark.parametrize("store", ["moto", "rclone", "azurite"])
s3_stores = pytest.mark.parametrize("store", ["moto", "rclone"])
moto_only = pytest.mark.parametrize("store", ["moto"])
signals = pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)


@pytest.fixture(autouse=True)
def state_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the journals of a test to itself."""
    monkeypatch.setenv("BLOBIO_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def proxy(
    store: str, root: str, environment: Servers, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FaultProxy]:
    """Stand between the command and the store's server; leave no upload for other tests."""
    with environment.proxied(store, monkeypatch) as proxy:
        yield proxy
        proxy.clear()
        assert main(("gc", "--abort", "--quiet", "--older-than", "0", root)) == 0


def parts_sent(proxy: FaultProxy) -> list[int]:
    """Return the numbers of the parts, or blocks, that were sent, in order of arrival."""
    numbers = []
    for request in proxy.requests:
        query = parse_qs(request.target.partition("?")[2])
        if request.method == "PUT" and "partNumber" in query:
            numbers.append(int(query["partNumber"][0]))
        elif request.method == "PUT" and "blockid" in query:
            name = base64.b64decode(query["blockid"][0]).decode()
            numbers.append(int(name.rpartition("-")[2]) + 1)
    return numbers


def part_4(root: str) -> At:
    """Return the request that sends the fourth part; the parts are sent in order."""
    return At("PUT", "comp=block&", skip=3) if root.startswith("az:") else PART_4


@stores
@signals
def test_an_upload_goes_on_where_it_was_interrupted(
    start: Start, run: Run, proxy: FaultProxy, root: str, number: signal.Signals
) -> None:
    Path("big").write_bytes(DATA)
    words = ("cp", "--resume", *ONE_BY_ONE, "big", f"{root}big")

    code = interrupt(start, proxy, number, part_4(root), *words)
    assert len(journals()) == 1
    again = run(*words)

    assert (code, again.code) == (SIGNALS[number], 0), again.err
    assert parts_sent(proxy) == [4, 5]
    assert proxy.count("POST", "uploads=") == 0
    assert journals() == []
    assert run("cp", f"{root}big", "back").code == 0
    assert Path("back").read_bytes() == DATA


@moto_only
@signals
def test_parts_side_by_side_are_each_sent_once_they_are_not_written_down(
    start: Start, run: Run, proxy: FaultProxy, root: str, number: signal.Signals
) -> None:
    """Which parts are done at the strike depends on the machine; what is sent then does not."""
    Path("big").write_bytes(DATA)
    words = ("cp", "--resume", "--part-size", str(PART), "big", f"{root}big")
    assert interrupt(start, proxy, number, part_4(root), *words) == SIGNALS[number]
    (journal,) = journals()
    written_down = {int(index) + 1 for index in json.loads(journal.read_text())["parts"]}

    assert run(*words).code == 0

    assert set(parts_sent(proxy)) == {1, 2, 3, 4, 5} - written_down
    assert run("cp", f"{root}big", "back").code == 0
    assert Path("back").read_bytes() == DATA


def interrupted(start: Start, proxy: FaultProxy, root: str) -> tuple[str, ...]:
    """Interrupt an upload of `big` at its fourth part; return the words of the command."""
    Path("big").write_bytes(DATA)
    words = ("cp", "--resume", *ONE_BY_ONE, "big", f"{root}big")
    assert interrupt(start, proxy, signal.SIGKILL, part_4(root), *words) == -signal.SIGKILL
    return words


@moto_only
def test_a_journal_is_its_owners_and_holds_no_secret(
    start: Start, proxy: FaultProxy, root: str, environment: Servers
) -> None:
    interrupted(start, proxy, root)

    (journal,) = journals()
    assert stat.S_IMODE(journal.stat().st_mode) == 0o600
    assert stat.S_IMODE(journal.parent.stat().st_mode) == 0o700
    assert environment.moto.secret_key not in journal.read_text()


@moto_only
def test_a_source_that_changed_is_sent_anew_and_the_old_upload_taken_back(
    start: Start, run: Run, proxy: FaultProxy, root: str
) -> None:
    words = interrupted(start, proxy, root)
    Path("big").write_bytes(DATA[::-1])

    assert run(*words).code == 0

    assert parts_sent(proxy) == [1, 2, 3, 4, 5]
    assert proxy.count("DELETE", "uploadId=") == 1
    assert run("cp", f"{root}big", "back").code == 0
    assert Path("back").read_bytes() == DATA[::-1]
    assert journals() == []


@moto_only
def test_another_description_is_another_transfer(
    start: Start, run: Run, proxy: FaultProxy, root: str
) -> None:
    words = interrupted(start, proxy, root)

    assert run(*words, "--content-type", "text/other").code == 0

    assert parts_sent(proxy) == [1, 2, 3, 4, 5]
    assert proxy.count("DELETE", "uploadId=") == 1
    (record,) = run("stat", "--json", f"{root}big").records
    assert record["content_type"] == "text/other"


@moto_only
def test_parts_keep_the_size_they_were_begun_with(
    start: Start, run: Run, proxy: FaultProxy, root: str
) -> None:
    interrupted(start, proxy, root)

    assert run("cp", "--resume", "--part-size", "6MiB", "big", f"{root}big").code == 0

    assert sorted(parts_sent(proxy)) == [4, 5]


@moto_only
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"v": 1}', b"\xff", b'{"v": 2}'])
def test_a_journal_that_cannot_be_read_counts_as_none(
    start: Start, run: Run, proxy: FaultProxy, root: str, content: bytes
) -> None:
    words = interrupted(start, proxy, root)
    (journal,) = journals()
    journal.write_bytes(content)

    assert run(*words).code == 0

    assert parts_sent(proxy) == [1, 2, 3, 4, 5]
    assert run("cp", f"{root}big", "back").code == 0
    assert Path("back").read_bytes() == DATA
    assert journals() == []


@stores
def test_an_upload_that_is_gone_is_begun_anew(
    start: Start, run: Run, proxy: FaultProxy, root: str
) -> None:
    words = interrupted(start, proxy, root)
    (journal,) = journals()
    text = journal.read_text()
    name = '"session": "' if root.startswith("az:") else '"upload_id": "'
    upload_id = text.partition(name)[2].partition('"')[0]
    another = "9" * max(4, len(upload_id))  # nobody has begun it
    journal.write_text(text.replace(f'"{upload_id}"', f'"{another}"'))

    assert run(*words).code == 0

    assert parts_sent(proxy) == [1, 2, 3, 4, 5]
    assert run("cp", f"{root}big", "back").code == 0
    assert Path("back").read_bytes() == DATA


@moto_only
def test_without_resume_nothing_is_left_and_nothing_gone_on_with(
    start: Start, run: Run, proxy: FaultProxy, root: str
) -> None:
    Path("big").write_bytes(DATA)
    words = ("cp", *ONE_BY_ONE, "big", f"{root}big")

    assert interrupt(start, proxy, signal.SIGINT, PART_4, *words) == 130

    assert journals() == []
    assert run(*words).code == 0
    assert sorted(parts_sent(proxy)) == [1, 2, 3, 4, 5]


@moto_only
def test_a_failure_keeps_what_was_sent(run: Run, proxy: FaultProxy, root: str) -> None:
    Path("big").write_bytes(DATA)
    words = ("cp", "--resume", *ONE_BY_ONE, "big", f"{root}big")
    refused = answer(403, body=b"<Error><Code>AccessDenied</Code></Error>")
    proxy.add(Rule(refused, method="PUT", path="partNumber=4&"))

    failed = run(*words)
    proxy.clear()
    again = run(*words)

    assert (failed.code, again.code) == (4, 0)
    assert parts_sent(proxy) == [4, 5]


@moto_only
def test_a_condition_that_is_lost_takes_the_upload_back(
    start: Start, run: Run, proxy: FaultProxy, root: str
) -> None:
    Path("big").write_bytes(DATA)
    Path("other").write_text("other")
    words = ("cp", "--resume", "--if-absent", *ONE_BY_ONE, "big", f"{root}big")
    interrupt(start, proxy, signal.SIGKILL, PART_4, *words)
    run("cp", "other", f"{root}big")

    ran = run(*words)

    assert ran.code == 6
    assert parts_sent(proxy) == [4, 5]
    assert journals() == []
    assert proxy.count("DELETE", "uploadId=") == 1
    assert run("cat", f"{root}big").out == "other"


@pytest.mark.parametrize("store", ["moto", "azurite"])
def test_what_was_published_by_a_process_that_died_then_is_not_a_conflict(
    start: Start, run: Run, proxy: FaultProxy, root: str
) -> None:
    Path("big").write_bytes(DATA)
    words = ("cp", "--resume", "--if-absent", *ONE_BY_ONE, "big", f"{root}big")
    is_azure = root.startswith("az:")
    completion = At("PUT", "comp=blocklist") if is_azure else At("POST", "uploadId=")
    assert interrupt(start, proxy, signal.SIGKILL, completion, *words) == -signal.SIGKILL
    (journal,) = journals()
    kept = journal.read_bytes()
    assert run(*words).code == 0
    journal.write_bytes(kept)  # as if it had died before it could remove it
    proxy.clear()

    again = run(*words)

    assert again.code == 0
    assert parts_sent(proxy) == []
    assert journals() == []


@moto_only
def test_a_second_process_keeps_off(start: Start, run: Run, proxy: FaultProxy, root: str) -> None:
    words = interrupted(start, proxy, root)
    (slot,) = Journals(str(journals()[0].parent)).slots()

    with slot.held("it"):
        ran = run(*words)

    assert (ran.code, "another process" in ran.err) == (1, True)
    assert proxy.count("PUT") == 0


@moto_only
def test_mv_goes_on_and_removes_its_source(
    start: Start, run: Run, proxy: FaultProxy, root: str
) -> None:
    Path("big").write_bytes(DATA)
    words = ("mv", "--resume", *ONE_BY_ONE, "big", f"{root}big")
    interrupt(start, proxy, signal.SIGKILL, PART_4, *words)

    assert run(*words).code == 0

    assert parts_sent(proxy) == [4, 5]
    assert not Path("big").exists()


@moto_only
def test_a_pipe_cannot_be_gone_on_with(run: Run, root: str) -> None:
    assert run("cp", "--resume", "-", f"{root}x").code == 2
    assert run("cp", "--resume", f"{root}x", "-").code == 2


@moto_only
def test_small_blobs_leave_no_journal(run: Run, root: str, state_directory: Path) -> None:
    Path("small").write_text("small")

    assert run("cp", "--resume", "small", f"{root}small").code == 0

    assert not state_directory.exists()


@moto_only
def test_sync_goes_on_with_what_it_left(
    start: Start, run: Run, proxy: FaultProxy, root: str
) -> None:
    Path("d").mkdir()
    Path("d/big").write_bytes(DATA)
    words = ("sync", "--resume", *ONE_BY_ONE, "d", root)
    assert interrupt(start, proxy, signal.SIGKILL, PART_4, *words) == -signal.SIGKILL

    assert run(*words).code == 0

    assert parts_sent(proxy) == [4, 5]
    assert journals() == []


@moto_only
def test_a_copy_between_clouds_reads_and_sends_what_is_left(
    start: Start, run: Run, root: str, environment: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("big").write_bytes(DATA)
    assert run("cp", *ONE_BY_ONE, "big", f"{root}big").code == 0
    there = root.replace("s3://", "az://devstoreaccount1/") + "big"
    words = ("cp", "--resume", *ONE_BY_ONE, f"{root}big", there)
    with environment.proxied("azurite", monkeypatch) as proxy:
        assert interrupt(start, proxy, signal.SIGKILL, part_4(there), *words) == -signal.SIGKILL
        with FaultProxy(environment.moto.url) as source:
            monkeypatch.setenv("AWS_ENDPOINT_URL_S3", source.url)
            assert run(*words).code == 0

        assert parts_sent(proxy) == [4, 5]
        assert source.count("GET") == 2  # moto tells a CRC32C, so the rest need not be read
        assert run("cp", there, "back").code == 0
    assert Path("back").read_bytes() == DATA
    assert journals() == []


@moto_only
def test_without_a_checksum_of_the_source_all_is_read_and_only_the_rest_sent(
    start: Start, run: Run, root: str, environment: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An MD5 cannot be put together from parts, and blocks are shown to nobody."""
    Path("big").write_bytes(DATA)
    assert run("cp", "--part-size", "64MiB", "big", f"{root}big").code == 0
    there = root.replace("s3://", "az://devstoreaccount1/") + "big"
    words = ("cp", "--resume", *ONE_BY_ONE, f"{root}big", there)
    with environment.proxied("azurite", monkeypatch) as proxy:
        assert interrupt(start, proxy, signal.SIGKILL, part_4(there), *words) == -signal.SIGKILL
        assert run(*words).code == 0

        assert parts_sent(proxy) == [4, 5]
        assert run("cp", there, "back").code == 0
    assert Path("back").read_bytes() == DATA
