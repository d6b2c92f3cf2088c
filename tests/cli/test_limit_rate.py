"""`--limit-rate`: all bytes go past one throttle, which here counts them and lets them pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from blobio.transport.throttle import Throttle
from tests.cli.conftest import Run, make_tree

remote = pytest.mark.parametrize("store", ["moto", "gcs", "azurite"])


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> dict[Throttle, int]:
    """Return the bytes that each throttle was asked for; nobody waits."""
    asked: dict[Throttle, int] = {}

    async def take(throttle: Throttle, size: int) -> None:
        asked[throttle] = asked.get(throttle, 0) + size

    monkeypatch.setattr(Throttle, "take", take)
    return asked


@remote
def test_uploads_and_downloads_go_past_one_throttle(
    run: Run, root: str, taken: dict[Throttle, int]
) -> None:
    Path("d").mkdir()
    for name in ("a", "b"):
        Path(f"d/{name}").write_bytes(bytes(300_000))

    assert run("cp", "-r", "--limit-rate", "1M", "d/", root).code == 0
    up = dict(taken)
    taken.clear()
    assert run("cp", "-r", "--limit-rate", "1M", root, "back/").code == 0

    assert [size >= 600_000 for size in up.values()] == [True]
    assert list(taken.values()) == [600_000]


@remote
def test_without_it_there_is_no_throttle(run: Run, root: str, taken: dict[Throttle, int]) -> None:
    make_tree()

    assert run("cp", "-r", "d/", root).code == 0

    assert taken == {}


@pytest.mark.parametrize("store", ["local"])
@pytest.mark.parametrize("rate", ["0", "fast", "-1"])
def test_a_rate_that_is_none_is_usage(run: Run, root: str, rate: str) -> None:
    make_tree()

    assert run("cp", "--limit-rate", rate, "d/a.txt", root).code == 2

    assert list(Path(root).iterdir()) == []
