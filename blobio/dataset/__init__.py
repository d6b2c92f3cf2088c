"""Sharded Arrow datasets straight from any store: read, shuffled, resumed, cached and written."""

from __future__ import annotations

__all__: list[str] = []
