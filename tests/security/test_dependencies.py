"""What blobio stands on is not older than the last known hole in it (row 24).

`pip-audit` is left out: it needs a vulnerability service that a test run cannot reach. `bandit` is
not needed beside ruff, whose group S has its rules.
"""

from __future__ import annotations

import ssl
import tomllib
from importlib.metadata import requires, version
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

ROOT: Final = Path(__file__).parent.parent.parent
PYPROJECT: Final[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text())

# From the checklist; the reasons are cookie and credential leaks across redirects (CVE-2026-34518),
# decompression bombs (CVE-2025-69223) and bodies cut short (aiohttp #13348).
FLOORS: Final = {"aiohttp": (3, 14, 5)}


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdigit())


def _required() -> dict[str, str]:
    project = PYPROJECT["project"]
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    lines = [*project["dependencies"], *extras]
    return dict(line.split(">=") for line in lines if ">=" in line)


@pytest.mark.parametrize("name", FLOORS)
def test_floor_is_the_one_of_the_checklist(name: str) -> None:
    """Row 24: in `pyproject.toml` and in what is installed here."""
    assert _numbers(_required()[name]) >= FLOORS[name]
    assert _numbers(version(name)) >= FLOORS[name]


def test_lowest_versions_that_are_tested_are_the_floors() -> None:
    """Row 24: so that a floor is not only a wish."""
    lines = (ROOT / "tests/lowest.txt").read_text().splitlines()
    lowest = dict(line.split("==") for line in lines if "==" in line)

    assert {name: _numbers(lowest[name]) for name in FLOORS} == {
        name: _numbers(_required()[name]) for name in FLOORS
    }


def test_urllib3_is_not_used() -> None:
    """Row 24: its floor of 2.7.0 is for those who send blobs through it; botocore brings its own.

    Only botocore's credential chain talks to metadata services with it.
    """
    assert "urllib3" not in _required()
    names = [line.split(">")[0].split("=")[0].strip() for line in requires("blobio") or []]
    assert "urllib3" not in names


def test_openssl_speaks_tls_1_3() -> None:
    """Rows 13 and 24."""
    assert ssl.HAS_TLSv1_3


def test_client_has_the_switches_that_are_set() -> None:
    """Row 24: what the adapter switches off by name exists in the oldest and in this version."""
    assert hasattr(aiohttp, "DummyCookieJar")
    assert hasattr(aiohttp, "UploadTracker")


def test_rules_of_bandit_run_with_the_linter() -> None:
    """Row 24: group S of ruff, of which nothing is switched off for the package itself."""
    lint = PYPROJECT["tool"]["ruff"]["lint"]
    assert lint["select"] == ["ALL"]
    off = {rule for rule in lint["ignore"] if rule.startswith("S") and rule[1:].isdigit()}
    assert off == {"S101"}  # `assert` states an invariant and checks no input (STYLE 19)
    for pattern, rules in lint["per-file-ignores"].items():
        if pattern.startswith("blobio/") and not pattern.startswith("blobio/testing/"):
            assert not [rule for rule in rules if rule.startswith("S") and rule[1:].isdigit()]
