"""Dates as HTTP writes them. Pure."""

from __future__ import annotations

import calendar
import re
from email.utils import parsedate_to_datetime
from typing import Final

__all__ = ["http_time"]

_HTTP_DATE: Final = re.compile(r"\w{3}, (\d\d) (\w{3}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT", re.ASCII)
_MONTHS: Final = {
    "JanFebMarAprMayJunJulAugSepOctNovDec"[3 * n : 3 * n + 3]: n + 1 for n in range(12)
}


def http_time(text: str | None) -> float:
    """Return an HTTP date as seconds since the epoch, 0.0 if there is none that can be read."""
    if not text:
        return 0.0
    match = _HTTP_DATE.fullmatch(text)
    try:
        if match is not None:  # 2 microseconds; the general parser takes 10
            day, month, year, hour, minute, second = match.groups()
            numbers = (int(day), int(hour), int(minute), int(second))
            return float(calendar.timegm((int(year), _MONTHS.get(month, 1), *numbers)))
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return 0.0
