"""The buckets of a store, or the containers of an account: an optional part of a driver's package.

`s3://`, `gs://`, `az://` and `az://account` are no places that a `Driver` could serve: no blobs lie
right there. A package that can list what does lie there has a function `make_buckets`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol, cast, final

from blobio.drivers.registry import DriverServices, driver_module
from blobio.errors import Unsupported
from blobio.url import BlobUrl

__all__ = [
    "ROOTS",
    "BucketEntry",
    "BucketPage",
    "Buckets",
    "BucketsFactory",
    "make_buckets",
    "root_of",
]

_ROOT: Final = re.compile(r"([A-Za-z][A-Za-z0-9]*)://([A-Za-z0-9-]*)/?")
_HAS_ACCOUNTS: Final = {"s3": False, "gs": False, "az": True}

ROOTS: Final = tuple(f"{scheme}://" for scheme in _HAS_ACCOUNTS)
"""What stands for all buckets of each store that can list them."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class BucketEntry:
    """A bucket, a container, or an account.

    Attributes:
        name: Its name.
        url: As `BlobUrl.parse` takes it; ends in `/`.
        time: Seconds since the epoch: when it was made, for a container when it was changed last;
            None if the store does not say.
    """

    name: str
    url: str
    time: float | None = None


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class BucketPage:
    """One page of them, in the order of the store.

    Attributes:
        entries: At most as many as the store puts in a page; there may be none, and more to come.
        token: What to pass for the next page, or None after the last.
    """

    entries: Sequence[BucketEntry] = ()
    token: str | None = None


class Buckets(Protocol):
    """What lists the buckets of a store."""

    async def page(self, token: str | None) -> BucketPage:
        """List one page; `token` is None for the first, then what the page before returned.

        Raises:
            InvalidConfig: It is not known whose buckets are wanted; the message names the way out.
            PermissionDenied: The credentials may not list buckets, as is often so.
        """
        ...

    async def aclose(self) -> None:
        """Release what it owns (not the shared pool). Idempotent."""
        ...


class BucketsFactory(Protocol):
    """`make_buckets` of a driver's package."""

    def __call__(self, authority: str, services: DriverServices) -> Buckets:
        """Return a new list; no request is sent."""
        ...


def root_of(text: str) -> BlobUrl | None:
    """Return what `text` stands for if that is all buckets of a store; None for anything else.

    The authority of the result is empty, or the name of an account. It is no URL of a blob.
    """
    match = _ROOT.fullmatch(text)
    scheme = match[1].lower() if match else ""
    if match is None or scheme not in _HAS_ACCOUNTS or (match[2] and not _HAS_ACCOUNTS[scheme]):
        return None
    return BlobUrl(scheme, match[2], "")


def make_buckets(root: BlobUrl, services: DriverServices) -> Buckets:
    """Make what lists the buckets of `root`.

    Raises:
        Unsupported: What its driver needs is not installed.
    """
    factory = getattr(driver_module(root), "make_buckets", None)
    if factory is None:
        message = f"the buckets of {root.scheme}:// cannot be listed"
        raise Unsupported(message, operation="list")
    return cast("BucketsFactory", factory)(root.authority, services)
