"""Signed URLs: a service SAS where there is a key, a user-delegation SAS where there are tokens.

`azure-storage-blob` writes the signature; the key for a user-delegation SAS is asked for here,
through our own transport.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, final

from blobio.drivers import markup
from blobio.drivers.azure.container import Container
from blobio.drivers.azure.errors import raise_for
from blobio.drivers.azure.place import API_VERSION
from blobio.drivers.azure.settings import Anonymous, Sas
from blobio.drivers.azure.sharedkey import SharedKey
from blobio.errors import Unsupported
from blobio.transport.message import Request
from blobio.values import SignedUrl

if TYPE_CHECKING:
    from azure.storage.blob import UserDelegationKey

__all__ = ["MAX_DELEGATED_S", "UrlSigner"]

MAX_DELEGATED_S: Final = 7 * 86_400
"""https://learn.microsoft.com/rest/api/storageservices/get-user-delegation-key, read 2026-11-27."""

_PERMISSIONS: Final = {"GET": "r", "HEAD": "r", "PUT": "cw", "DELETE": "d"}
_KEY_MARGIN_S: Final = 900.0  # clocks differ
_KEY_FIELDS: Final = {
    "SignedOid": "signed_oid",
    "SignedTid": "signed_tid",
    "SignedStart": "signed_start",
    "SignedExpiry": "signed_expiry",
    "SignedService": "signed_service",
    "SignedVersion": "signed_version",
    "Value": "value",
}


@final
class UrlSigner:
    """Makes URLs of one container that work without credentials.

    Args:
        container: The container.
    """

    def __init__(self, container: Container) -> None:
        self._container = container
        self._delegated: tuple[UserDelegationKey, float] | None = None
        self._lock = asyncio.Lock()

    async def sign(self, key: str, method: str, expires_s: float) -> SignedUrl:
        """Return a URL that lets its holder `method` this key: no request, or 1 POST for a key.

        Raises:
            Unsupported: The settings hold a SAS token, which cannot make another one.
        """
        url = self._container.place.blob_url(key)
        access = self._container.signer.access
        if isinstance(access, Anonymous):
            return SignedUrl(url=url, expires_at=None)
        if isinstance(access, Sas):
            message = (
                f"a SAS token cannot sign another URL ({self._container.subject(key)}): that "
                "takes the account's key or a token credential"
            )
            raise Unsupported(message, operation="sign_url")
        expires_at = float(int(self._container.signer.now() + expires_s))
        by: str | UserDelegationKey
        if isinstance(access, SharedKey):
            by = access.key
        else:
            by, until = await self._delegated_key(expires_at)
            expires_at = min(expires_at, until)  # the signature ends with the key
        query = await asyncio.to_thread(self._signature, key, _PERMISSIONS[method], expires_at, by)
        headers = {"x-ms-blob-type": "BlockBlob"} if method == "PUT" else {}
        return SignedUrl(url=f"{url}?{query}", expires_at=expires_at, headers=headers)

    def _signature(
        self, key: str, permission: str, expires_at: float, by: str | UserDelegationKey
    ) -> str:
        from azure.storage.blob import generate_blob_sas

        place = self._container.place
        return generate_blob_sas(
            place.account,
            place.container,
            key,
            account_key=by if isinstance(by, str) else None,
            user_delegation_key=None if isinstance(by, str) else by,
            permission=permission,
            expiry=datetime.fromtimestamp(expires_at, UTC),
            protocol="https" if place.endpoint.startswith("https:") else None,
        )

    async def _delegated_key(self, until: float) -> tuple[UserDelegationKey, float]:
        """Return a key that signs for the identity of the token, and its end: `until` or later."""
        async with self._lock:
            if self._delegated is not None and self._delegated[1] >= until:
                return self._delegated
            now = self._container.signer.now()
            expiry = float(int(min(until + 3600, now + MAX_DELEGATED_S - 60)))
            self._delegated = (await self._ask_for_key(now - _KEY_MARGIN_S, expiry), expiry)
            return self._delegated

    async def _ask_for_key(self, start: float, expiry: float) -> UserDelegationKey:
        from azure.storage.blob import UserDelegationKey

        body = (
            '<?xml version="1.0" encoding="utf-8"?><KeyInfo>'
            f"<Start>{_iso(start)}</Start><Expiry>{_iso(expiry)}</Expiry></KeyInfo>"
        ).encode()
        place = self._container.place
        subject = place.subject("")
        request = Request(
            method="POST",
            url=f"{place.endpoint}/?restype=service&comp=userdelegationkey",
            headers={"x-ms-version": API_VERSION, "content-type": "application/xml"},
            body=body,
            operation="sign_url",
            subject=subject,
        )
        response = await self._container.send(request)
        raise_for(response, operation="sign_url", subject=subject)
        root = markup.parse(response.body, "UserDelegationKey", subject)
        key = UserDelegationKey()  # type: ignore[no-untyped-call]  # the SDK annotates it not
        for element, attribute in _KEY_FIELDS.items():
            setattr(key, attribute, markup.child(root, element))
        return key


def _iso(time: float) -> str:
    return datetime.fromtimestamp(int(time), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
