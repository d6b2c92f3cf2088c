"""The `blobio` command: list, read, copy and remove blobs of every store from a shell.

`app` finds the command and runs it, `exits` says what its exit code means, `output` is the only
place that prints. Each command is a file in `commands`: its options, and one coroutine over an
`AsyncContext`. Nothing that a command does not use is imported before it runs, for start-up time.
"""

from __future__ import annotations

from blobio.cli.app import main

__all__ = ["main"]
