"""Put one blob or directory of a tree in its place in another tree.

Names come from a store and may be anything: one that would lead out of the destination, or that no
path can hold, is refused before anything is written.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from dataclasses import dataclass, replace
from typing import Final, final

from blobio.core.attending import attended_copy
from blobio.core.ends import End, Means
from blobio.errors import AlreadyExists, InvalidUrl, IsDirectory, Unsupported
from blobio.values import BlobMeta, Overwrite, PutOptions

__all__ = ["Placement", "place", "require_usable"]

_UNUSABLE: Final = {os.sep, "\0"}  # in the name of a file


@final
@dataclass(frozen=True, slots=True)
class Placement:
    """One blob or directory and where it goes.

    Attributes:
        source: What is copied.
        target: Its place.
        name: The place as it is called below the root of the destination; "" for the root itself.
        meta: What the listing tells of the source.
    """

    source: End
    target: End
    name: str
    meta: BlobMeta

    @staticmethod
    def below(source: End, target: End, meta: BlobMeta) -> Placement:
        """Place what a listing of the directory `source` found at the same name below `target`."""
        name = meta.key[len(source.url.key) :]
        return Placement(
            replace(source, url=source.url.with_key(meta.key), size=meta.size),
            replace(target, url=target.url.with_key(target.url.key + name)),
            name,
            meta,
        )


async def place(placement: Placement, options: PutOptions, means: Means) -> None:
    """Copy one blob, keep a marker, or make a directory.

    Raises:
        InvalidUrl: As a path the name would lead elsewhere, maybe out of the destination.
        Unsupported: It is a special file, or a link to a directory or to nothing.
        IsDirectory: The marker holds bytes, and a directory of the disk cannot.
        BlobError: As in `copy`.
    """
    require_usable(placement.name, placement.target)
    await _require_content(placement)
    if placement.meta.key.endswith("/"):
        await _place_directory(placement, options, means)
    else:
        await attended_copy(placement.source, placement.target, options, means)


def require_usable(name: str, target: End) -> None:
    """Refuse a relative name that is no path below a destination on disk.

    Raises:
        InvalidUrl: It has a component that is empty, `.`, `..`, or holds what no file name can.
    """
    if not target.driver.capabilities.local_paths:
        return
    parts = name.removesuffix("/").split("/") if name else []
    if any(part in ("", ".", "..") or _UNUSABLE & {*part} for part in parts):
        message = f"copy to {target.url}: {name!r} is no path below the destination"
        raise InvalidUrl(message, url=target.url, operation="copy")


async def _require_content(placement: Placement) -> None:
    """Refuse what is listed on disk and has no content to copy."""
    meta = placement.meta
    if not placement.source.driver.capabilities.local_paths or meta.version is not None:
        return
    if not meta.key.endswith("/"):
        message = f"copy of {meta.key}: it is neither a file nor leads to one"
        raise Unsupported(message, url=meta.key, operation="copy")
    is_link = await asyncio.to_thread(os.path.islink, meta.key.rstrip("/"))
    if is_link and placement.name:  # the source itself may be one
        message = f"copy of {meta.key}: links to directories are not followed; copy the other"
        raise Unsupported(message, url=meta.key, operation="copy")


async def _place_directory(placement: Placement, options: PutOptions, means: Means) -> None:
    """Keep a marker as it is among stores of keys; to and from the disk, make an empty one."""
    source, target = placement.source, placement.target
    if not target.url.key:
        return  # the root of a bucket needs no marker
    if target.driver.capabilities.directories:
        if placement.meta.size:
            message = (
                f"copy of {source.url}: {placement.meta.size} bytes have no place in a directory"
            )
            raise IsDirectory(message, url=source.url, operation="copy")
        await target.driver.put(target.url.key, b"", PutOptions(mode=Overwrite()))
        return
    with contextlib.suppress(AlreadyExists):  # it is as good as a new one
        if source.driver.capabilities.directories:
            await target.driver.put(target.url.key, b"", options)
        else:
            await attended_copy(source, target, options, means)
