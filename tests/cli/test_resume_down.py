"""A large download that is interrupted goes on: from every store, with the bytes that are there."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from blobio.testing.faultproxy import FaultProxy, Rule, answer
from tests.cli.conftest import Run, Servers
from tests.cli.interrupting import DATA, ONE_BY_ONE, PART, At, Start, interrupt, journals

SIGNALS: Final = {signal.SIGINT: 130, signal.SIGKILL: -9}
signals = pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
stores = pytest.mark.parametrize("store", ["moto", "rclone", "gcs", "azurite"])
moto_only = pytest.mark.parametrize("store", ["moto"])
WORDS: Final = ("cp", "--resume", *ONE_BY_ONE)


@pytest.fixture(autouse=True)
def state_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the journals of a test to itself."""
    monkeypatch.setenv("BLOBIO_STATE_DIR", str(tmp_path / "state"))


@pytest.fixture
def big(run: Run, root: str) -> str:
    """Put a large blob into the store; return its URL."""
    Path("big").write_bytes(DATA)
    assert run("cp", "big", f"{root}big").code == 0
    return f"{root}big"


@pytest.fixture
def proxy(
    store: str, big: str, environment: Servers, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FaultProxy]:
    """Stand between the command and the store's server."""
    del big
    with environment.proxied(store, monkeypatch) as proxy:
        yield proxy


@pytest.fixture
def broken_off(start: Start, proxy: FaultProxy, big: str, store: str) -> None:
    """Kill a download at the request for its fourth part."""
    assert interrupt(start, proxy, signal.SIGKILL, fourth(store), *WORDS, big, "back") < 0


def fourth(store: str) -> At:
    """Return the request for the fourth part: the only reads with ranges are those of parts."""
    return At("GET", "big", skip=3, header="x-ms-range" if store == "azurite" else "range")


def ranges(proxy: FaultProxy) -> list[str]:
    """Return the ranges that were read."""
    found = (
        request.headers.get("x-ms-range") or request.headers.get("range")
        for request in proxy.requests
        if request.method == "GET"
    )
    return [text for text in found if text is not None]


@stores
@signals
def test_a_download_goes_on_where_it_was_interrupted(
    start: Start, run: Run, proxy: FaultProxy, big: str, number: signal.Signals
) -> None:
    store = "azurite" if big.startswith("az:") else "any other"
    code = interrupt(start, proxy, number, fourth(store), *WORDS, big, "back")
    assert not Path("back").exists()
    again = run(*WORDS, big, "back")

    assert (code, again.code) == (SIGNALS[number], 0), again.err
    assert ranges(proxy) == [
        f"bytes={3 * PART}-{4 * PART - 1}",
        f"bytes={4 * PART}-{len(DATA) - 1}",
    ]
    assert Path("back").read_bytes() == DATA
    assert sorted(path.name for path in Path().iterdir()) == ["back", "big"]
    assert journals() == []


@pytest.mark.usefixtures("broken_off")
@moto_only
def test_bytes_that_did_not_get_to_the_disk_are_read_again(
    run: Run, proxy: FaultProxy, big: str
) -> None:
    """After a power cut the journal may know of parts that the file does not have."""
    (left,) = Path().glob(".blobio-*.tmp")
    with left.open("rb+") as file:
        file.seek(PART + 7)
        file.write(bytes(100))

    assert run(*WORDS, big, "back").code == 0

    assert [text.partition("-")[0] for text in ranges(proxy)] == [
        f"bytes={PART}",
        f"bytes={3 * PART}",
        f"bytes={4 * PART}",
    ]
    assert Path("back").read_bytes() == DATA


@pytest.mark.usefixtures("broken_off")
@moto_only
def test_a_source_that_changed_is_read_anew(run: Run, proxy: FaultProxy, big: str) -> None:
    Path("big").write_bytes(DATA[::-1])
    assert run("cp", "big", big).code == 0
    proxy.clear()

    assert run(*WORDS, big, "back").code == 0

    assert len(ranges(proxy)) == 5
    assert Path("back").read_bytes() == DATA[::-1]
    assert sorted(path.name for path in Path().iterdir()) == ["back", "big"]


@pytest.mark.usefixtures("broken_off")
@moto_only
@pytest.mark.parametrize("what", ["gone", "link"])
def test_a_file_that_is_not_there_any_more_is_begun_anew(
    run: Run, proxy: FaultProxy, big: str, what: str
) -> None:
    (left,) = Path().glob(".blobio-*.tmp")
    left.unlink()
    if what == "link":
        Path("victim").write_text("precious")
        left.symlink_to("victim")

    assert run(*WORDS, big, "back").code == 0

    assert len(ranges(proxy)) == 5
    assert Path("back").read_bytes() == DATA
    assert what == "gone" or Path("victim").read_text() == "precious"


@moto_only
def test_a_failure_keeps_what_was_read(run: Run, proxy: FaultProxy, big: str) -> None:
    proxy.add(Rule(answer(403), method="GET", path="big", skip=3))

    failed = run(*WORDS, big, "back")
    proxy.clear()
    again = run(*WORDS, big, "back")

    assert (failed.code, again.code) == (4, 0)
    assert len(ranges(proxy)) == 2
    assert Path("back").read_bytes() == DATA


@moto_only
def test_a_special_file_is_written_as_ever(run: Run, proxy: FaultProxy, big: str) -> None:
    assert run(*WORDS, big, "/dev/null").code == 0

    assert len(ranges(proxy)) == 5
    assert journals() == []
