"""What requests of files look like, and what headers of replies say of a file. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, final

from blobio.transport.body import Digest
from blobio.transport.message import Request
from blobio.transport.ranges import body_size, range_header
from blobio.values import BlobMeta, From, Range, Version

__all__ = ["Facts", "describe", "digest_of", "file_request", "link_request"]

_DIGITS: Final = re.compile(r"[0-9]{1,18}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_GIT: Final = re.compile(r"[0-9a-f]{40}")
_TOTAL: Final = re.compile(r"bytes [0-9]{1,18}-[0-9]{1,18}/([0-9]{1,18})")
_OK: Final = 200
_PARTIAL: Final = 206


@final
@dataclass(frozen=True, slots=True)
class Facts:
    """What the Hub has told of a file, over one reply or several; None for what it has not.

    Attributes:
        commit: The commit it is of.
        etag: What identifies its bytes: SHA-256 of a large file, git's id of a small one.
        size: Bytes.
    """

    commit: str | None = None
    etag: str | None = None
    size: int | None = None

    def with_reply(self, status: int, headers: Mapping[str, str]) -> Facts:
        """Add what another reply of the Hub itself tells."""
        size = _size(status, headers) if self.size is None else self.size
        return Facts(
            commit=self.commit or headers.get("x-repo-commit"),
            etag=self.etag or _bare(headers.get("x-linked-etag") or headers.get("etag", "")),
            size=size,
        )


def _size(status: int, headers: Mapping[str, str]) -> int | None:
    linked = headers.get("x-linked-size", "")
    if _DIGITS.fullmatch(linked):
        return int(linked)
    total = _TOTAL.fullmatch(headers.get("content-range", ""))
    if status == _PARTIAL and total is not None:
        return int(total[1])
    return body_size(headers) if status == _OK else None


def _bare(etag: str) -> str | None:
    """Return what stands between the quotes."""
    return etag.removeprefix("W/").strip('"') or None


def file_request(method: str, url: str, wanted: Range | None, subject: str) -> Request:
    """Build a HEAD, or a GET of `wanted`; see `link_request`."""
    if method == "GET":
        return link_request(url, wanted, subject)
    return Request(method=method, url=url, operation="head", subject=subject)


def link_request(url: str, wanted: Range | None, subject: str) -> Request:
    """Build a GET of `wanted`.

    The whole is asked for as a range from byte 0, whose reply tells the size beside the length of
    the body: a body that was cut on its way, and its length with it, would look whole.
    """
    return Request(
        method="GET",
        url=url,
        headers={"range": range_header(From(0) if wanted is None else wanted)},
        stream=True,
        operation="get",
        subject=subject,
    )


def describe(key: str, etag: str | None, size: int) -> BlobMeta:
    """Return what is known of a file. The Hub tells no times here: they are 0."""
    version = None if etag is None else Version(etag)
    return BlobMeta(key=key, size=size, mtime=0.0, ctime=0.0, version=version)


def digest_of(etag: str | None, size: int) -> Digest | None:
    """Return what must come to `etag` over all bytes of a file, or None if it is no digest."""
    if etag is None:
        return None
    if _SHA256.fullmatch(etag):
        return hashlib.sha256()
    if _GIT.fullmatch(etag):
        return hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    return None
