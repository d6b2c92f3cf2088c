"""What a context has asked of its stores: requests by kind, bytes, retries, how many at once.

Give a `Usage` to `Config.usage`, and look at it whenever you like. Without one nothing is counted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

__all__ = ["StoreUsage", "Usage"]


@final
@dataclass(slots=True)
class StoreUsage:
    """What one kind of store was asked.

    Attributes:
        requests: Requests by kind, attempts that failed and those after them included: `LIST`,
            `HEAD`, `GET`, `PUT`, `BEGIN`, `PART` and `COMMIT` of an upload in parts, `COPY`,
            `COPY-PART`, `PATCH`, `DELETE` (one for all keys of a batch). Each is what the store
            was asked for, whatever the method: Google is asked with GET what others are with HEAD.
        sent_bytes: Bodies of requests.
        received_bytes: Bodies of replies.
        retries: Requests that were sent because one before them failed.
    """

    requests: dict[str, int] = field(default_factory=dict)
    sent_bytes: int = 0
    received_bytes: int = 0
    retries: int = 0


@final
@dataclass(slots=True)
class Usage:
    """What a context has asked of its stores. A context that is pickled takes a copy along.

    Attributes:
        stores: By scheme of the URLs: `"s3"`, `"gs"`, `"az"`, `"https"`. What is done on the disk
            takes no requests.
        in_flight: Requests under way, from when a connection is asked for until the body of the
            reply has been read.
        most_in_flight: The most there ever were at once.
        busy_s: Seconds that all requests took together; divided by the seconds that went by, the
            requests that were under way at once.
    """

    stores: dict[str, StoreUsage] = field(default_factory=dict)
    in_flight: int = 0
    most_in_flight: int = 0
    busy_s: float = 0.0

    def of(self, scheme: str) -> StoreUsage:
        """Return what the stores of `scheme` were asked, to add to it."""
        found = self.stores.get(scheme)
        if found is None:
            found = self.stores[scheme] = StoreUsage()
        return found

    def began(self) -> None:
        """Count one request more under way."""
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)

    def ended(self, seconds: float) -> None:
        """Count one request less under way."""
        self.in_flight -= 1
        self.busy_s += seconds

    def include(self, other: Usage) -> None:
        """Add what another process has counted meanwhile; the most at once then is of both."""
        for scheme, theirs in other.stores.items():
            ours = self.of(scheme)
            for kind, count in theirs.requests.items():
                ours.requests[kind] = ours.requests.get(kind, 0) + count
            ours.sent_bytes += theirs.sent_bytes
            ours.received_bytes += theirs.received_bytes
            ours.retries += theirs.retries
        self.most_in_flight += other.most_in_flight
        self.busy_s += other.busy_s
