"""How the paths that listings yield are spelled: `Config.output_az_paths`. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from blobio.config import Config
from blobio.entries import DirEntry
from blobio.url import BlobUrl

__all__ = ["Spelling", "spell_entries", "spelling_of"]

Spelling: TypeAlias = "Callable[[str], str] | None"
"""Turns a printed URL into the form that the settings ask for; None where that is the same."""


def spelling_of(url: BlobUrl, config: Config) -> Spelling:
    """Return how URLs under the same authority as `url` are to be printed."""
    roots = url.root_as_https
    if config.output_az_paths or roots is None:
        return None
    own, https = roots
    return lambda path: https + path.removeprefix(own)


def spell_entries(entries: list[DirEntry], spelling: Spelling) -> list[DirEntry]:
    """Return entries whose paths are spelled as they should be."""
    if spelling is None:
        return entries
    return [entry._replace(path=spelling(entry.path)) for entry in entries]
