"""The table of promises in the guide is true: each line names cases that are run and show it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

import pytest

import blobio.errors
from blobio.testing.conformance import Case, Feature, capabilities_of, cases
from blobio.url import BlobUrl
from blobio.values import Capabilities
from tests.conformance import test_azure, test_gcs, test_hub, test_memory, test_s3

PAGE: Final = Path(__file__).parent.parent / "docs/guide/consistency.md"
PROMISES: Final = (
    "a write in one piece",
    "a write in parts",
    "create only",
    "replace one version",
    "a copy within the store",
    "a read",
    "checksums",
)
CODE: Final = re.compile(r"`([^`]+)`")

# What `tests/conformance` runs for each backend, the most complete server of each.
BACKENDS: Final[Mapping[str, tuple[Capabilities, Mapping[Feature, str]]]] = {
    "local disk": (capabilities_of(BlobUrl("file", "", "/")), {}),
    "`memory://`": (capabilities_of(BlobUrl("memory", "bucket", "")), test_memory.LACKS),
    "S3": (test_s3.CAPABILITIES, {}),  # tests/conformance/test_strict_s3.py
    "Google Cloud Storage": (test_gcs.CAPABILITIES, {}),  # tests/conformance/test_strict_gcs.py
    "Azure": (test_azure.CAPABILITIES, {}),  # tests/conformance/test_strict_azure.py
    "HTTP": (capabilities_of(BlobUrl("http", "127.0.0.1:1", "")), {}),
    "Hugging Face Hub": (test_hub.CAPABILITIES, test_hub.LACKS),
}


class Line(NamedTuple):
    """One line of the table."""

    backend: str
    promise: str
    kept_by: str
    lost_race: str
    shown_by: str

    def cases(self) -> list[Case]:
        """Return the cases that it names; those of a family when it names the family."""
        capabilities, lacks = BACKENDS[self.backend]
        run = cases(capabilities, lacks)
        found: list[Case] = []
        for name in CODE.findall(self.shown_by):
            named = [one for one in run if name in (one.name, one.name.partition(":")[0])]
            assert named, f"{name} is not run for {self.backend}"
            found += named
        return found


def table() -> list[Line]:
    text = PAGE.read_text()
    start = text.index("| Backend |")
    rows = text[start : text.index("\n\n", start)].splitlines()[2:]
    return [Line(*(cell.strip() for cell in row[1:-1].split("|"))) for row in rows]


def line_id(line: Line) -> str:
    return f"{line.backend.strip('`')}-{line.promise}"


@pytest.mark.parametrize("line", table(), ids=line_id)
def test_every_case_of_the_table_is_run_for_its_backend(line: Line) -> None:
    assert line.cases()
    assert line.kept_by


@pytest.mark.parametrize("line", table(), ids=line_id)
def test_every_error_of_the_table_exists_and_is_looked_for_by_a_case(line: Line) -> None:
    named = CODE.findall(line.lost_race)

    for name in named:
        assert issubclass(getattr(blobio.errors, name), blobio.errors.BlobError)
    if line.promise != "checksums" and named:  # a case cannot spoil what a server stores
        source = "".join(inspect.getsource(one.run) for one in line.cases())
        assert named[0] in source


def test_the_table_tells_every_promise_of_every_backend_once() -> None:
    told = [(line.backend, line.promise) for line in table()]

    assert told == [(backend, promise) for backend in BACKENDS for promise in PROMISES]
