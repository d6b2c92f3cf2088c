"""`FileSystemHandler` of pyarrow, which has no types, as the class of Python's that it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["FileSystemHandler"]

if TYPE_CHECKING:

    class FileSystemHandler:
        """What `BlobHandler` inherits: the names of the verbs, to be filled in."""
else:
    from pyarrow.fs import FileSystemHandler
