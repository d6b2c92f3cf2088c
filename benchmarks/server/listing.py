"""Listings of keys that exist nowhere else, in the words of each store, a page at a time.

A page is written once and kept. All keys are on one level, so that a delimiter matters only to
adlfs, which asks for the level above first.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Final, TypeAlias, final

from benchmarks.data import LIST_PREFIX, list_size
from benchmarks.scale import BUCKET
from benchmarks.server.message import Reply
from benchmarks.server.shelf import Shelf

__all__ = ["Listing"]

_PAGE_KEYS: Final = 1000
_AZURE_PAGE_KEYS: Final = 5000
_FIRST_TIME: Final = datetime(2026, 11, 24, 17, 50, 30, tzinfo=UTC)
_QUOTE: Final = '"'
_FIELDS: Final = re.compile(r"items\(([^()]*)\)")

_Write: TypeAlias = Callable[[range], bytes]


@final
class Listing:
    """The keys below `LIST_PREFIX`; a token is the number of the next key.

    Args:
        count: How many there are.
        shelf: What lies below any other prefix; S3 only.
    """

    def __init__(self, count: int, shelf: Shelf) -> None:
        self._count = count
        self._shelf = shelf
        self._pages: dict[tuple[str, range], bytes] = {}

    def s3(self, query: Mapping[str, str]) -> Reply:
        """Answer one ListObjectsV2 request."""
        if query.get("prefix") != LIST_PREFIX:
            return self._s3_shelf(query)
        wanted, size = self._wanted(query, ("continuation-token", "max-keys"), _PAGE_KEYS)
        head = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>{BUCKET}</Name><Prefix>{query.get('prefix', '')}</Prefix>"
            f"<KeyCount>{len(wanted)}</KeyCount><MaxKeys>{size}</MaxKeys>"
            f"<IsTruncated>{'true' if self._next(wanted) else 'false'}</IsTruncated>"
        )
        if "delimiter" in query:
            head += f"<Delimiter>{query['delimiter']}</Delimiter>"
        if query.get("encoding-type") == "url":
            head += "<EncodingType>url</EncodingType>"
        if self._next(wanted):
            head += f"<NextContinuationToken>{wanted.stop}</NextContinuationToken>"
        entries = self._page("s3", wanted, lambda page: b"".join(map(_s3_entry, page)))
        return _xml(head.encode() + entries + b"</ListBucketResult>")

    def _s3_shelf(self, query: Mapping[str, str]) -> Reply:
        """Answer for objects that exist; a token is the key before. No delimiter is obeyed."""
        prefix, most = query.get("prefix", ""), int(query.get("max-keys") or _PAGE_KEYS)
        after = query.get("continuation-token") or query.get("start-after") or ""
        page = self._shelf.page(prefix, after, min(most, _PAGE_KEYS) + 1)
        is_truncated, page = len(page) > most, page[:most]
        token = f"<NextContinuationToken>{page[-1][0]}</NextContinuationToken>" if page else ""
        head = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>{BUCKET}</Name><Prefix>{prefix}</Prefix><KeyCount>{len(page)}</KeyCount>"
            f"<MaxKeys>{most}</MaxKeys><IsTruncated>{str(is_truncated).lower()}</IsTruncated>"
            + (token if is_truncated else "")
        )
        entries = "".join(
            f"<Contents><Key>{key}</Key><LastModified>2026-11-24T10:00:00.000Z</LastModified>"
            f"<ETag>{stored.etag.replace(_QUOTE, '&quot;')}</ETag><Size>{stored.size}</Size>"
            "<StorageClass>STANDARD</StorageClass></Contents>"
            for key, stored in page
        )
        return _xml(f"{head}{entries}</ListBucketResult>".encode())

    def gcs(self, query: Mapping[str, str]) -> Reply:
        """Answer one objects.list request of the JSON API; `fields` of the items are obeyed."""
        wanted, _ = self._wanted(query, ("pageToken", "maxResults"), _PAGE_KEYS)
        match = _FIELDS.search(query.get("fields", ""))
        fields = "" if match is None else match[1]

        def write(page: range) -> bytes:
            only = set(fields.split(",")) if fields else None
            return json.dumps([_gcs_entry(index, only) for index in page]).encode()

        head = b'{"kind": "storage#objects", '
        if self._next(wanted):
            head += b'"nextPageToken": "%d", ' % wanted.stop
        items = b'"items": ' + self._page(f"gcs {fields}", wanted, write) if wanted else b'"_": 0'
        return Reply(200, head + items + b"}", {"content-type": "application/json; charset=UTF-8"})

    def azure(self, query: Mapping[str, str]) -> Reply:
        """Answer one List Blobs request."""
        wanted, size = self._wanted(query, ("marker", "maxresults"), _AZURE_PAGE_KEYS)
        head = (
            '<?xml version="1.0" encoding="utf-8"?><EnumerationResults '
            f'ServiceEndpoint="http://127.0.0.1/" ContainerName="{BUCKET}">'
            f"<Prefix>{query.get('prefix', '')}</Prefix><MaxResults>{size}</MaxResults><Blobs>"
        )
        entries = self._page("azure", wanted, lambda page: b"".join(map(_azure_entry, page)))
        if "delimiter" in query and query.get("prefix", "") == LIST_PREFIX.rstrip("/"):
            entries = f"<BlobPrefix><Name>{LIST_PREFIX}</Name></BlobPrefix>".encode()
        marker = str(wanted.stop) if self._next(wanted) else ""
        tail = f"</Blobs><NextMarker>{marker}</NextMarker></EnumerationResults>"
        return _xml(head.encode() + entries + tail.encode())

    def _wanted(
        self, query: Mapping[str, str], names: tuple[str, str], most: int
    ) -> tuple[range, int]:
        """Return the numbers of the keys of a page, and how many it may have."""
        token, limit = names
        start = int(query.get(token) or 0)
        size = min(int(query.get(limit) or most), most)
        if query.get("prefix") != LIST_PREFIX:
            return range(0), size
        return range(start, min(start + size, self._count)), size

    def _next(self, wanted: range) -> bool:
        """Tell if more keys come after a page."""
        return bool(wanted) and wanted.stop < self._count

    def _page(self, kind: str, wanted: range, write: _Write) -> bytes:
        found = self._pages.get((kind, wanted))
        if found is None:
            found = self._pages[kind, wanted] = write(wanted)
        return found


def _name(index: int) -> str:
    return f"{LIST_PREFIX}shard-{index:08}.bin"


def _time(index: int) -> datetime:
    """Return another time for each object, as one upload after the other leaves them."""
    return _FIRST_TIME + timedelta(milliseconds=730 * index)


def _base64(index: int, size: int) -> str:
    return base64.b64encode(index.to_bytes(size, "big")).decode()


def _s3_entry(index: int) -> bytes:
    """Write an object as S3 does, with the checksum fields that uploads by an SDK have."""
    return (
        f"<Contents><Key>{_name(index)}</Key>"
        "<LastModified>2026-11-24T17:50:30.000Z</LastModified>"
        f"<ETag>&quot;{index:032x}&quot;</ETag>"
        "<ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>"
        f"<Size>{list_size(index)}</Size><StorageClass>STANDARD</StorageClass></Contents>"
    ).encode()


def _gcs_entry(index: int, only: set[str] | None) -> dict[str, str]:
    """Describe an object as its resource does, with `only` these fields if they are given."""
    name, generation = _name(index), f"{1764000000000000 + index}"
    time = _time(index).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    link = f"https://www.googleapis.com/storage/v1/b/{BUCKET}/o/{name.replace('/', '%2F')}"
    entry = {
        "kind": "storage#object",
        "id": f"{BUCKET}/{name}/{generation}",
        "selfLink": link,
        "mediaLink": f"{link}?generation={generation}&alt=media",
        "name": name,
        "bucket": BUCKET,
        "generation": generation,
        "metageneration": "1",
        "contentType": "application/octet-stream",
        "storageClass": "STANDARD",
        "size": str(list_size(index)),
        "md5Hash": _base64(index, 16),
        "crc32c": _base64(index, 4),
        "etag": f"CJ{index:010}EAE=",
        "timeCreated": time,
        "updated": time,
        "timeStorageClassUpdated": time,
    }
    return entry if only is None else {key: entry[key] for key in entry if key in only}


def _azure_entry(index: int) -> bytes:
    """Write a block blob as a storage account of general purpose does."""
    time = format_datetime(_time(index), usegmt=True)
    return (
        f"<Blob><Name>{_name(index)}</Name><Properties>"
        f"<Creation-Time>{time}</Creation-Time><Last-Modified>{time}</Last-Modified>"
        f"<Etag>0x8DE{index:012X}</Etag><Content-Length>{list_size(index)}</Content-Length>"
        "<Content-Type>application/octet-stream</Content-Type><Content-Encoding />"
        f"<Content-Language /><Content-CRC64 /><Content-MD5>{_base64(index, 16)}</Content-MD5>"
        "<Cache-Control /><Content-Disposition /><BlobType>BlockBlob</BlobType>"
        "<AccessTier>Hot</AccessTier><AccessTierInferred>true</AccessTierInferred>"
        "<LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState>"
        "<ServerEncrypted>true</ServerEncrypted></Properties><OrMetadata /></Blob>"
    ).encode()


def _xml(body: bytes) -> Reply:
    return Reply(200, body, {"content-type": "application/xml"})
