"""Glob patterns, and what each of them finds, written out as regular expressions."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

__all__ = ["PATTERNS", "matching"]

# Pattern, and what it means for blobs and for directories; None where it finds none.
PATTERNS: Final[dict[str, tuple[str | None, str | None]]] = {
    "*": (r"[^/]+", r"[^/]+"),
    "*.txt": (r"[^/]+\.txt", r"[^/]+\.txt"),
    "d/*": (r"d/[^/]+", r"d/[^/]+"),
    "*/": (None, r"[^/]+"),
    "d*/a": (r"d[^/]*/a", None),
    "d/**": (r"d/.+", r"d/.+"),
    "**.txt": (r".+\.txt", r".+\.txt"),
    "**/*.txt": (r"(.+/)?[^/]+\.txt", r"(.+/)?[^/]+\.txt"),
    "d/**/?": (r"d/(.+/)?[^/]", r"d/(.+/)?[^/]"),
    "{b,d}[.0-]*": (r"[bd][.0-][^/]*", r"[bd][.0-][^/]*"),
    "d/e/**/": (None, r"d/e/.+"),
}


def matching(pattern: str | None, names: Iterable[str]) -> list[str]:
    return [name for name in names if pattern is not None and re.fullmatch(pattern, name)]
