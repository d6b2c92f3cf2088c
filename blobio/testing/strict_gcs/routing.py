"""From the head of a request to the operation it asks for. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, unquote

from blobio.testing.strict.faults import RequestHead

__all__ = ["understand"]

_OBJECT: Final = {
    "GET": "objects.get",
    "PATCH": "objects.patch",
    "DELETE": "objects.delete",
}
_WHOLE: Final = {"/token": "token", "/batch/storage/v1": "batch"}
_SESSION: Final = {"PUT": "session.put", "DELETE": "session.delete"}
_STEPS_TO_OBJECT: Final = 6  # "", storage, v1, b, BUCKET, o, NAME


def understand(method: str, target: str, headers: Mapping[str, str]) -> RequestHead:
    """Find out what a request asks for; names of `headers` are in lower case."""
    path, _, search = target.partition("?")
    query = dict(parse_qsl(search, keep_blank_values=True)) if search else {}
    steps = [unquote(step) for step in path.split("/")]
    operation, bucket, key = _find(method, path, steps, query)
    return RequestHead(
        method=method,
        target=target,
        headers=headers,
        operation=operation,
        bucket=bucket,
        key=key,
        query=query,
    )


def _find(
    method: str, path: str, steps: list[str], query: Mapping[str, str]
) -> tuple[str, str, str]:
    if path in _WHOLE:
        return _WHOLE[path], "", ""
    if path.startswith("/upload/storage/v1/b/") and len(steps) == _STEPS_TO_OBJECT + 1:
        bucket, key = steps[5], query.get("name", "")
        if "upload_id" in query:
            return _SESSION.get(method, ""), bucket, key
        return ("objects.insert" if method == "POST" else ""), bucket, key
    if path.startswith("/storage/v1/b/") and len(steps) >= _STEPS_TO_OBJECT:
        bucket, rest = steps[4], steps[_STEPS_TO_OBJECT:]
        if not rest:
            return ("objects.list" if method == "GET" else ""), bucket, ""
        return _on_object(method, rest), bucket, rest[0]
    bucket, _, key = path[1:].partition("/")
    return "xml.get" if method in ("GET", "HEAD") and key else "", unquote(bucket), unquote(key)


def _on_object(method: str, rest: list[str]) -> str:
    if len(rest) == 1:
        return _OBJECT.get(method, "")
    if method == "POST" and rest[1:] == ["compose"]:
        return "objects.compose"
    if method == "POST" and rest[1:3] == ["rewriteTo", "b"] and rest[4:5] == ["o"]:
        return "objects.rewrite"
    return ""
