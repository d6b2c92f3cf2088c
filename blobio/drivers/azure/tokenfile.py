"""Tokens on disk, for other processes of the same user. Blocks.

A file of mode 0600 in a directory of mode 0700, replaced as a whole; one that belongs to somebody
else, or that others could have written, is not read.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import tempfile
from typing import Final

from blobio.drivers.azure.tokens import Found

__all__ = ["PATH", "load", "save"]

PATH: Final = "~/.blobio/azure_tokens.json"

_MAX_BYTES: Final = 1 << 20
_MAX_ENTRIES: Final = 100


def load(identity: str, now: float) -> Found | None:
    """Return the token kept for `identity`, if it is good for five minutes more."""
    entry = _read().get(identity)
    if not isinstance(entry, dict):
        return None
    token, expires_on = entry.get("token"), entry.get("expires_on")
    if not isinstance(token, str) or not isinstance(expires_on, int | float):
        return None
    return Found(token, float(expires_on)) if expires_on - now > 300 else None  # noqa: PLR2004


def save(identity: str, found: Found, now: float) -> None:
    """Keep a token, beside those that are still good. A disk that cannot keep it is no failure."""
    path = os.path.expanduser(PATH)
    entries = {
        name: entry
        for name, entry in _read().items()
        if isinstance(entry, dict)
        and isinstance(entry.get("expires_on"), int | float)
        and entry["expires_on"] > now
    }
    entries[identity] = {"token": found.token, "expires_on": found.expires_on}
    kept = dict(list(entries.items())[-_MAX_ENTRIES:])
    with contextlib.suppress(OSError):
        directory = os.path.dirname(path)
        os.makedirs(directory, mode=0o700, exist_ok=True)
        if not _is_ours(os.lstat(directory)):
            return
        number, temporary = tempfile.mkstemp(dir=directory)  # of mode 0600
        try:
            with os.fdopen(number, "w") as file:
                json.dump(kept, file)
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise


def _read() -> dict[str, object]:
    try:
        number = os.open(os.path.expanduser(PATH), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(number, "rb") as file:
            if not _is_ours(os.fstat(number)):
                return {}
            values = json.loads(file.read(_MAX_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


def _is_ours(found: os.stat_result) -> bool:
    return found.st_uid == os.getuid() and not stat.S_IMODE(found.st_mode) & 0o077
