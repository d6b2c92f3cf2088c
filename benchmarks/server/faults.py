"""Trouble that the raw server makes on purpose: which requests fail, and how.

The draws come from a seed, one a request in the order in which requests arrive: the n-th request of
two runs meets the same fate. Which request is the n-th, clients with several connections decide.
"""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, final

from benchmarks.server.message import Reply

__all__ = ["CALM", "SLOW_DOWN", "Conditions", "Fate", "Faults"]

Fate: TypeAlias = Literal["", "refused", "cut"]
"""Of a request: answered, answered 503, or reset in the middle of the answer's body."""

SLOW_DOWN: Final = Reply(
    503,
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>",
    {"content-type": "application/xml"},
)
"""What S3 answers to too many requests."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """How far away and how troubled the server is.

    Attributes:
        latency_s: How long an answer waits before it is sent.
        rate_bytes: Of bodies that a connection is sent in a second, at most; 0 for no limit.
        fault_share: Of the requests that fail on purpose: half are answered 503, half of the
            connections are reset in the middle of the body, if there is one.
        fault_seed: Of the draw of those.
    """

    latency_s: float = 0.0
    rate_bytes: float = 0.0
    fault_share: float = 0.0
    fault_seed: int = 1

    def describe(self) -> str:
        """Return them for people."""
        parts = [f"{self.latency_s * 1000:g} ms a request"]
        if self.rate_bytes:
            parts.append(f"{self.rate_bytes / (1 << 20):g} MiB/s a connection")
        if self.fault_share:
            parts.append(f"{self.fault_share:.1%} of the requests fail")
        return ", ".join(parts)


CALM: Final = Conditions()
"""A server that is near and well."""


@final
class Faults:
    """Draws the fate of each request.

    Args:
        share: Of the requests that fail, from 0 to 1; half of them are refused, half cut.
        seed: Of the draws.
    """

    def __init__(self, share: float, seed: int) -> None:
        self._share = share
        self._draw = random.Random(seed)  # noqa: S311 - trouble, no secret
        self._lock = threading.Lock()

    def fate(self) -> Fate:
        """Return what is to become of the next request."""
        if not self._share:
            return ""
        with self._lock:
            drawn = self._draw.random()
        if drawn >= self._share:
            return ""
        return "refused" if drawn < self._share / 2 else "cut"
