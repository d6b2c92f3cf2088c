"""From the head of a request to the operation it asks for. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, unquote

from blobio.testing.strict.faults import RequestHead

__all__ = ["understand", "understand_delivery"]

_API: Final = ["", "api", "datasets"]


def understand(method: str, target: str, headers: Mapping[str, str]) -> RequestHead:
    """Find out what a request to the Hub asks for.

    `bucket` of the result is the id of the dataset, `key` the path in it, and `query` has the
    revision as `rev`.
    """
    path, _, search = target.partition("?")
    pairs = parse_qsl(search, keep_blank_values=True)
    query = dict(pairs)
    if "expand" in query:  # of info it may come several times
        query["expand"] = ",".join(value for name, value in pairs if name == "expand")
    operation, dataset, revision, key = _find(method, path, query)
    return RequestHead(
        method=method,
        target=target,
        headers=headers,
        operation=operation,
        bucket=dataset,
        key=key,
        query={**query, "rev": revision},
    )


def understand_delivery(method: str, target: str, headers: Mapping[str, str]) -> RequestHead:
    """Find out which bytes a request to the other host asks for: `key` is their digest."""
    path, _, search = target.partition("?")
    query = dict(parse_qsl(search, keep_blank_values=True))
    return RequestHead(
        method=method,
        target=target,
        headers=headers,
        operation="deliver" if method in ("GET", "HEAD") else "",
        bucket="",
        key=path.rpartition("/")[2],
        query=query,
    )


def _find(method: str, path: str, query: Mapping[str, str]) -> tuple[str, str, str, str]:
    """Return operation, dataset, revision and path, each empty if it is not there."""
    steps = path.split("/")
    reads = method in ("GET", "HEAD")
    if path == "/parquet" and method == "GET":
        return "viewer.parquet", query.get("dataset", ""), "", ""
    if reads and steps[1:2] == ["datasets"] and steps[4:5] == ["resolve"] and len(steps) > 6:
        name = "/".join(unquote(step) for step in steps[2:4])
        return "resolve", name, unquote(steps[5]), unquote("/".join(steps[6:]))
    if steps[:3] != _API or len(steps) < 5:
        return "", "", "", ""
    name, rest = "/".join(unquote(step) for step in steps[3:5]), steps[5:]
    if method == "POST" and rest[:1] == ["paths-info"] and len(rest) == 2:
        return "paths-info", name, unquote(rest[1]), ""
    return (*_find_read(rest, name),) if method == "GET" else ("", name, "", "")


def _find_read(rest: list[str], name: str) -> tuple[str, str, str, str]:
    match rest:
        case []:
            return "info", name, "main", ""
        case ["revision", revision]:
            return "info", name, unquote(revision), ""
        case ["refs"]:
            return "refs", name, "", ""
        case ["tree", revision]:
            return "tree", name, unquote(revision), ""
        case ["tree", revision, *path]:
            return "tree", name, unquote(revision), unquote("/".join(path))
        case _:
            return "", name, "", ""
