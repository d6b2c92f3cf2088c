"""All buckets that the credentials own: ListBuckets, page by page.

Accounts with a quota above 10,000 buckets must ask for pages
(https://docs.aws.amazon.com/sdkfornet/v3/apidocs/items/S3/TListBucketsRequest.html, read
2026-11-28). Stores that know no pages ignore the question and send all.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Final, final

from blobio.drivers.buckets import BucketEntry, BucketPage
from blobio.drivers.describing import Whereabouts
from blobio.drivers.markup import child, children, parse
from blobio.drivers.registry import DriverServices
from blobio.drivers.s3 import settings
from blobio.drivers.s3.addressing import DEFAULT_REGION, query_string, service_url
from blobio.drivers.s3.auth import S3Signer
from blobio.drivers.s3.errors import raise_for
from blobio.drivers.s3.judge import judge
from blobio.transport.message import Request

__all__ = ["S3Buckets"]

_PAGE: Final = 1000
_SUBJECT: Final = "s3://"


@final
class S3Buckets:
    """Lists buckets; see `blobio.drivers.buckets.Buckets`.

    Args:
        services: What the context lends.
    """

    def __init__(self, services: DriverServices) -> None:
        self._config = services.config.s3
        self._signer = S3Signer(self._config)
        self._transport = services.connect(signer=self._signer, judge=judge)
        self._base: str | None = None

    async def page(self, token: str | None) -> BucketPage:
        """List one page: 1 GET."""
        pairs = [("max-buckets", str(_PAGE))]
        if token is not None:
            pairs.append(("continuation-token", token))
        request = Request(
            method="GET",
            url=f"{await self._service()}/?{query_string(sorted(pairs))}",
            operation="list",
            subject=_SUBJECT,
        )
        response = await self._transport.send(request)
        raise_for(response, operation="list", subject=_SUBJECT)
        root = parse(response.body, "ListAllMyBucketsResult", _SUBJECT)
        entries = [
            BucketEntry(name=name, url=f"s3://{name}/", time=_time(child(one, "CreationDate")))
            for group in children(root, "Buckets")
            for one in children(group, "Bucket")
            if (name := child(one, "Name"))
        ]
        return BucketPage(entries=entries, token=child(root, "ContinuationToken") or None)

    async def whereabouts(self) -> Whereabouts:
        """See `blobio.drivers.describing.Describes`."""
        base = await self._service()
        return Whereabouts(endpoint=base, place={"region": self._signer.region})

    async def credential_source(self) -> str:
        """See `blobio.drivers.describing.Describes`."""
        return await self._signer.source()

    async def aclose(self) -> None:
        """Release what this owns."""
        await self._signer.aclose()
        await self._transport.aclose()

    async def _service(self) -> str:
        if self._base is None:
            place = await asyncio.to_thread(settings.look_up, self._config)
            region = place.region or DEFAULT_REGION
            self._base = service_url(place.endpoint_url, region, settings.dns_suffix)
            self._signer.region = region
        return self._base


def _time(text: str | None) -> float | None:
    try:
        time = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
