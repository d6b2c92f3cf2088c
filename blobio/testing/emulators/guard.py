"""Runs a command and kills it when standard input closes: the leash of an emulator.

The parent holds the other end of the pipe. When it closes the pipe or dies, even by SIGKILL, the
kernel closes it, this script wakes up and kills its process group. Run by path with `python -I -S`:
it imports only the standard library and starts in a few milliseconds.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading


def main(command: list[str]) -> None:
    """Run `command` until it ends or standard input does."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603 - the tests' own command

    def watch() -> None:
        os._exit(child.wait() & 0xFF)

    threading.Thread(target=watch, daemon=True).start()
    while os.read(0, 4096):
        pass
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1:])
