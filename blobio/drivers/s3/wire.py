"""Build the requests for single objects; listings, deletes and uploads have own modules. Pure.

Every request here is idempotent in the sense of the transport: sent twice it has the effect of
once, or, for conditional writes, `writing` reconciles what the store then says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from blobio.config import S3Config
from blobio.drivers.s3 import headers as h
from blobio.drivers.s3.addressing import Endpoint, quote_key
from blobio.transport.message import Request
from blobio.transport.ranges import range_header
from blobio.values import Body, GetOptions, PutOptions, Version, WriteMode

__all__ = ["CopyPlan", "Wire"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class CopyPlan:
    """A copy, as its request needs it.

    Attributes:
        source_bucket: Bucket of the source.
        source_key: Key of the source.
        source_version: Copy this version or fail with 412; None for whatever is there.
        mode: Condition on the destination.
        replacement: All headers of content type and metadata of the copy; None keeps the source's.
    """

    source_bucket: str
    source_key: str
    source_version: Version | None = None
    mode: WriteMode
    replacement: Mapping[str, str] | None = None


@final
@dataclass(frozen=True, slots=True)
class Wire:
    """Makes the requests for objects of one bucket.

    Attributes:
        bucket: Name of the bucket.
        endpoint: Where it is.
        config: The settings.
    """

    bucket: str
    endpoint: Endpoint
    config: S3Config

    def subject(self, key: str) -> str:
        """Return the URL of `key` as the user writes it."""
        return f"s3://{self.bucket}/{key}"

    def head(self, key: str, version: Version | None = None) -> Request:
        """HeadObject."""
        return Request(
            method="HEAD",
            url=self.endpoint.object_url(key),
            headers=h.read_keys(self.config) | _if_match(version),
            operation="head",
            subject=self.subject(key),
        )

    def get(self, key: str, options: GetOptions) -> Request:
        """GetObject, its body left on the socket."""
        headers = h.read_keys(self.config) | _if_match(options.version)
        if options.range is not None:
            headers["range"] = range_header(options.range)
        return Request(
            method="GET",
            url=self.endpoint.object_url(key),
            headers=headers,
            stream=True,
            operation="get",
            subject=self.subject(key),
        )

    def put(
        self,
        key: str,
        body: Body,
        options: PutOptions,
        checks: Mapping[str, str],
        token: str | None,
    ) -> Request:
        """PutObject.

        Args:
            key: Where to.
            body: All bytes.
            options: Condition, type and metadata.
            checks: What `headers.body_checks` gave for `body`.
            token: The write token of a conditional write.
        """
        return Request(
            method="PUT",
            url=self.endpoint.object_url(key),
            headers=(
                h.new_object(self.config)
                | self.description(options, token)
                | h.conditions(options.mode)
                | dict(checks)
            ),
            body=body,
            operation="put",
            subject=self.subject(key),
        )

    def description(self, options: PutOptions, token: str | None) -> dict[str, str]:
        """Return content type and metadata headers of a new object."""
        headers = h.metadata_headers(options.metadata, token)
        if options.content_type is not None:
            headers["content-type"] = options.content_type
        return headers

    def delete(self, key: str) -> Request:
        """DeleteObject. A key that is not there is deleted all the same."""
        return Request(
            method="DELETE",
            url=self.endpoint.object_url(key),
            headers=_payer(self.config),
            operation="delete",
            subject=self.subject(key),
        )

    def copy(self, key: str, plan: CopyPlan, operation: str = "copy") -> Request:
        """CopyObject."""
        headers = (
            h.new_object(self.config)
            | self.copy_source(plan)
            | h.conditions(plan.mode)
            | h.encryption(self.config, copy_source=True)
        )
        if plan.replacement is not None:
            headers |= plan.replacement
            headers["x-amz-metadata-directive"] = "REPLACE"
        return Request(
            method="PUT",
            url=self.endpoint.object_url(key),
            headers=headers,
            operation=operation,
            subject=self.subject(key),
        )

    def copy_source(self, plan: CopyPlan) -> dict[str, str]:
        """Return the headers that name the source of a copy and pin it."""
        headers = {"x-amz-copy-source": f"{plan.source_bucket}/{quote_key(plan.source_key)}"}
        if plan.source_version is not None:
            headers["x-amz-copy-source-if-match"] = str(plan.source_version)
        return headers


def _if_match(version: Version | None) -> dict[str, str]:
    return {} if version is None else {"if-match": str(version)}


def _payer(config: S3Config) -> dict[str, str]:
    return {"x-amz-request-payer": "requester"} if config.requester_pays else {}
