"""Runs: sets of blocks or rows that lie together, as half-open spans. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["Runs", "common_runs", "join_runs", "subtract_runs"]

Runs = tuple[tuple[int, int], ...]
"""Half-open spans of numbers, in order and apart."""


def join_runs(runs: Iterable[tuple[int, int]]) -> Runs:
    """Return runs in order, those that touch as one."""
    joined: list[tuple[int, int]] = []
    for start, stop in sorted(runs):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(stop, joined[-1][1])
        else:
            joined.append((start, stop))
    return tuple(joined)


def subtract_runs(runs: Iterable[tuple[int, int]], known: Runs) -> Runs:
    """Return what of some runs is in none of those that are known."""
    left: list[tuple[int, int]] = []
    for first, stop in runs:
        start = first
        for begin, end in known:
            if begin < stop and end > start:
                if begin > start:
                    left.append((start, begin))
                start = end
        if start < stop:
            left.append((start, stop))
    return tuple(left)


def common_runs(one: Sequence[tuple[int, int]], other: Sequence[tuple[int, int]]) -> Runs:
    """Return what is in both."""
    found: list[tuple[int, int]] = []
    at = 0
    for start, stop in one:
        while at < len(other) and other[at][1] <= start:
            at += 1
        number = at
        while number < len(other) and other[number][0] < stop:
            found.append((max(start, other[number][0]), min(stop, other[number][1])))
            number += 1
    return tuple(found)
