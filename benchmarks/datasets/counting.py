"""What the server has counted, asked by whoever measures."""

from __future__ import annotations

import json
import urllib.request

from benchmarks.peers.base import Place
from benchmarks.server.__main__ import COUNTS_PATH, FAULTS_PATH, Counts

__all__ = ["begin_faults", "read_counts"]


def read_counts(place: Place) -> Counts:
    """Return what the server has done so far."""
    return _ask(place, COUNTS_PATH)


def begin_faults(place: Place, share: float, seed: int) -> Counts:
    """Let a share of the requests fail from now on; return what the server has done so far."""
    return _ask(place, f"{FAULTS_PATH}?share={share}&seed={seed}")


def _ask(place: Place, path: str) -> Counts:
    with urllib.request.urlopen(place.endpoint_url + path) as reply:  # noqa: S310 - our own server
        return Counts(**json.load(reply))
