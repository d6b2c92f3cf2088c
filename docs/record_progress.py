"""Record how a copy draws its progress, as the picture of the page on the command line.

`python docs/record_progress.py`, with the packages of the group `pictures`, runs the real command
on a terminal of its own and a real server, and keeps what the terminal showed half way.
"""

from __future__ import annotations

import itertools
import os
import pty
import string
import subprocess
import sys
import tempfile
from pathlib import Path

import pyte
from rich.console import Console
from rich.style import Style
from rich.text import Text

from blobio.testing.emulators import moto_server

_COLUMNS, _LINES = 96, 12
_PICTURE = Path(__file__).parent / "guide" / "progress.svg"
_WORDS = ["cp", "-r", "--limit-rate", "24M", "run-7/", "s3://my-bucket/run-7/"]


def main() -> None:
    """Run the command and write the picture."""
    with tempfile.TemporaryDirectory() as place, moto_server() as server:
        server.make_bucket("my-bucket")
        tree = Path(place, "run-7")
        tree.mkdir()
        for index in range(40):
            (tree / f"log-{index:02}.txt").write_bytes(bytes(100_000))
        for index in range(3):
            (tree / f"weights-{index}.bin").write_bytes(bytes(64 << 20))
        settings = {
            "AWS_ENDPOINT_URL_S3": server.url,
            "AWS_REGION": server.region,
            "AWS_ACCESS_KEY_ID": server.access_key,
            "AWS_SECRET_ACCESS_KEY": server.secret_key,
            "TERM": "xterm-256color",
            "COLUMNS": str(_COLUMNS),
            "LINES": str(_LINES),
        }
        shown = _frames(place, {**os.environ, **settings})
    if not shown:
        raise RuntimeError("the command drew nothing")
    console = Console(record=True, width=_COLUMNS, file=open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - to the end
    console.print(Text(f"$ blobio {' '.join(_WORDS)}", style="bold"))
    for line in shown[len(shown) // 2]:
        console.print(line, no_wrap=True, overflow="crop")
    console.save_svg(str(_PICTURE), title="blobio")
    print(f"{_PICTURE}: one of {len(shown)} frames")


def _frames(place: str, environment: dict[str, str]) -> list[list[Text]]:
    """Return what the terminal showed, each time it was drawn anew."""
    screen = pyte.Screen(_COLUMNS, _LINES)
    stream = pyte.ByteStream(screen)
    ours, theirs = pty.openpty()
    frames = []
    command = [sys.executable, "-m", "blobio", *_WORDS]
    with subprocess.Popen(  # noqa: S603 - our own words
        command, cwd=place, stdout=subprocess.DEVNULL, stderr=theirs, env=environment
    ):
        os.close(theirs)
        try:
            while block := os.read(ours, 65_536):
                stream.feed(block)
                if rows := [row for row in range(_LINES) if screen.display[row].strip()]:
                    frames.append([_line(screen, row) for row in rows])
        except OSError:  # how Linux tells that the other end is closed
            os.close(ours)
    return frames


def _line(screen: pyte.Screen, row: int) -> Text:
    text = Text()
    cells = [screen.buffer[row][column] for column in range(_COLUMNS)]
    for (color, bold), alike in itertools.groupby(cells, key=lambda cell: (cell.fg, cell.bold)):
        text.append("".join(cell.data for cell in alike), Style(color=_color(color), bold=bold))
    return text


def _color(name: str) -> str | None:
    """Translate what pyte calls a colour: a name, or six hexadecimal digits."""
    if name in ("default", "brown"):
        return {"default": None, "brown": "yellow"}[name]
    return f"#{name}" if all(digit in string.hexdigits for digit in name) else name


if __name__ == "__main__":
    main()
