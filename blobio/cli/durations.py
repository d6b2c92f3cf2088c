"""Times as they are written on a command line: `90`, `15m`, `1h`, `7d`."""

from __future__ import annotations

import argparse
import re
from typing import Final

__all__ = ["seconds"]

_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}


def seconds(text: str) -> float:
    """Parse a whole number of seconds, or of the unit that follows it."""
    match = re.fullmatch(r"(\d{1,9})([smhd]?)", text)
    if match is None:
        message = f"{text!r} is not a time such as 90, 15m, 1h or 7d"
        raise argparse.ArgumentTypeError(message)
    return float(int(match[1]) * _UNITS[match[2]])
