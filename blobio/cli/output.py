"""The only place that prints: results on stdout, everything else on stderr.

A record is one line. As text it is what the command makes of it, with control characters of names
written as escapes, so that a name can neither break a line in two nor speak to the terminal; with
`--json` it is an object of version 1 of this schema, with only the fields that are known:

`v` 1 · `type` entry, result, error or summary · `op` the command · `src`, `dst` URLs or paths ·
`size` bytes · `mtime` RFC 3339 in UTC · `etag` the version · `hash` by algorithm · `status` done,
skipped, planned or failed · `reason` why, or what · `id` of an upload · `bytes` moved · `ms` time
taken · `line` of the file of commands that this is about · `stores` and `concurrency` what `stats`
tells.
"""

from __future__ import annotations

import copy
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, Literal, TypeAlias, TypeVar, final

__all__ = ["Kind", "Output", "Value", "human_size", "plain", "timestamp", "wants_color"]

T = TypeVar("T")
Kind: TypeAlias = Literal["entry", "result", "error", "summary"]
Value: TypeAlias = "str | int | float | bool | Mapping[str, Value] | Sequence[Value] | None"

_VERSION: Final = 1
_RED: Final = "\x1b[31m"
_YELLOW: Final = "\x1b[33m"
_DIM: Final = "\x1b[2m"
_PLAIN: Final = "\x1b[0m"
_OF_LEVEL: Final = {"error": _RED, "warning": _YELLOW, "info": _DIM, "debug": _DIM}
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
    # a fifth of the time that strftime takes
    return f"{datetime.fromtimestamp(int(seconds // 1), tz=UTC).isoformat()[:19]}Z"


def wants_color(mode: str) -> bool:
    """Decide on colours: `always`, `never`, or `auto`: at a terminal, if nobody asked for none.

    Any value but none of NO_COLOR asks for none: https://no-color.org, from the reference.
    """
    if mode != "auto":
        return mode == "always"
    unwanted = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return sys.stderr.isatty() and not unwanted


@final
class Output:
    """Where a command's records and messages go.

    Args:
        operation: The name of the command.
        as_json: Print objects instead of text.
        quiet: Print neither the lines of what was done nor notes; errors and listings remain.
        color: Colour what is said on stderr. Results never have colours.
    """

    def __init__(
        self, operation: str, *, as_json: bool = False, quiet: bool = False, color: bool = False
    ) -> None:
        self._operation = operation
        self._line = ""
        self._place: dict[str, int] = {}
        self._as_json = as_json
        self._quiet = quiet
        self._color = color

    def for_line(self, line: int, operation: str) -> Output:
        """Return one that prints as this one does, for the command in a line of a file of them."""
        own = copy.copy(self)
        own._operation = operation  # noqa: SLF001 - one of us
        own._line = f" line {line}:"  # noqa: SLF001
        own._place = {"line": line}  # noqa: SLF001
        return own

    def record(self, kind: Kind, /, *lines: str, **fields: Value) -> None:
        """Print one record to stdout: `fields` with `--json`, else these lines, if any.

        Raises:
            BrokenPipeError: Nobody reads any more.
        """
        if self._as_json:
            known = {name: value for name, value in fields.items() if value is not None}
            record = {"v": _VERSION, "type": kind, "op": self._operation, **self._place, **known}
            self._write(json.dumps(record, ensure_ascii=True))
        elif not (self._quiet and kind == "result"):
            for line in lines:
                self._write(plain(line))

    def entries(
        self, found: Iterable[T], text: Callable[[T], str], fields: Callable[[T], dict[str, Value]]
    ) -> None:
        """Print a page of a listing at once: the fields of each with `--json`, else its text.

        Raises:
            BrokenPipeError: Nobody reads any more.
        """
        if self._as_json:
            for each in found:
                self.record("entry", **fields(each))
        elif page := "".join([f"{plain(text(each))}\n" for each in found]):
            sys.stdout.write(page)

    def error(self, error: BaseException, **fields: Value) -> None:
        """Report one failure: a line on stderr, or a record on stdout with `--json`."""
        reason = str(error) or type(error).__name__
        if self._as_json:
            self.record("error", status="failed", reason=reason, **fields)
        else:
            self._say(reason, _RED)

    def summary(self, *lines: str, **fields: Value) -> None:
        """Say what was asked to be said at the end: on stderr, or a record with `--json`."""
        if self._as_json:
            self.record("summary", **fields)
        else:
            for line in lines:
                self._say(line)

    def note(self, text: str) -> None:
        """Say something on stderr that is no result, unless that is unwanted."""
        if not self._quiet:
            self._say(text)

    def log(self, level: str, text: str) -> None:
        """Say on stderr what was logged; results that wait to be printed go on waiting."""
        self._write_note(f"{level}: {text}", _OF_LEVEL.get(level, ""))

    @staticmethod
    def pass_on(out: str, err: str) -> None:
        """Print what another process would have printed.

        Raises:
            BrokenPipeError: Nobody reads any more.
        """
        if out:
            sys.stdout.write(out)
            sys.stdout.flush()
        if err:
            sys.stderr.write(err)

    @staticmethod
    def raw(text: str) -> None:
        """Print text as it is, for programs to read."""
        sys.stdout.write(text)

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

    def _say(self, text: str, color: str = "") -> None:
        sys.stdout.flush()  # keep the order where both are one terminal
        self._write_note(text, color)

    def _write_note(self, text: str, color: str) -> None:
        prefix = f"blobio {self._operation}:"
        if self._color and color:
            prefix = f"{color}{prefix}{_PLAIN}"
        sys.stderr.write(f"{prefix}{self._line} {plain(text)}\n")
