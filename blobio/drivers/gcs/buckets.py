"""All buckets of a project: buckets.list of the JSON API, page by page.

https://cloud.google.com/storage/docs/json_api/v1/buckets/list, read 2026-11-28: the project must be
named, and a page may be short or empty though more follows.
"""

from __future__ import annotations

from typing import Final, final

from blobio.drivers.buckets import BucketEntry, BucketPage
from blobio.drivers.describing import Whereabouts
from blobio.drivers.gcs.addressing import query_string, service_url
from blobio.drivers.gcs.auth import GoogleSigner, check_privacy
from blobio.drivers.gcs.errors import raise_for
from blobio.drivers.gcs.judge import judge
from blobio.drivers.gcs.resource import parse, time_of
from blobio.drivers.registry import DriverServices
from blobio.errors import InvalidConfig, RequestFailed
from blobio.transport.message import Request

__all__ = ["GcsBuckets"]

_PAGE: Final = 1000
_SUBJECT: Final = "gs://"


@final
class GcsBuckets:
    """Lists buckets; see `blobio.drivers.buckets.Buckets`.

    Args:
        services: What the context lends.

    Raises:
        InvalidConfig: A token would travel in the open.
    """

    def __init__(self, services: DriverServices) -> None:
        config = services.config.gcs
        self._base, is_private = service_url(config.endpoint_url)
        check_privacy(config, is_private=is_private, base=self._base)
        self._signer = GoogleSigner(config, services.config.http)
        self._transport = services.connect(signer=self._signer, judge=judge)

    async def page(self, token: str | None) -> BucketPage:
        """List one page: 1 GET, after what it takes to learn the project from the credentials."""
        project = await self._signer.project()
        if project is None:
            message = (
                "gs:// lists the buckets of a project, and none is known: set "
                "GOOGLE_CLOUD_PROJECT, or name it with GcsConfig(project=...)"
            )
            raise InvalidConfig(message, operation="list")
        pairs = [
            *(("project", project), ("maxResults", str(_PAGE))),
            ("fields", "nextPageToken,items(name,timeCreated)"),
        ]
        if token is not None:
            pairs.append(("pageToken", token))
        url = f"{self._base}/storage/v1/b?{query_string(pairs)}"
        request = Request(method="GET", url=url, operation="list", subject=_SUBJECT)
        response = await self._transport.send(request)
        raise_for(response, operation="list", subject=_SUBJECT)
        reply = parse(response.body, _SUBJECT, "list")
        items = reply.get("items", [])
        if not isinstance(items, list):
            message = "list of gs://: 'items' of the reply is no list"
            raise RequestFailed(message, url=_SUBJECT, operation="list")
        following = reply.get("nextPageToken")
        return BucketPage(
            entries=[entry for item in items if (entry := _entry(item)) is not None],
            token=following if isinstance(following, str) and following else None,
        )

    async def whereabouts(self) -> Whereabouts:
        """See `blobio.drivers.describing.Describes`."""
        return Whereabouts(endpoint=self._base)

    async def credential_source(self) -> str:
        """See `blobio.drivers.describing.Describes`."""
        return await self._signer.source()

    async def aclose(self) -> None:
        """Release what this owns."""
        await self._signer.aclose()
        await self._transport.aclose()


def _entry(item: object) -> BucketEntry | None:
    name = item.get("name") if isinstance(item, dict) else None
    if not isinstance(item, dict) or not isinstance(name, str) or not name:
        return None
    created = item.get("timeCreated")
    time = time_of(created) if isinstance(created, str) else None
    return BucketEntry(name=name, url=f"gs://{name}/", time=time or None)
