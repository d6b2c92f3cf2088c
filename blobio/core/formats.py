"""Compression by name: which formats there are, what they need, what their errors mean. Pure."""

from __future__ import annotations

import importlib.util
import sys
from typing import Final, Literal, NamedTuple, TypeAlias

from blobio.errors import BlobError, InvalidConfig, Unsupported, redact

__all__ = ["GZIP_LEVEL", "Compression", "compression_of", "explained"]

Compression: TypeAlias = 'Literal["infer", "gzip", "bz2", "xz", "zstd", "lz4"]'

GZIP_LEVEL: Final = 6
"""As the program has it; Python's 9 takes twice the time for a percent."""


class _Format(NamedTuple):
    suffix: str
    needs: str | None = None


_FORMATS: Final = {
    "gzip": _Format(".gz"),
    "bz2": _Format(".bz2"),
    "xz": _Format(".xz"),
    "zstd": _Format(".zst", None if sys.version_info >= (3, 14) else "backports.zstd"),
    "lz4": _Format(".lz4", "lz4"),
}


def compression_of(name: str, compression: str | None) -> str | None:
    """Return the format that `compression` asks for, or None for the bytes as they are.

    Args:
        name: Of the blob; its end decides for `"infer"`: `.gz`, `.bz2`, `.xz`, `.zst`, `.lz4`.
        compression: `"infer"`, the name of a format, or None.

    Raises:
        InvalidConfig: There is no such format.
        Unsupported: Its package is not installed; the message names the `pip install` to run.
    """
    if compression == "infer":
        lower = name.lower()
        found = (kind for kind, form in _FORMATS.items() if lower.endswith(form.suffix))
        compression = next(found, None)
    if compression is None:
        return None
    if compression not in _FORMATS:
        known = ", ".join(_FORMATS)
        message = f"open of {name}: unknown compression {compression!r}; use infer, {known} or None"
        raise InvalidConfig(message, operation="open")
    needs = _FORMATS[compression].needs
    if needs is not None and not _is_installed(needs):
        message = (
            f"open of {name}: {compression} needs the package {needs!r}, which is not installed: "
            "run  pip install 'blobio[compression]'"
        )
        raise Unsupported(message, operation="open")
    return compression


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of the package that would hold it
        return False


def explained(error: Exception, name: str, kind: str) -> Exception:
    """Return what to raise for an error of a decoder; `error` itself if it is none of its own.

    Each format has errors of its own, down to lz4's `RuntimeError`.
    """
    if isinstance(error, EOFError):
        return EOFError(f"read of {redact(name)}: the {kind} data end too early")
    is_of_the_disk = isinstance(error, OSError) and error.errno is not None
    if isinstance(error, ValueError | BlobError) or is_of_the_disk:  # closed, or of the store
        return error
    message = f"read of {name}: this is not sound {kind} data ({error})"
    return BlobError(message, url=name, operation="read")
