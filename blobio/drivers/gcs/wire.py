"""Build the requests of the JSON API. Pure.

Unless said otherwise a request is idempotent in the sense of the transport: sent twice it has the
effect of once, or, for conditional writes, `writing` reconciles what the store then says.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, final

from blobio import checksum
from blobio.config import GcsConfig
from blobio.drivers.gcs import resource as r
from blobio.drivers.gcs.addressing import Endpoint, check_key, query_string
from blobio.transport.message import Request
from blobio.transport.ranges import range_header
from blobio.values import Body, GetOptions, PutOptions, Version, WriteMode

__all__ = ["Component", "Wire"]

_JSON: Final = {"content-type": "application/json; charset=UTF-8"}
_OCTETS: Final = "application/octet-stream"


@final
@dataclass(frozen=True, slots=True)
class Component:
    """An object that is to become a piece of another.

    Attributes:
        key: Its key.
        generation: Its generation.
        size: Its size in bytes.
        crc32c: Its CRC32C.
    """

    key: str
    generation: str
    size: int
    crc32c: int


@final
@dataclass(frozen=True, slots=True)
class Wire:
    """Makes the requests for objects of one bucket.

    Attributes:
        endpoint: Where it is.
        config: The settings.
    """

    endpoint: Endpoint
    config: GcsConfig

    def subject(self, key: str) -> str:
        """Return the URL of `key` as the user writes it."""
        return f"gs://{self.endpoint.bucket}/{key}"

    def head(
        self, key: str, version: Version | None = None, *, all_fields: bool = False
    ) -> Request:
        """objects.get of the resource."""
        pairs = self._generation(key, version, "head")
        if not all_fields:
            pairs.append(("fields", r.FIELDS))
        return self._request("GET", self.endpoint.object_url(key, query_string(pairs)), "head", key)

    def get(self, key: str, options: GetOptions) -> Request:
        """objects.get of the bytes, left on the socket.

        Asking for gzip keeps the store from unpacking what was stored packed, which would leave
        the reply without a length and ranges without a meaning:
        https://docs.cloud.google.com/storage/docs/transcoding, read 2026-11-27.
        """
        pairs = [("alt", "media"), *self._generation(key, options.version, "get")]
        headers = {**self.payer(), "accept-encoding": "gzip"}
        if options.range is not None:
            headers["range"] = range_header(options.range)
        return Request(
            method="GET",
            url=self.endpoint.object_url(key, query_string(pairs)),
            headers=headers,
            stream=True,
            operation="get",
            subject=self.subject(key),
        )

    def put(
        self, key: str, body: Body, options: PutOptions, token: str | None, crc32c: int
    ) -> Request:
        """objects.insert in one request: the resource, with the checksum of the bytes, then these.

        The boundary is random, so that no content can end its part early.
        """
        described = self.described(key, options, token)
        described["crc32c"] = checksum.to_base64(crc32c)
        boundary = secrets.token_hex(16)
        kind = options.content_type or _OCTETS
        start = (
            f"--{boundary}\r\ncontent-type: application/json; charset=UTF-8\r\n\r\n"
            f"{json.dumps(described)}\r\n--{boundary}\r\ncontent-type: {kind}\r\n\r\n"
        ).encode()
        return Request(
            method="POST",
            url=self.endpoint.upload_url(self._insert_query("multipart", key, options.mode)),
            headers={
                **self.payer(),
                "content-type": f"multipart/related; boundary={boundary}",
            },
            before=start,
            body=body,
            after=f"\r\n--{boundary}--\r\n".encode(),
            operation="put",
            subject=self.subject(key),
        )

    def begin_session(
        self, key: str, options: PutOptions, token: str | None, crc32c: int | None
    ) -> Request:
        """objects.insert of a resource whose bytes follow in a resumable session.

        Sent twice it leaves a second session that nobody uses, and which ends by itself.
        """
        described = self.described(key, options, token)
        if crc32c is not None:
            described["crc32c"] = checksum.to_base64(crc32c)
        headers = {**self.payer(), **_JSON, "x-upload-content-type": _OCTETS}
        if options.content_type is not None:
            headers["x-upload-content-type"] = options.content_type
        return Request(
            method="POST",
            url=self.endpoint.upload_url(self._insert_query("resumable", key, options.mode)),
            headers=headers,
            body=json.dumps(described).encode(),
            operation="put",
            subject=self.subject(key),
            kind="BEGIN",
        )

    def session(
        self, method: str, upload_id: str, key: str, content_range: str = "", body: Body = b""
    ) -> Request:
        """Send to a resumable session: bytes, the question how far it is, or its end (DELETE).

        Bytes are not sent again by the transport: what has arrived has to be asked for before.
        """
        pairs = [("uploadType", "resumable"), ("name", key), ("upload_id", upload_id)]
        headers = self.payer()
        if content_range:
            headers["content-range"] = content_range
        return Request(
            method=method,
            url=self.endpoint.upload_url(query_string(pairs)),
            headers=headers,
            body=body,
            idempotent=not len(body),
            operation="put",
            subject=self.subject(key),
            kind="PART",
        )

    def compose(
        self,
        key: str,
        sources: Sequence[Component],
        options: PutOptions,
        token: str | None,
    ) -> Request:
        """objects.compose, each source pinned to its generation and deleted in the same step.

        So it is neither kept by soft delete or versioning nor billed for being deleted early:
        https://docs.cloud.google.com/storage/docs/composing-objects, read 2026-11-27.
        """
        described = self.described(key, options, token)
        del described["name"]
        described.setdefault("contentType", _OCTETS)
        body = {
            "sourceObjects": [
                {
                    "name": one.key,
                    "generation": one.generation,
                    "objectPreconditions": {"ifGenerationMatch": one.generation},
                }
                for one in sources
            ],
            "destination": described,
            "deleteSourceObjects": True,
        }
        pairs = [*r.conditions(options.mode, "put", self.subject(key)), *self._kms("kmsKeyName")]
        url = self.endpoint.object_url(key, query_string(pairs), "/compose")
        return replace(self._request("POST", url, "put", key, body), kind="COMMIT")

    def rewrite(
        self,
        source: tuple[str, str, str],
        key: str,
        mode: WriteMode,
        described: Mapping[str, object] | None,
        token: str | None,
    ) -> Request:
        """objects.rewrite, one step of it.

        Args:
            source: Bucket, key and generation to copy.
            key: The key of the copy.
            mode: Its condition.
            described: Its resource; None for that of the source, which an empty body asks for.
            token: What the step before returned as `rewriteToken`; None for the first step.
        """
        bucket, source_key, generation = source
        pairs = [("sourceGeneration", generation), *r.conditions(mode, "copy", self.subject(key))]
        pairs += self._kms("destinationKmsKeyName")
        if token is not None:
            pairs.append(("rewriteToken", token))
        origin = Endpoint(self.endpoint.base, bucket)
        action = f"/rewriteTo{self.endpoint.object_path(key).removeprefix('/storage/v1')}"
        url = origin.object_url(source_key, query_string(pairs), action)
        return self._request("POST", url, "copy", key, described)

    def patch(self, key: str, change: Mapping[str, object], generation: str, meta: str) -> Request:
        """objects.patch of this generation in this state of its metadata."""
        pairs = [("ifGenerationMatch", generation), ("ifMetagenerationMatch", meta)]
        pairs = [pair for pair in pairs if pair[1]]
        url = self.endpoint.object_url(key, query_string(pairs))
        return self._request("PATCH", url, "patch", key, change)

    def delete(self, key: str, generation: str | None = None) -> Request:
        """objects.delete, of this generation if it is given."""
        pairs = [] if generation is None else [("ifGenerationMatch", generation)]
        return self._request(
            "DELETE", self.endpoint.object_url(key, query_string(pairs)), "delete", key
        )

    def delete_generation(self, key: str, generation: str) -> Request:
        """objects.delete of one generation, the current one or an old one, for good."""
        url = self.endpoint.object_url(key, query_string([("generation", generation)]))
        return self._request("DELETE", url, "delete", key)

    def page(self, prefix: str, query: str) -> Request:
        """objects.list."""
        return self._request("GET", self.endpoint.list_url(query), "list", prefix)

    def described(self, key: str, options: PutOptions, token: str | None) -> dict[str, object]:
        """Return the resource of a new object."""
        check_key(key)
        described: dict[str, object] = {"name": key}
        metadata = r.new_metadata(options.metadata, token)
        if metadata:
            described["metadata"] = metadata
        if options.content_type is not None:
            described["contentType"] = options.content_type
        if self.config.storage_class is not None:
            described["storageClass"] = self.config.storage_class
        return described

    def _insert_query(self, kind: str, key: str, mode: WriteMode) -> str:
        pairs = [("uploadType", kind), ("name", key)]
        pairs += r.conditions(mode, "put", self.subject(key))
        return query_string([*pairs, *self._kms("kmsKeyName")])

    def _generation(
        self, key: str, version: Version | None, operation: str
    ) -> list[tuple[str, str]]:
        if version is None:
            return []
        return [("generation", r.generation_of(version, operation, self.subject(key)))]

    def _kms(self, name: str) -> list[tuple[str, str]]:
        return [(name, self.config.kms_key_name)] if self.config.kms_key_name else []

    def payer(self) -> dict[str, str]:
        """Return the header that says who pays, if the settings name a project."""
        project = self.config.user_project
        return {} if project is None else {"x-goog-user-project": project}

    def _request(
        self,
        method: str,
        url: str,
        operation: str,
        key: str,
        body: Mapping[str, object] | None = None,
    ) -> Request:
        return Request(
            method=method,
            url=url,
            headers=self.payer() if body is None else {**self.payer(), **_JSON},
            body=b"" if body is None else json.dumps(body).encode(),
            operation=operation,
            subject=self.subject(key),
        )
