"""`basename`, `dirname` and `join` for local paths and URLs alike, without any I/O.

Local paths follow `os.path`. In a URL the part after the authority (bucket, container, host) is a
`/`-separated path, and no result leaves the authority: `dirname` and `..` stop at its root. These
three follow blobfile's rules; `BlobUrl.join` appends to a key literally.
"""

from __future__ import annotations

import os
import re
from typing import Final

from blobio.errors import InvalidUrl, redact
from blobio.url import SCHEMES, BlobUrl, PathLike, fspath

__all__ = ["basename", "dirname", "join"]

_URL_LIKE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_AZURE_ACCOUNT: Final = re.compile(
    r"(?i:az://(?P<az>[^/@]+)|https://(?P<host>[^/@.]+)\.blob\.core\.windows\.net)/?"
)


def basename(path: PathLike) -> str:
    """Return the part of `path` after its last `/`; `""` if it ends in `/` or is a bucket's root.

    A string with a scheme blobio does not know is split like a local path, as blobfile does.

    Raises:
        InvalidUrl: The scheme is known but the URL has no bucket, container or host.
    """
    url = _parse_or_none(path)
    if url is None:
        return os.path.basename(fspath(path))
    return url.name


def dirname(path: PathLike) -> str:
    """Return the directory that holds `path`, without a trailing `/`.

    Trailing slashes of a URL are ignored, and the root of a bucket is its own directory:
    `dirname("s3://b/a/c/") == "s3://b/a"`, `dirname("s3://b") == "s3://b"`. Local paths follow
    `os.path.dirname`. A string with a scheme blobio does not know is split like a local path.

    Raises:
        InvalidUrl: The scheme is known but the URL has no bucket, container or host.
    """
    url = _parse_or_none(path)
    if url is None:
        return os.path.dirname(fspath(path))
    if url.scheme == "file":
        return os.path.dirname(url.key)
    # One component goes, no more: an empty component before it ("a//b") belongs to the key.
    head, slash, _ = url.key.rstrip("/").rpartition("/")
    if not slash:
        return _root(url)
    return str(url.with_key(head))


def join(path: PathLike, *parts: str) -> str:
    """Append `parts`, one after the other, to `path` taken as a directory.

    Local paths follow `os.path.join`. In a URL, `.` and `..` in `parts` are resolved and stop at
    the root of the bucket; a part that ends in `/`, `.` or `..` gives a result that ends in `/`;
    `""` appends a `/`; a part that starts with `/` starts over at the root of the bucket; doubled
    slashes inside a relative part collapse. The key of `path` itself is kept as it is, so joining
    a listed directory and a listed name gives the listed key. `az://account` may be given without
    a container: the first part then starts with it.

    Raises:
        InvalidUrl: `path` is not something blobio can address, or one of `parts` is a URL.
        TypeError: One of `parts` is not a `str`.
    """
    for part in parts:
        _check_part(part)
    account = _AZURE_ACCOUNT.fullmatch(fspath(path))
    if account is not None:
        return _join_account(account["az"] or account["host"].lower(), parts)
    return _join(BlobUrl.parse(path), parts)


def _check_part(part: object) -> None:
    if not isinstance(part, str):
        message = f"join() takes str after the first argument, not {type(part).__name__}"
        raise TypeError(message)
    if _URL_LIKE.match(part):
        message = f"only the first argument of join() may be a URL, not {redact(part)!r}"
        raise InvalidUrl(message, url=part)


def _join_account(account: str, parts: tuple[str, ...]) -> str:
    if not parts:
        return f"az://{account}"
    container, _, rest = parts[0].lstrip("/").partition("/")
    url = BlobUrl.parse(f"az://{account}/{container}")
    return _join(url, (rest, *parts[1:]))


def _join(url: BlobUrl, parts: tuple[str, ...]) -> str:
    if url.scheme == "file":
        return os.path.join(url.key, *parts)
    if not parts and not url.key:
        return _root(url)
    for part in parts:
        url = url.with_key(_append(url.as_directory.key, part))
    return str(url)


def _append(directory: str, part: str) -> str:
    """Return the key of `part` below the key `directory`, which is empty or ends in `/`."""
    if not part:
        return directory
    rooted = part.startswith("/")
    stack = [] if rooted else directory.split("/")[:-1]
    *inner, last = part.removeprefix("/").split("/")
    for name in (*inner, last) if last else inner:
        if name == "..":
            del stack[-1:]
        elif name != "." and (name or rooted):
            stack.append(name)
    key = "/".join(stack)
    return f"{key}/" if stack and last in ("", ".", "..") else key


def _root(url: BlobUrl) -> str:
    """Return the URL of the authority without a trailing `/`, where that is still a URL."""
    root = str(url.with_key(""))
    return root.removesuffix("/") if url.authority else root


def _parse_or_none(path: PathLike) -> BlobUrl | None:
    """Return the URL, or None for a string whose scheme is not ours."""
    try:
        return BlobUrl.parse(path)
    except InvalidUrl:
        if fspath(path).partition(":")[0].lower() in SCHEMES:
            raise
        return None
