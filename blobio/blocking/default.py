"""The default context: what the functions of `blobio` are methods of."""

from __future__ import annotations

from typing import Final

from blobio.blocking.context import Context

__all__ = ["DEFAULT"]

DEFAULT: Final = Context()
