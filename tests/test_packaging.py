"""pyproject.toml keeps its promises: extras, floors without ceilings, and their list for tox."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, Final

import blobio

ROOT: Final = Path(__file__).parent.parent
PROJECT: Final[dict[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS: Final[dict[str, list[str]]] = PROJECT["optional-dependencies"]
REQUIREMENT: Final = re.compile(r"([A-Za-z0-9._-]+)>=([0-9.]+)(; python_version < '[0-9.]+')?")


def _requirements() -> list[str]:
    extras = [line for name, lines in EXTRAS.items() if name != "all" for line in lines]
    return [*PROJECT["dependencies"], *extras]


def test_extras_are_the_ones_that_errors_and_pages_name() -> None:
    names = ["s3", "gcs", "azure", "fsspec", "data", "compression", "cli", "hub"]

    assert set(EXTRAS) == {*names, "all"}
    assert EXTRAS["all"] == [f"blobio[{','.join(names)}]"]


def test_base_install_is_small() -> None:
    names = [line.partition(">=")[0] for line in PROJECT["dependencies"]]

    assert names == ["aiohttp", "google-crc32c"]


def test_every_requirement_has_a_floor_and_no_ceiling() -> None:
    for line in _requirements():
        assert REQUIREMENT.fullmatch(line), line


def test_lowest_versions_are_the_floors() -> None:
    lines = (ROOT / "tests/lowest.txt").read_text().splitlines()

    pins = [line for line in lines if not line.startswith("#")]

    floors = (line.partition(";")[0] for line in _requirements())
    assert pins == sorted(floor.replace(">=", "==") for floor in floors)


def test_package_says_that_it_is_typed() -> None:
    assert blobio.__file__ is not None
    assert (Path(blobio.__file__).parent / "py.typed").exists()
