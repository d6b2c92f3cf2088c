"""Build the requests for single blobs; listings, batches and copies have own modules. Pure.

Every request here is idempotent in the sense of the transport: sent twice it has the effect of
once, or, for conditional writes, `writing` reconciles what the store then says.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, final
from urllib.parse import quote

from blobio.drivers.azure import headers as h
from blobio.drivers.azure.place import API_VERSION, Place
from blobio.transport.message import Request
from blobio.transport.ranges import range_header
from blobio.values import Body, From, PutOptions, Range, Version, WriteMode

__all__ = ["MAX_BLOCKS", "Wire", "block_id"]

MAX_BLOCKS: Final = 50_000
_VERSIONED: Final = {"x-ms-version": API_VERSION}


def block_id(session: str, index: int) -> str:
    """Return the id of a block: base64, of one length for every block of every writer.

    The service wants equal lengths within a blob, those of unpublished blocks of others included,
    and at most 64 bytes before the encoding:
    https://learn.microsoft.com/rest/api/storageservices/put-block, read 2026-11-27.
    """
    return base64.b64encode(f"{session}-{index:06}".encode()).decode()


@final
@dataclass(frozen=True, slots=True)
class Wire:
    """Makes the requests for the blobs of one container.

    Attributes:
        place: Where the container is.
        access_tier: Tier of new blobs, or None.
    """

    place: Place
    access_tier: str | None = None

    def head(self, key: str, version: Version | None = None) -> Request:
        """Get Blob Properties."""
        return self.request("HEAD", key, headers=_if_match(version), operation="head")

    def get(self, key: str, wanted: Range | None, version: Version | None) -> Request:
        """Get Blob, its body left on the socket.

        A whole blob is asked for as a range too: only the reply to a range tells the size of the
        blob beside that of the body.
        """
        headers = {"x-ms-range": range_header(From(0) if wanted is None else wanted)}
        return Request(
            method="GET",
            url=self.place.blob_url(key),
            headers=_VERSIONED | headers | _if_match(version),
            stream=True,
            operation="get",
            subject=self.place.subject(key),
        )

    def put(
        self, key: str, body: Body, options: PutOptions, md5: str, token: str | None
    ) -> Request:
        """Put Blob.

        Args:
            key: Where to.
            body: All bytes.
            options: Condition, type and metadata.
            md5: Base64 MD5 of `body`: checked by the service, which then keeps it.
            token: The write token of a conditional write.
        """
        headers = {"x-ms-blob-type": "BlockBlob", "content-md5": md5}
        headers |= self.description(options, token) | h.conditions(options.mode)
        return self.request("PUT", key, headers=headers, body=body, operation="put")

    def description(self, options: PutOptions, token: str | None) -> dict[str, str]:
        """Return type, metadata and tier headers of a new blob."""
        headers = h.metadata_headers(options.metadata, token)
        if options.content_type is not None:
            headers["x-ms-blob-content-type"] = options.content_type
        if self.access_tier is not None:
            headers["x-ms-access-tier"] = self.access_tier
        return headers

    def put_block(self, key: str, block: str, body: Body, md5: str) -> Request:
        """Put Block: a block that nobody sees. It takes no condition."""
        query = f"comp=block&blockid={quote(block, safe='')}"
        headers = {"content-md5": md5}
        return self.request(
            "PUT", key, query, headers=headers, body=body, operation="put", kind="PART"
        )

    def put_block_list(
        self,
        key: str,
        blocks: Sequence[str],
        description: Mapping[str, str],
        mode: WriteMode,
        operation: str = "put",
    ) -> Request:
        """Put Block List: publish blocks, which must all be unpublished."""
        body = (
            '<?xml version="1.0" encoding="utf-8"?><BlockList>'
            + "".join([f"<Uncommitted>{block}</Uncommitted>" for block in blocks])
            + "</BlockList>"
        ).encode()
        headers = {
            "content-md5": h.content_md5(body),
            "content-type": "application/xml",
            **description,
            **h.conditions(mode),
        }
        return self.request(
            "PUT",
            key,
            "comp=blocklist",
            headers=headers,
            body=body,
            operation=operation,
            kind="COMMIT",
        )

    def delete(self, key: str, version: Version | None = None) -> Request:
        """Delete Blob, with its snapshots."""
        headers = {"x-ms-delete-snapshots": "include"} | _if_match(version)
        return self.request("DELETE", key, headers=headers, operation="delete")

    def set_metadata(self, key: str, metadata: Mapping[str, str], version: Version) -> Request:
        """Set Blob Metadata: all of it, if the blob is still `version`."""
        headers = dict(metadata) | _if_match(version)
        return self.request("PUT", key, "comp=metadata", headers=headers, operation="patch")

    def set_properties(self, key: str, properties: Mapping[str, str], version: Version) -> Request:
        """Set Blob Properties: all of them, if the blob is still `version`."""
        headers = dict(properties) | _if_match(version)
        return self.request("PUT", key, "comp=properties", headers=headers, operation="patch")

    def request(
        self,
        method: str,
        key: str,
        query: str = "",
        *,
        headers: Mapping[str, str],
        body: Body = b"",
        operation: str,
        kind: str = "",
    ) -> Request:
        """Return a request for `key` whose reply is read whole."""
        return Request(
            method=method,
            url=self.place.blob_url(key, query),
            headers={**_VERSIONED, **headers},
            body=body,
            operation=operation,
            subject=self.place.subject(key),
            kind=kind,
        )


def _if_match(version: Version | None) -> dict[str, str]:
    return {} if version is None else {"if-match": str(version)}
