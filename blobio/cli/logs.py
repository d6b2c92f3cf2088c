"""What the library logs while a command runs: one line a record, on stderr, without secrets.

Only the loggers of this package are listened to: those of the libraries below it show headers.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
from collections.abc import Iterator
from typing import Final, final

from blobio.cli.output import Output
from blobio.errors import redact

__all__ = ["logged"]

_BY_VERBOSITY: Final = (logging.WARNING, logging.INFO, logging.DEBUG)


def _level_of(args: argparse.Namespace) -> int:
    """Return the lowest level that is shown: `--log-level`, else as `-v` and `-q` say."""
    if args.log_level is not None:
        return logging.getLevelNamesMapping()[args.log_level.upper()]
    if args.quiet:
        return logging.ERROR
    return _BY_VERBOSITY[min(args.verbose, len(_BY_VERBOSITY) - 1)]


@contextlib.contextmanager
def logged(args: argparse.Namespace, output: Output) -> Iterator[None]:
    """Show what is logged while the block runs; afterwards the loggers are as they were."""
    logger = logging.getLogger("blobio")
    handler = _Handler(output)
    before = (logger.level, logger.propagate)
    logger.addHandler(handler)
    logger.setLevel(_level_of(args))
    logger.propagate = False
    try:
        yield
    finally:
        logger.setLevel(before[0])
        logger.propagate = before[1]
        logger.removeHandler(handler)


@final
class _Handler(logging.Handler):
    def __init__(self, output: Output) -> None:
        super().__init__()
        self._output = output

    def emit(self, record: logging.LogRecord) -> None:
        # A reader of stderr that has gone away is no reason to complain, there least of all.
        with contextlib.suppress(OSError, ValueError):
            self._output.log(record.levelname.lower(), redact(self.format(record)))
