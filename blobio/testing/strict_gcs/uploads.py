"""Operations that bring bytes: in one request, in a session, or out of other objects. Pure."""

from __future__ import annotations

import json
import re
import secrets
from typing import Final

from blobio.testing.strict.answers import Answer
from blobio.testing.strict.faults import RequestHead
from blobio.testing.strict_gcs.replies import as_json
from blobio.testing.strict_gcs.store import (
    Bucket,
    Conditions,
    GcsError,
    Resource,
    Session,
    StoredObject,
    check_name,
)

__all__ = ["begin_or_insert", "cancel", "compose", "continue_session", "parse"]

GRANULE: Final = 256 << 10
_MOST_SOURCES: Final = 32
_BOUNDARY: Final = re.compile(r'boundary="?([^";\s]+)"?')
_CONTENT_RANGE: Final = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")


def parse(body: bytes) -> Resource:
    """Read a JSON object, refusing what is none."""
    try:
        found: object = json.loads(body or b"{}")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise GcsError(400, "parseError", "This API does not support parsing form-encoded input.")
    return found


def begin_or_insert(bucket: Bucket, head: RequestHead, body: bytes) -> Answer:
    """objects.insert: uploadType=multipart or resumable."""
    kind = head.query.get("uploadType")
    conditions = Conditions.of(head.query)
    if kind == "multipart":
        resource, content = _split(head, body)
        name = head.query.get("name") or str(resource.get("name", ""))
        return as_json(bucket.insert(name, content, resource, conditions).described())
    if kind != "resumable":
        raise GcsError(400, "invalid", f"uploadType {kind!r} is not modelled")
    resource = parse(body)
    check_name(head.key)
    conditions.check(bucket.objects.get(head.key))
    resource.setdefault("contentType", head.headers.get("x-upload-content-type", ""))
    session = Session(upload_id=secrets.token_urlsafe(24), resource=resource, conditions=conditions)
    bucket.sessions[session.upload_id] = session
    location = f"http://elsewhere.example/{bucket.name}?upload_id={session.upload_id}"
    return Answer(headers={"Location": location})


def continue_session(bucket: Bucket, head: RequestHead, body: bytes) -> Answer:
    """Take the next bytes of a session, or say how far it is."""
    session = _session(bucket, head)
    match = _CONTENT_RANGE.fullmatch(head.headers.get("content-range", ""))
    if match is None:
        raise GcsError(400, "invalid", "Failed to parse Content-Range header.")
    if session.made is not None:
        return as_json(session.made.described())
    first, last, total = match.groups()
    if first is not None:
        _append(session, body, int(first), int(last), is_last=total != "*")
    if total == "*" or len(session.data) < int(total):
        return _incomplete(session)
    if len(session.data) > int(total):
        raise GcsError(400, "invalid", "More bytes have come than the object has.")
    session.made = bucket.insert(
        head.key, bytes(session.data), session.resource, session.conditions
    )
    return as_json(session.made.described())


def cancel(bucket: Bucket, head: RequestHead, body: bytes) -> Answer:
    """Drop a session."""
    del body
    del bucket.sessions[_session(bucket, head).upload_id]
    return Answer(status=499)


def compose(bucket: Bucket, head: RequestHead, body: bytes) -> Answer:
    """objects.compose."""
    request = parse(body)
    rows, resource = request.get("sourceObjects"), request.get("destination", {})
    assert isinstance(rows, list)
    assert isinstance(resource, dict)
    if not 1 <= len(rows) <= _MOST_SOURCES:
        raise GcsError(400, "invalid", f"The number of source components is {len(rows)}.")
    Conditions.of(head.query).check(bucket.objects.get(head.key))
    sources: list[StoredObject] = []
    for row in rows:
        source = bucket.get(row["name"], row.get("generation"))
        Conditions.of(row.get("objectPreconditions", {})).check(source)
        sources.append(source)
    content = b"".join([source.body for source in sources])
    made = bucket.insert(head.key, content, resource, Conditions(), is_composite=True)
    if request.get("deleteSourceObjects") is True:
        for source in sources:
            bucket.delete(source.name, Conditions(generation=source.generation))
    return as_json(made.described())


def _split(head: RequestHead, body: bytes) -> tuple[Resource, bytes]:
    """Cut the body of uploadType=multipart into the resource and the bytes."""
    match = _BOUNDARY.search(head.headers.get("content-type", ""))
    if match is None:
        raise GcsError(400, "badContent", "Missing boundary.")
    delimiter = b"--" + match.group(1).encode()
    parts = (b"\r\n" + body).split(b"\r\n" + delimiter)
    if len(parts) != 4 or parts[0] or not parts[3].startswith(b"--"):
        raise GcsError(400, "badContent", "Malformed multipart body.")
    resource, content = (part.partition(b"\r\n\r\n")[2] for part in parts[1:3])
    return parse(resource), content


def _session(bucket: Bucket, head: RequestHead) -> Session:
    found = bucket.sessions.get(head.query["upload_id"])
    if found is None:
        raise GcsError(410, "uploadExpired", "The upload session is gone.")
    return found


def _append(session: Session, body: bytes, first: int, last: int, *, is_last: bool) -> None:
    """Store what is new of a chunk; of one that broke off, whole granules only."""
    if first > len(session.data):
        raise GcsError(400, "invalid", f"Byte {len(session.data)} is next, not {first}.")
    announced = last + 1 - first
    if not is_last and announced % GRANULE:
        raise GcsError(400, "invalid", f"A chunk of {announced} bytes is no multiple of 256 KiB.")
    if len(body) < announced:
        body = body[: max(0, (first + len(body)) // GRANULE * GRANULE - first)]
    session.data += body[len(session.data) - first :]


def _incomplete(session: Session) -> Answer:
    stored = len(session.data)
    return Answer(status=308, headers={"Range": f"bytes=0-{stored - 1}"} if stored else {})
