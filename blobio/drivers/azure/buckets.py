"""The containers of an account: List Containers, page by page; and the accounts of the settings.

https://learn.microsoft.com/rest/api/storageservices/list-containers2, read 2026-11-28.
"""

from __future__ import annotations

from typing import Final, final

from blobio.config import AzureConfig
from blobio.drivers.azure.auth import AzureSigner
from blobio.drivers.azure.container import Container
from blobio.drivers.azure.errors import raise_for
from blobio.drivers.azure.judge import judge
from blobio.drivers.azure.place import API_VERSION, locate, query_string
from blobio.drivers.azure.settings import accounts_of, endpoint_of
from blobio.drivers.buckets import BucketEntry, BucketPage
from blobio.drivers.dates import http_time
from blobio.drivers.describing import Whereabouts
from blobio.drivers.markup import Element, child, children, parse
from blobio.drivers.registry import DriverServices
from blobio.errors import InvalidConfig
from blobio.transport.message import Request

__all__ = ["AzureAccounts", "AzureContainers"]

_PAGE: Final = 1000
_ANY_CONTAINER: Final = "$root"  # a name that is always possible; requests do not hold it


@final
class AzureAccounts:
    """Lists the accounts that the settings name: Azure Storage itself has no list of them."""

    def __init__(self, config: AzureConfig) -> None:
        self._config = config

    async def page(self, token: str | None) -> BucketPage:
        """List them all; no request.

        Raises:
            InvalidConfig: There are none.
        """
        del token
        names = accounts_of(self._config)
        if not names:
            message = (
                "az:// lists the accounts that are configured, and none is: write az://account, or "
                "set AZURE_STORAGE_ACCOUNT or AZURE_STORAGE_CONNECTION_STRING"
            )
            raise InvalidConfig(message, operation="list")
        return BucketPage(entries=[BucketEntry(name=name, url=f"az://{name}/") for name in names])

    async def aclose(self) -> None:
        """Do nothing: it owns nothing."""


@final
class AzureContainers:
    """Lists the containers of an account; see `blobio.drivers.buckets.Buckets`.

    Args:
        account: Its name.
        services: What the context lends.
    """

    def __init__(self, account: str, services: DriverServices) -> None:
        config = services.config.azure.for_container(account, "")
        place = locate(account, _ANY_CONTAINER, endpoint_of(config, account))
        signer = AzureSigner(config, account)
        transport = services.connect(signer=signer, judge=judge)
        self._account = account
        self._container = Container(place, config, signer, transport)

    async def page(self, token: str | None) -> BucketPage:
        """List one page: 1 GET."""
        pairs = [("comp", "list"), ("maxresults", str(_PAGE))]
        if token is not None:
            pairs.append(("marker", token))
        subject = f"az://{self._account}"
        request = Request(
            method="GET",
            url=f"{self._container.place.endpoint}/?{query_string(pairs)}",
            headers={"x-ms-version": API_VERSION},
            operation="list",
            subject=subject,
        )
        response = await self._container.send(request)
        raise_for(response, operation="list", subject=subject)
        root = parse(response.body, "EnumerationResults", subject)
        found = [one for group in children(root, "Containers") for one in group]
        entries = [entry for one in found if (entry := self._entry(one)) is not None]
        return BucketPage(entries=entries, token=child(root, "NextMarker") or None)

    def _entry(self, element: Element) -> BucketEntry | None:
        name = child(element, "Name")
        if not name:
            return None
        modified = (child(one, "Last-Modified") for one in children(element, "Properties"))
        return BucketEntry(
            name=name,
            url=f"az://{self._account}/{name}/",
            time=http_time(next(modified, None)) or None,
        )

    async def whereabouts(self) -> Whereabouts:
        """See `blobio.drivers.describing.Describes`."""
        endpoint = self._container.place.endpoint
        return Whereabouts(endpoint=endpoint, place={"account": self._account})

    async def credential_source(self) -> str:
        """See `blobio.drivers.describing.Describes`."""
        return await self._container.signer.source()

    async def aclose(self) -> None:
        """Release what this owns."""
        await self._container.aclose()
