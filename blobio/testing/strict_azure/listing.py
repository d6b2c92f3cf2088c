"""List Blobs of `StrictAzure`."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from email.utils import formatdate
from typing import Final
from urllib.parse import quote

from blobio.testing.strict import Answer, RequestHead
from blobio.testing.strict_azure.replies import XML, element
from blobio.testing.strict_azure.store import Container, Refusal, StoredBlob

__all__ = ["list_blobs"]

_ILLEGAL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_MOST: Final = 5000


def list_blobs(container: Container, head: RequestHead, body: bytes) -> Answer:
    """Answer with one page, in the order of keys, a byte order mark before it as Azure has."""
    del body
    query = head.query
    try:
        most = min(int(query.get("maxresults", _MOST)), _MOST)
        after = base64.b64decode(query.get("marker", ""), validate=True).decode()
    except ValueError:
        raise Refusal(400, "OutOfRangeQueryParameterValue", "maxresults or marker") from None
    entries = [one for one in _entries(container, head) if one[0] > after]
    page = entries[:most]
    is_last = len(entries) <= most
    marker = "" if is_last else base64.b64encode(page[-1][0].encode()).decode()
    document = (
        '<?xml version="1.0" encoding="utf-8"?>'
        f'<EnumerationResults ServiceEndpoint="http://strict/" ContainerName="{container.name}">'
        f"<Blobs>{''.join(text for _, text in page)}</Blobs>"
        f"<NextMarker>{marker}</NextMarker></EnumerationResults>"
    )
    return Answer(headers=XML, body=document.encode("utf-8-sig"))


def _entries(container: Container, head: RequestHead) -> Iterator[tuple[str, str]]:
    """Yield each entry and the name that it sorts by."""
    prefix, delimiter = head.query.get("prefix", ""), head.query.get("delimiter", "")
    has_metadata = "metadata" in head.query.get("include", "").split(",")
    seen: set[str] = set()
    for key in sorted(container.blobs):
        if not key.startswith(prefix):
            continue
        rest = key[len(prefix) :]
        if delimiter and delimiter in rest:
            name = prefix + rest[: rest.index(delimiter) + len(delimiter)]
            if name not in seen:
                seen.add(name)
                yield name, f"<BlobPrefix>{_name(name)}</BlobPrefix>"
            continue
        yield key, _blob(key, container.blobs[key], has_metadata=has_metadata)


def _name(name: str) -> str:
    if _ILLEGAL.search(name):
        return f'<Name Encoded="true">{quote(name, safe="/")}</Name>'
    return element("Name", name).replace("\r", "&#13;")


def _blob(key: str, blob: StoredBlob, *, has_metadata: bool) -> str:
    fields = [
        element("Creation-Time", formatdate(blob.created, usegmt=True)),
        element("Last-Modified", formatdate(blob.modified, usegmt=True)),
        element("Etag", blob.etag.strip('"')),
        element("Content-Length", len(blob.body)),
        element("Content-Type", blob.headers.get("content-type", "")),
        element("Content-MD5", blob.headers.get("content-md5", "")),
        element("BlobType", blob.blob_type),
    ]
    metadata = [element(name, value) for name, value in blob.metadata.items()]
    more = f"<Metadata>{''.join(metadata)}</Metadata>" if has_metadata else ""
    return f"<Blob>{_name(key)}<Properties>{''.join(fields)}</Properties>{more}</Blob>"
