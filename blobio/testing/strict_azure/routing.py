"""From the head of a request to the Azure operation it asks for. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, unquote

from blobio.testing.strict import RequestHead

__all__ = ["parse_part", "understand"]

_BLOB: Final = {
    "GET": "GetBlob",
    "HEAD": "GetBlobProperties",
    "PUT": "PutBlob",
    "DELETE": "DeleteBlob",
}
_COMP: Final = {
    ("PUT", "block"): "PutBlock",
    ("PUT", "blocklist"): "PutBlockList",
    ("PUT", "metadata"): "SetBlobMetadata",
    ("PUT", "properties"): "SetBlobProperties",
    ("PUT", "copy"): "AbortCopyBlob",
    ("GET", "tags"): "GetBlobTags",
}
_CONTAINER: Final = {("GET", "list"): "ListBlobs", ("POST", "batch"): "BlobBatch"}


def understand(method: str, target: str, headers: Mapping[str, str]) -> RequestHead:
    """Find out what a request asks for; names of `headers` are in lower case.

    `bucket` of the result is `account/container`.
    """
    path, _, search = target.partition("?")
    pairs = (pair.partition("=") for pair in search.split("&") if pair)
    query = {unquote(name): unquote(value) for name, _, value in pairs}
    account, _, rest = path[1:].partition("/")
    container, _, key = rest.partition("/")
    return RequestHead(
        method=method,
        target=target,
        headers=headers,
        operation=_operation(method, key, query, headers),
        bucket=f"{unquote(account)}/{unquote(container)}",
        key=unquote(key),
        query=query,
    )


def _operation(method: str, key: str, query: Mapping[str, str], headers: Mapping[str, str]) -> str:
    comp = query.get("comp", "")
    if not key:
        return _CONTAINER.get((method, comp), "")
    copies = method == "PUT" and "x-ms-copy-source" in headers
    if copies and comp == "block":
        return "PutBlockFromUrl"
    if comp:
        return _COMP.get((method, comp), "")
    return "CopyBlob" if copies else _BLOB.get(method, "")


def parse_part(part: bytes) -> tuple[str, RequestHead] | None:
    """Parse one part of a batch: its Content-ID and the request in it."""
    outer, _, inner = part.strip(b"\r\n").partition(b"\r\n\r\n")
    if not inner:
        return None
    first, *lines = inner.decode("latin-1").split("\r\n\r\n")[0].split("\r\n")
    method, target, _ = first.split(" ")
    names = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in names}
    fields = dict(parse_qsl(outer.decode("latin-1").replace("\r\n", "&").replace(": ", "=")))
    return fields.get("Content-ID", ""), understand(method, target, headers)
