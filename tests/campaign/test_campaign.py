"""Campaigns in CI: 23,000 operations in all, and bugs, old and invented, that they must find."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.campaign.bugs import BUGS
from tests.campaign.campaign import run
from tests.campaign.model import Violation

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.mark.parametrize(
    ("ground", "seed", "operations"),
    [
        ("strict", 1, 16_500),
        ("azure", 5, 3_000),
        ("moto", 2, 1_500),
        ("local", 3, 1_500),
        ("rivals", 4, 500),
    ],
)
async def test_no_promise_is_broken(ground: str, seed: int, operations: int) -> None:
    report = await run(ground, seed, operations)

    assert report.journal.operations == operations
    assert ground == "rivals" or report.struck.total() > operations / 10


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__)
async def test_bug_is_found(
    bug: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Actors meet a little differently each time, so three seeds may try."""
    ground, first_seed, operations = BUGS[bug]
    bug(monkeypatch)

    found = None
    for seed in range(first_seed, first_seed + 3):
        try:
            await run(ground, seed, operations)
        except Violation as violation:
            found = str(violation)
            break

    assert found is not None
    assert f"repeat with: python -m tests.campaign --store {ground} --seed" in found
