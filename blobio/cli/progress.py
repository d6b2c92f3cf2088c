"""How far the transfers of a command are, drawn on stderr by `rich` when somebody looks.

While sources are still being listed the totals are not known: they show with a `+`, and no time
left is given, since it would be wrong. Large files that are on their way have a line of their own.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, Protocol, Self, final

from blobio.cli.exits import Exit, Stop
from blobio.cli.output import human_size, plain

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

__all__ = ["Followed", "Progress"]

_LARGE_BYTES: Final = 64 << 20
_LINES: Final = 8
_NAME_CHARS: Final = 40


class Followed(Protocol):
    """What is told how far transfers are."""

    def found(self, size: int) -> None:
        """Count an item that will be moved."""
        ...

    def all_found(self) -> None:
        """Say that nothing will be found any more."""
        ...

    def item(
        self, name: str, size: int
    ) -> contextlib.AbstractContextManager[Callable[[int], None] | None]:
        """Follow one item: what this yields is told of its bytes; None if nobody looks."""
        ...


@final
class Progress:
    """What was found, what is on its way, and what is done.

    Args:
        bars: Where it is drawn; None draws nothing.
    """

    def __init__(self, bars: Bars | None) -> None:
        self._bars = bars
        self._all: TaskID | None = None
        self._files = self._files_done = 0
        self._size = self._size_done = 0
        self._listing = True
        self._large = 0

    @classmethod
    def of(cls, *, wanted: bool, demanded: bool, color: str = "auto") -> Self:
        """Make one that draws if it is wanted and `rich` is there.

        Raises:
            Stop: It is demanded, and `rich` is not there.
        """
        if not wanted:
            return cls(None)
        if find_spec("rich") is None:
            if demanded:
                raise Stop(Exit.USAGE, "--progress needs rich: pip install 'blobio[cli]'")
            return cls(None)
        return cls(_bars(no_color=None if color == "auto" else color == "never"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._bars is not None:
            self._bars.stop()

    @property
    def is_drawn(self) -> bool:
        """Somebody looks."""
        return self._bars is not None

    @property
    def moved_bytes(self) -> int:
        """Bytes on their way or done, no more than were found."""
        return self._size_done

    def found(self, size: int) -> None:
        """Count an item that will be moved."""
        self._files += 1
        self._size += size
        if self._bars is not None and self._all is None:
            self._bars.start()
            self._all = self._bars.add_task("", total=None)
        self._draw()

    def all_found(self) -> None:
        """Say that nothing will be found any more."""
        self._listing = False
        self._draw()

    @contextlib.contextmanager
    def item(self, name: str, size: int) -> Iterator[Callable[[int], None] | None]:
        """Follow one item: what this yields is told of its bytes, as they come.

        Bytes that are moved twice, after a fault, count once.
        """
        if self._bars is None:
            yield None
            return
        line = self._line(name, size)
        seen = 0

        def moved(count: int) -> None:
            nonlocal seen
            count = min(count, size - seen)
            seen += count
            self._size_done += count
            if line is not None and self._bars is not None:
                self._bars.update(line, advance=count)
            self._draw()

        try:
            yield moved
        finally:
            moved(size - seen)
            self._files_done += 1
            self._draw()
            if line is not None:
                self._bars.remove_task(line)
                self._large -= 1

    def _line(self, name: str, size: int) -> TaskID | None:
        if self._bars is None or size < _LARGE_BYTES or self._large >= _LINES:
            return None
        self._large += 1
        text = plain(name)
        return self._bars.add_task(
            text if len(text) <= _NAME_CHARS else f"...{text[3 - _NAME_CHARS :]}", total=size
        )

    def _draw(self) -> None:
        if self._bars is None or self._all is None:
            return
        more = "+" if self._listing else ""
        self._bars.update(
            self._all,
            description=f"{self._files_done:,} of {self._files:,}{more} blobs, "
            f"{human_size(self._size_done)} of {human_size(self._size)}{more}",
            completed=self._size_done,
            total=None if self._listing else max(self._size, 1),
        )


def _bars(*, no_color: bool | None) -> Bars:
    """Make the display; None leaves it to the environment."""
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bars

    return Bars(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        TransferSpeedColumn(),
        TimeRemainingColumn(compact=True),
        console=Console(stderr=True, no_color=no_color),
        transient=sys.stderr.isatty(),  # elsewhere one line stays, at the end
        redirect_stdout=sys.stdout.isatty(),  # results must not go to stderr
    )
