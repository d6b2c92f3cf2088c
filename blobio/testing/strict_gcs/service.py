"""The operations of `StrictGcs`: a request and its body become an answer."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias, final
from urllib.parse import unquote

from blobio.testing.strict.answers import Answer
from blobio.testing.strict.faults import RequestHead
from blobio.testing.strict_gcs import uploads
from blobio.testing.strict_gcs.replies import as_json, media, refusal
from blobio.testing.strict_gcs.routing import understand
from blobio.testing.strict_gcs.store import Bucket, Conditions, GcsError, Resource

__all__ = ["Service"]

_PAGE: Final = 1000
_BATCH: Final = 100
_BOUNDARY: Final = re.compile(r'boundary="?([^";\s]+)"?')
_PIECE: Final = re.compile(
    rb"(?is)content-id:\s*<([^>]*)>.*?\r\n\r\n([A-Z]+) (\S+) HTTP/1.1\r\n(.*?)\r\n\r\n"
)

_Operation: TypeAlias = Callable[[Bucket, RequestHead, bytes], Answer]


@final
class Service:
    """Answers requests for the objects of its buckets.

    Args:
        clock: Unix seconds.
        rewrite_bytes: How many bytes one step of a rewrite moves.

    Attributes:
        buckets: By name.
    """

    def __init__(self, clock: Callable[[], float], rewrite_bytes: int) -> None:
        self.buckets: Final[dict[str, Bucket]] = {}
        self._clock = clock
        self._rewrite_bytes = rewrite_bytes
        self._rewrites: dict[str, tuple[str, int]] = {}
        self._operations: Final[Mapping[str, _Operation]] = {
            "objects.get": _get,
            "xml.get": _get_by_xml,
            "objects.insert": uploads.begin_or_insert,
            "session.put": uploads.continue_session,
            "session.delete": uploads.cancel,
            "objects.compose": uploads.compose,
            "objects.rewrite": self._rewrite,
            "objects.patch": _patch,
            "objects.delete": _delete,
            "objects.list": _list,
        }

    def make_bucket(self, name: str) -> Bucket:
        """Create a bucket."""
        return self.buckets.setdefault(name, Bucket(name, self._clock))

    def bucket(self, name: str) -> Bucket:
        """Return a bucket.

        Raises:
            GcsError: 404.
        """
        found = self.buckets.get(name)
        if found is None:
            raise GcsError(404, "notFound", "The specified bucket does not exist.")
        return found

    def answer(self, head: RequestHead, body: bytes) -> Answer:
        """Do what the request asks for, or refuse it."""
        try:
            if head.operation == "batch":
                return self._batch(head, body)
            operation = self._operations.get(head.operation)
            if operation is None:
                raise GcsError(404, "notFound", f"Not modelled: {head.method} {head.target}")
            return operation(self.bucket(head.bucket), head, body)
        except GcsError as error:
            return refusal(error)

    def _rewrite(self, bucket: Bucket, head: RequestHead, body: bytes) -> Answer:
        """objects.rewrite: the copy appears with the last step."""
        source = bucket.get(head.key, head.query.get("sourceGeneration"))
        path = head.target.partition("?")[0].split("/")
        target, name = self.bucket(unquote(path[9])), unquote(path[11])
        Conditions.of(head.query, "ifSource{}Match").check(source)
        conditions = Conditions.of(head.query)
        conditions.check(target.objects.get(name))
        size = len(source.body)
        job = f"{bucket.name}/{source.name}#{source.generation} {target.name}/{name}"
        done = 0
        if (token := head.query.get("rewriteToken")) is not None:
            known, done = self._rewrites.get(token, ("", 0))
            if known != job:
                raise GcsError(400, "invalid", "The rewrite token belongs to another rewrite.")
        done = min(size, done + self._rewrite_bytes)
        progress: Resource = {
            "kind": "storage#rewriteResponse",
            "totalBytesRewritten": str(done),
            "objectSize": str(size),
            "done": done == size,
        }
        if done < size:
            token = secrets.token_hex(8)
            self._rewrites[token] = (job, done)
            return as_json({**progress, "rewriteToken": token})
        resource = uploads.parse(body) or dict(source.resource)
        made = target.insert(
            name, source.body, resource, conditions, is_composite=source.is_composite
        )
        return as_json({**progress, "resource": made.described()})

    def _batch(self, head: RequestHead, body: bytes) -> Answer:
        match = _BOUNDARY.search(head.headers.get("content-type", ""))
        pieces = body.split(b"--" + match.group(1).encode())[1:-1] if match else []
        if not 1 <= len(pieces) <= _BATCH:
            raise GcsError(400, "invalid", f"A batch of {len(pieces)} requests.")
        parts = []
        for piece in pieces:
            found = _PIECE.search(piece)
            if found is None:
                raise GcsError(400, "badContent", "A part of the batch is no request.")
            number, method, target, _ = (text.decode() for text in found.groups())
            inner = understand(method, target, head.headers)
            answer = self.answer(inner, b"")
            parts.append(
                f"--b\r\nContent-Type: application/http\r\nContent-ID: <response-{number}>\r\n\r\n"
                f"{answer.head(length=len(answer.body), closes=False).decode('latin-1')}".encode()
                + answer.body
                + b"\r\n"
            )
        kind = {"Content-Type": "multipart/mixed; boundary=b"}
        return Answer(headers=kind, body=b"".join([*parts, b"--b--\r\n"]))


def _get(bucket: Bucket, head: RequestHead, body: bytes) -> Answer:
    del body
    found = bucket.get(head.key, head.query.get("generation"))
    Conditions.of(head.query).check(found)
    if head.query.get("alt") != "media":
        return as_json(found.described())
    if "contentEncoding" in found.resource and "gzip" not in head.headers.get(
        "accept-encoding", ""
    ):
        raise GcsError(400, "invalid", "Transcoding is not modelled: ask for gzip.")
    return media(found, head.headers.get("range"))


def _get_by_xml(bucket: Bucket, head: RequestHead, body: bytes) -> Answer:
    del body
    return media(bucket.get(head.key), head.headers.get("range"))


def _patch(bucket: Bucket, head: RequestHead, body: bytes) -> Answer:
    change = uploads.parse(body)
    return as_json(bucket.patch(head.key, change, Conditions.of(head.query)).described())


def _delete(bucket: Bucket, head: RequestHead, body: bytes) -> Answer:
    del body
    bucket.delete(head.key, Conditions.of(head.query))
    return Answer(status=204)


def _list(bucket: Bucket, head: RequestHead, body: bytes) -> Answer:
    """objects.list: prefixes are entries too, and a token names the last entry of its page."""
    del body
    prefix, delimiter = head.query.get("prefix", ""), head.query.get("delimiter", "")
    after = head.query.get("pageToken", "")
    room = min(int(head.query.get("maxResults", _PAGE)), _PAGE)
    items: list[Resource] = []
    prefixes: list[str] = []
    last = ""
    for key in (octets.decode() for octets in bucket.keys):
        if not key.startswith(prefix) or key.encode() < head.query.get("startOffset", "").encode():
            continue
        group = ""
        if delimiter and delimiter in key[len(prefix) :]:
            group = key[: key.index(delimiter, len(prefix)) + len(delimiter)]
        entry = group or key
        if entry.encode() <= after.encode() or entry == last:
            continue
        if len(items) + len(prefixes) == room:
            page = {"items": items, "prefixes": prefixes, "nextPageToken": last}
            return as_json({name: page[name] for name in page if page[name]})
        last = entry
        if group:
            prefixes.append(group)
        else:
            items.append(bucket.objects[key].described())
    listed: Resource = {"kind": "storage#objects", "items": items, "prefixes": prefixes}
    return as_json({name: listed[name] for name in listed if listed[name]})
