"""Answer a shell that asks what could come next: commands, options, files, buckets and keys.

`argcomplete` knows the shells: how they cut a line into words, what they have to have quoted, and
that bash takes a `:` for the end of a word. What is here finds the names. It says nothing on
errors, and it takes a second at most: better to offer nothing than to hang on Tab.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import threading
from typing import TYPE_CHECKING, Final, cast, final

from blobio.cli.app import COMMANDS, parser_of
from blobio.cli.output import plain

if TYPE_CHECKING:
    from argcomplete.completers import BaseCompleter

__all__ = ["cap_s", "complete", "local_names", "names", "remote_names"]

_CAP_S: Final = 1.0
_MOST_S: Final = 3600.0
_FILES: Final = frozenset({"FILE", "URL", "SRC", "DST"})  # what the values of options are called
_REMOTE: Final = ("s3://", "gs://", "az://")


def complete() -> None:
    """Print the answer to the question that is in the environment, and end the process.

    It ends the process past Python's exit, which would wait for requests that nobody needs.
    """
    try:
        import argcomplete
    except ImportError:
        sys.exit(1)
    words = os.environ.get("COMP_LINE", "").split()
    is_known = len(words) > 1 and words[1] in COMMANDS  # else it is being typed
    parser = parser_of(words[1] if is_known else None)
    argcomplete.autocomplete(
        parser,
        always_complete_options=False,
        default_completer=cast("BaseCompleter", _Names()),
    )


@final
class _Names:
    """A completer as argcomplete calls one."""

    def __call__(
        self,
        *,
        prefix: str,
        action: argparse.Action,
        parser: argparse.ArgumentParser,
        parsed_args: argparse.Namespace,
    ) -> list[str]:
        """Return the names that start with `prefix`, if the word is to be a name."""
        del parser, parsed_args
        if action.option_strings and action.metavar not in _FILES:
            return []
        # A control character in a name would end it for the shell, or speak to the terminal.
        return [name for name in names(prefix) if plain(name) == name]


def names(prefix: str) -> list[str]:
    """Return the files, or the buckets and keys of one level, that start with `prefix`."""
    if "://" in prefix:
        return remote_names(prefix)
    schemes = [root for root in _REMOTE if prefix and root.startswith(prefix)]
    return local_names(prefix) + schemes


def local_names(prefix: str) -> list[str]:
    """Return the paths that start with `prefix`; directories end in `/`. Nothing on errors."""
    tail = os.path.basename(prefix)
    head = prefix[: len(prefix) - len(tail)]
    found = []
    with contextlib.suppress(OSError), os.scandir(os.path.expanduser(head) or ".") as entries:
        for entry in entries:
            is_hidden = entry.name.startswith(".") and not tail.startswith(".")
            if entry.name.startswith(tail) and not is_hidden:
                found.append(f"{head}{entry.name}{'/' if entry.is_dir() else ''}")
    return sorted(found)


def remote_names(prefix: str) -> list[str]:
    """Return the URLs that start with `prefix`, of one level and one page; 1 LIST.

    Nothing after the time of `cap_s`, or on errors.
    """
    import asyncio  # half of what it takes to complete a command

    found: list[str] = []

    def look() -> None:
        # Whatever goes wrong, the line that is being typed is not the place to say so.
        with contextlib.suppress(Exception):
            found.extend(asyncio.run(_listed(prefix)))

    # A thread that nobody waits for: looking for credentials may block, and cannot be cancelled.
    thread = threading.Thread(target=look, name="blobio-names", daemon=True)
    thread.start()
    thread.join(cap_s())
    return list(found)


def cap_s() -> float:
    """Return how long a shell may wait for names: `BLOBIO_COMPLETION_S`, or a second."""
    try:
        given = float(os.environ.get("BLOBIO_COMPLETION_S", ""))
    except ValueError:
        return _CAP_S
    return given if 0 < given <= _MOST_S else _CAP_S


async def _listed(prefix: str) -> list[str]:
    from blobio.aio import AsyncContext
    from blobio.config import Config
    from blobio.values import ListOptions

    async with AsyncContext(Config.from_env()) as context:
        buckets = context.stores.buckets(prefix[: prefix.rindex("/") + 1])
        if buckets is not None:
            entries = (await buckets.page(None)).entries
            return [entry.url for entry in entries if entry.url.startswith(prefix)]
        driver, url = context.stores.locate(prefix)
        page = await driver.list_page(url.key, ListOptions(delimiter="/"), None)
        start = prefix[: len(prefix) - len(url.key)]
        keys = [*(blob.key for blob in page.blobs), *page.prefixes]
        return sorted(f"{start}{key}" for key in keys if key != url.key or not key.endswith("/"))
