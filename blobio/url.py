"""`BlobUrl`: where a blob lives, parsed once at the edge and passed on as a value.

A key is exact. It is never normalised and never percent-decoded: `a//b`, `a/../b`, a trailing `/`,
`#`, `?`, `%`, `*` and any unicode are ordinary characters of a key, and `BlobUrl.parse(str(url))`
equals `url`. The driver's wire module escapes a key, once, when it builds a request.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias, cast, final, runtime_checkable

from blobio.errors import InvalidUrl, redact

__all__ = ["SCHEMES", "BlobPathLike", "BlobUrl", "PathLike", "fspath"]

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(//)?")
_BUCKET: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_CONTAINER: Final = re.compile(r"\$?[A-Za-z0-9][A-Za-z0-9-]*")
_HTTP_AUTHORITY: Final = re.compile(r"(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
# Names of references that the Hub makes itself; those of branches and tags have no slash here.
_HUB_REFERENCE: Final = re.compile(r"(convert/[^/]+|pr/[0-9]+)(?:/|$)")
_AZURE_HOST: Final = ".blob.core.windows.net"
_SCHEMES: Final = "gs://, s3://, az://, http(s)://, memory://, hf://, file:// and local paths"


@runtime_checkable
class BlobPathLike(Protocol):
    """An object that stands for a URL, as `os.PathLike` stands for a path."""

    def __blobpath__(self) -> str:
        """Return the URL or local path as a string."""
        ...


PathLike: TypeAlias = "str | os.PathLike[str] | BlobPathLike"


def fspath(path: PathLike) -> str:
    """Return the string behind `path`: `str`, `__blobpath__` or `__fspath__`, in that order.

    Raises:
        TypeError: `path` is none of these, or stands for `bytes`.
    """
    if isinstance(path, str):
        return path
    if isinstance(path, BlobPathLike):
        return path.__blobpath__()
    text = cast("object", os.fspath(path))  # what the type says, a caller may not keep
    if not isinstance(text, str):
        message = f"blobio paths are str, not {type(text).__name__}: {text!r}"
        raise TypeError(message)
    return text


@final
@dataclass(frozen=True, slots=True, order=True)
class BlobUrl:
    """The address of a blob or directory.

    Attributes:
        scheme: `"file"`, `"memory"`, `"s3"`, `"gs"`, `"az"`, `"http"`, `"https"` or `"hf"`.
        authority: Bucket, `account/container`, `host[:port]`, `datasets/namespace/name[@revision]`,
            or `""` for local paths.
        key: The exact name within the authority, without the `/` that follows the authority;
            for local files the whole path as given; for HTTP the raw path and query.
    """

    scheme: str
    authority: str
    key: str

    @classmethod
    def parse(cls, path: PathLike) -> BlobUrl:
        """Parse a URL or local path.

        Raises:
            InvalidUrl: The scheme is unknown, or bucket, account, container or host are missing or
                could not be a name of that kind. The message shows the form that would work.
            TypeError: `path` is not a string or path-like object.
        """
        text = fspath(path)
        if "\0" in text:
            message = f"a path cannot hold a NUL character: {text!r}"
            raise InvalidUrl(message, url=text)
        match = _SCHEME.match(text)
        if match is None:
            return _local(text)
        scheme, slashes = match.group(1).lower(), match.group(2)
        parser = _PARSERS.get(scheme)
        if parser is None:
            message = (
                f"unknown scheme {scheme!r} in {text!r}: blobio knows {_SCHEMES}. "
                f"For a local file of that name write './{text}'"
            )
            raise InvalidUrl(message, url=text)
        if slashes is None:
            message = (
                f"{text!r} has no '//' after {scheme!r}: write {scheme}://... as a string "
                "(pathlib.Path collapses '//')"
            )
            raise InvalidUrl(message, url=text)
        return parser(scheme, text[match.end() :], text)

    def __str__(self) -> str:
        if self.scheme == "file":
            return self.key
        return f"{self.scheme}://{self.authority}/{self.key}"

    @property
    def is_local(self) -> bool:
        """Whether this is a path of this machine, for the words that `os.path` has."""
        return self.scheme == "file"

    @property
    def root_as_https(self) -> tuple[str, str] | None:
        """How all URLs of this Azure container start, here and in https; None for another store."""
        if self.scheme != "az":
            return None
        account, _, container = self.authority.partition("/")
        return f"az://{self.authority}", f"https://{account}{_AZURE_HOST}/{container}"

    @property
    def name(self) -> str:
        """The part of the key after its last `/`: `""` for a key that ends in `/`."""
        return self.key.rpartition("/")[2]

    @property
    def parent(self) -> BlobUrl:
        """The directory that holds this blob or directory, without a trailing `/`.

        The parent of the authority's root is the root itself.
        """
        head = self.key.rstrip("/").rpartition("/")[0].rstrip("/")
        if not head and self.scheme == "file" and self.key.startswith("/"):
            return self.with_key("/")
        return self.with_key(head)

    @property
    def as_directory(self) -> BlobUrl:
        """This URL with a key that ends in `/`, or is empty (the root of the authority)."""
        if not self.key or self.key.endswith("/"):
            return self
        return self.with_key(self.key + "/")

    def with_key(self, key: str) -> BlobUrl:
        """Return the URL of another key under the same authority."""
        return BlobUrl(self.scheme, self.authority, key)

    def join(self, relative: str) -> BlobUrl:
        """Append `relative`, literally, below this URL taken as a directory."""
        return self.with_key(self.as_directory.key + relative)

    def relative_to(self, root: BlobUrl) -> str:
        """Return the part of the key below `root` taken as a directory.

        Raises:
            ValueError: This URL is not below `root`.
        """
        prefix = root.as_directory.key
        same_place = (self.scheme, self.authority) == (root.scheme, root.authority)
        if not same_place or not self.key.startswith(prefix):
            message = f"{redact(str(self))} is not below {redact(str(root))}"
            raise ValueError(message)
        return self.key[len(prefix) :]


def _local(text: str) -> BlobUrl:
    return BlobUrl("file", "", text)


def _file(scheme: str, rest: str, text: str) -> BlobUrl:
    host, slash, path = rest.partition("/")
    if host not in ("", "localhost") or not slash:
        message = f"{text!r}: a file URL is {scheme}:///absolute/path on this machine"
        raise InvalidUrl(message, url=text)
    return _local("/" + path)


def _bucket(scheme: str, rest: str, text: str) -> BlobUrl:
    bucket, _, key = rest.partition("/")
    if not _BUCKET.fullmatch(bucket) or ".." in bucket:
        what = "has an impossible bucket name" if bucket else "has no bucket"
        message = f"{text!r} {what}: write {scheme}://bucket/key"
        raise InvalidUrl(message, url=text)
    return BlobUrl(scheme, bucket, key)


def _memory(scheme: str, rest: str, text: str) -> BlobUrl:
    bucket, slash, key = rest.partition("/")
    if not bucket and not slash:
        message = f"{text!r} names nothing: write {scheme}://bucket/key"
        raise InvalidUrl(message, url=text)
    return BlobUrl(scheme, bucket, key)


def _azure(scheme: str, rest: str, text: str) -> BlobUrl:
    first, _, key = rest.partition("/")
    if "@" in first:
        container, _, account = first.partition("@")
        for suffix in (_AZURE_HOST, ".dfs.core.windows.net"):
            account = account.removesuffix(suffix)
    else:
        account = first
        container, _, key = key.partition("/")
    if not _CONTAINER.fullmatch(container) or not _CONTAINER.fullmatch(account):
        message = (
            f"{text!r} needs an account and a container: write {scheme}://account/container/key "
            f"or {scheme}://container@account/key"
        )
        raise InvalidUrl(message, url=text)
    return BlobUrl("az", f"{account}/{container}", key)


def _http(scheme: str, rest: str, text: str) -> BlobUrl:
    authority, _, key = rest.partition("/")
    usable = _HTTP_AUTHORITY.fullmatch(authority)
    if "@" in authority or (not usable and "@" in rest):  # a password may hold a `/`
        message = f"{scheme} URLs with credentials before the host are refused; use Config.http"
        raise InvalidUrl(message)  # it cannot be told where they end
    if not usable:
        message = f"{text!r} has no usable host: write {scheme}://host[:port]/path"
        raise InvalidUrl(message, url=text)
    authority = authority.lower()
    if scheme == "https" and authority.endswith(_AZURE_HOST):
        return _azure("az", f"{authority.removesuffix(_AZURE_HOST)}/{key}", text)
    return BlobUrl(scheme, authority, key)


def _hub(scheme: str, rest: str, text: str) -> BlobUrl:
    parts = rest.split("/", 3)
    needed = 3  # kind, namespace, name
    name, at, revision = parts[needed - 1].partition("@") if len(parts) >= needed else ("", "", "")
    if not all(parts[: needed - 1]) or not name or bool(at) != bool(revision):
        message = f"{text!r}: write {scheme}://datasets/namespace/name[@revision]/path"
        raise InvalidUrl(message, url=text)
    authority, key = "/".join(parts[:needed]), parts[needed] if len(parts) > needed else ""
    reference = _HUB_REFERENCE.match(key) if revision == "refs" else None
    if reference is not None:
        authority, key = f"{authority}/{reference[1]}", key[reference.end() :]
    return BlobUrl(scheme, authority, key)


_PARSERS: Final = {
    "file": _file,
    "s3": _bucket,
    "gs": _bucket,
    "az": _azure,
    "http": _http,
    "https": _http,
    "memory": _memory,
    "hf": _hub,
}

SCHEMES: Final = frozenset(_PARSERS)
"""Schemes that `BlobUrl.parse` knows, in lower case, whether or not a driver serves them."""
