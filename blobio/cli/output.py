"""The only place that prints: results on stdout, everything else on stderr.

A record is one line. As text it is what the command makes of it, with control characters of names
written as escapes, so that a name can neither break a line in two nor speak to the terminal; with
`--json` it is an object of version 1 of this schema, with only the fields that are known:

`v` 1 · `type` entry, result, error or summary · `op` the command · `src`, `dst` URLs or paths ·
`size` bytes · `mtime` RFC 3339 in UTC · `etag` the version · `hash` by algorithm · `status` done,
skipped, planned or failed · `reason` why, or what · `id` of an upload · `bytes` moved · `ms` time
taken.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, Literal, TypeAlias, final

__all__ = ["Kind", "Output", "Value", "human_size", "plain", "timestamp"]

Kind: TypeAlias = Literal["entry", "result", "error", "summary"]
Value: TypeAlias = "str | int | float | bool | Mapping[str, str] | None"

_VERSION: Final = 1
_UNPRINTABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def plain(text: str) -> str:
    """Write control characters, and halves of surrogate pairs, as Python escapes them."""
    return _UNPRINTABLE.sub(lambda match: repr(match[0])[1:-1], text)


def human_size(size: int) -> str:
    """Return a size with three digits or so, in powers of 1,024: `1.5 MiB`."""
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < 1000:  # noqa: PLR2004 - a fourth digit is a unit too small
            return f"{size} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} PiB"


def timestamp(seconds: float) -> str:
    """Return a Unix time as RFC 3339 in UTC, to the second."""
    return datetime.fromtimestamp(seconds, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@final
class Output:
    """Where a command's records and messages go.

    Args:
        operation: The name of the command.
        as_json: Print objects instead of text.
        quiet: Print neither the lines of what was done nor notes; errors and listings remain.
    """

    def __init__(self, operation: str, *, as_json: bool = False, quiet: bool = False) -> None:
        self._operation = operation
        self._as_json = as_json
        self._quiet = quiet

    def record(self, kind: Kind, /, *lines: str, **fields: Value) -> None:
        """Print one record to stdout: `fields` with `--json`, else these lines, if any.

        Raises:
            BrokenPipeError: Nobody reads any more.
        """
        if self._as_json:
            known = {name: value for name, value in fields.items() if value is not None}
            record = {"v": _VERSION, "type": kind, "op": self._operation, **known}
            self._write(json.dumps(record, ensure_ascii=True))
        elif not (self._quiet and kind == "result"):
            for line in lines:
                self._write(plain(line))

    def error(self, error: BaseException, **fields: Value) -> None:
        """Report one failure: a line on stderr, or a record on stdout with `--json`."""
        reason = str(error) or type(error).__name__
        if self._as_json:
            self.record("error", status="failed", reason=reason, **fields)
        else:
            self._say(f"blobio {self._operation}: {plain(reason)}")

    def note(self, text: str) -> None:
        """Say something on stderr that is no result, unless that is unwanted."""
        if not self._quiet:
            self._say(f"blobio {self._operation}: {plain(text)}")

    @staticmethod
    def flush() -> None:
        """Hand on what was written.

        Raises:
            BrokenPipeError: Nobody reads any more.
        """
        sys.stdout.flush()

    @staticmethod
    def _write(line: str) -> None:
        sys.stdout.write(line + "\n")

    @staticmethod
    def _say(line: str) -> None:
        sys.stdout.flush()  # keep the order where both are one terminal
        sys.stderr.write(line + "\n")
