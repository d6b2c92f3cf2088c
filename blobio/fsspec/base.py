"""`AsyncFileSystem` of fsspec, which has no types, with the types of what is used of it here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

__all__ = ["AsyncFileSystem"]

if TYPE_CHECKING:
    import asyncio

    from blobio.url import BlobPathLike

    class AsyncFileSystem:
        """What `BlobFileSystem` inherits; its blocking verbs are made at run time, by name."""

        asynchronous: bool
        batch_size: int | None
        storage_options: dict[str, Any]
        root_marker: ClassVar[str]

        def __init__(
            self,
            *,
            asynchronous: bool = False,
            loop: asyncio.AbstractEventLoop | None = None,
            batch_size: int | None = None,
        ) -> None: ...

        @classmethod
        def _strip_protocol(cls, path: str) -> str: ...
        async def _find(
            self,
            path: str,
            maxdepth: int | None = None,
            withdirs: bool = False,
            **kwargs: Any,
        ) -> Any: ...
        async def _expand_path(
            self, path: str | list[str], recursive: bool = False, maxdepth: int | None = None
        ) -> list[str]: ...
        def open(
            self,
            path: str | BlobPathLike,
            mode: str = "rb",
            block_size: int | None = None,
            cache_options: dict[str, Any] | None = None,
            compression: str | None = None,
            **kwargs: Any,
        ) -> Any:
            """Open a file."""

        def __getattr__(self, name: str) -> Any: ...
else:
    from fsspec.asyn import AsyncFileSystem
