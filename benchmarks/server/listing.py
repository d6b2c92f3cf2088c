"""ListObjectsV2 over keys that exist nowhere else; the entries are written out beforehand."""

from __future__ import annotations

from typing import Final, final

from benchmarks.data import LIST_PREFIX, list_size
from benchmarks.scale import BUCKET
from benchmarks.server.message import Reply

__all__ = ["Listing"]

_PAGE_KEYS: Final = 1000


def _entry(index: int) -> bytes:
    """Write an object as S3 does, with the checksum fields that uploads by an SDK have."""
    return (
        f"<Contents><Key>{LIST_PREFIX}shard-{index:08}.bin</Key>"
        "<LastModified>2026-11-24T17:50:30.000Z</LastModified>"
        f"<ETag>&quot;{index:032x}&quot;</ETag>"
        "<ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>"
        f"<Size>{list_size(index)}</Size><StorageClass>STANDARD</StorageClass></Contents>"
    ).encode()


@final
class Listing:
    """The keys below `LIST_PREFIX`, all on one level."""

    def __init__(self, count: int) -> None:
        self._entries = [_entry(index) for index in range(count)]

    def page(self, query: dict[str, str]) -> Reply:
        """Answer one ListObjectsV2 request; a token is the number of the next key."""
        prefix = query.get("prefix", "")
        start = int(query.get("continuation-token", "0"))
        size = min(int(query.get("max-keys", _PAGE_KEYS)), _PAGE_KEYS)
        entries = self._entries[start : start + size] if prefix == LIST_PREFIX else []
        following = start + len(entries)
        more = bool(entries) and following < len(self._entries)
        head = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>{BUCKET}</Name><Prefix>{prefix}</Prefix><KeyCount>{len(entries)}</KeyCount>"
            f"<MaxKeys>{size}</MaxKeys><IsTruncated>{'true' if more else 'false'}</IsTruncated>"
        )
        if "delimiter" in query:
            head += f"<Delimiter>{query['delimiter']}</Delimiter>"
        if query.get("encoding-type") == "url":
            head += "<EncodingType>url</EncodingType>"
        if more:
            head += f"<NextContinuationToken>{following}</NextContinuationToken>"
        body = b"".join([head.encode(), *entries, b"</ListBucketResult>"])
        return Reply(200, body, {"content-type": "application/xml"})
