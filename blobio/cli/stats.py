"""`--stats`: what a command asked of its stores, said at its end, however it ended."""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Iterator

from blobio.cli.output import Output, Value, human_size
from blobio.usage import StoreUsage, Usage

__all__ = ["counted"]


@contextlib.contextmanager
def counted(args: argparse.Namespace, output: Output) -> Iterator[Usage | None]:
    """Yield where requests are counted, and tell of them after the block; None if unwanted."""
    if not args.stats:
        yield None
        return
    usage = Usage()
    started = time.perf_counter()
    try:
        yield usage
    finally:
        _tell(usage, time.perf_counter() - started, output)


def _tell(usage: Usage, seconds: float, output: Output) -> None:
    at_once = usage.busy_s / seconds if seconds else 0.0
    lines = [f"{scheme}: {_line(store)}" for scheme, store in sorted(usage.stores.items())]
    output.summary(
        *(lines or ["no requests"]),
        f"{seconds:.2f} s, {at_once:.1f} requests at once, {usage.most_in_flight} at most",
        stores={scheme: _fields(store) for scheme, store in sorted(usage.stores.items())},
        concurrency=round(at_once, 2),
        concurrency_max=usage.most_in_flight,
        ms=round(seconds * 1000),
    )


def _line(store: StoreUsage) -> str:
    requests = ", ".join(f"{count} {kind}" for kind, count in sorted(store.requests.items()))
    retries = "1 retry" if store.retries == 1 else f"{store.retries} retries"
    sent, received = human_size(store.sent_bytes), human_size(store.received_bytes)
    return f"{requests}; {sent} sent, {received} received, {retries}"


def _fields(store: StoreUsage) -> dict[str, Value]:
    return {
        "requests": dict(sorted(store.requests.items())),
        "sent": store.sent_bytes,
        "received": store.received_bytes,
        "retries": store.retries,
    }
