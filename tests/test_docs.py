"""The pages are true: their Python runs, in order, and their links lead somewhere.

The code on the pages says `s3://my-bucket`; here it runs on `memory://`, which needs no account.
`tests/conformance` shows that both behave alike.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

import blobio

ROOT: Final = Path(__file__).parent.parent
PAGES: Final = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
BLOCK: Final = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK: Final = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")


def _page_name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def _script(page: Path) -> str:
    """Return the Python of a page as one script whose line numbers are those of the page."""
    text = page.read_text()
    lines = [""] * text.count("\n")
    for block in BLOCK.finditer(text):
        start = text.count("\n", 0, block.start(1))
        code = block.group(1).splitlines()
        lines[start : start + len(code)] = code
    return "\n".join(lines).replace("s3://", "memory://")


@pytest.fixture(name="place")
def fixture_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in an empty directory, on an empty bucket."""
    monkeypatch.chdir(tmp_path)
    for entry in list(blobio.scandir("memory://my-bucket")):
        if entry.is_dir:
            blobio.rmtree(entry.path)
        else:
            blobio.remove(entry.path)


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize(
    "page", [page for page in PAGES if BLOCK.search(page.read_text())], ids=_page_name
)
def test_python_on_the_page_runs(page: Path) -> None:
    code = compile(_script(page), str(page), "exec")

    exec(code, {"__name__": "__page__"})  # noqa: S102 - the point of the test


def test_pages_with_code_are_found() -> None:
    found = {_page_name(page) for page in PAGES if BLOCK.search(page.read_text())}

    assert {"README.md", "docs/tutorial.md", "docs/guide/consistency.md"} <= found


@pytest.mark.parametrize("page", PAGES, ids=_page_name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target
