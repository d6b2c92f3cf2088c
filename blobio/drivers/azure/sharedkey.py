"""Shared Key, the signature of Azure Storage. Pure; the date is an argument.

https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key, read 2026-11-27.
`azure-storage-blob` is the oracle of the tests.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import replace
from typing import Final, final
from urllib.parse import unquote, urlsplit

from blobio.errors import InvalidConfig
from blobio.transport.message import Request

__all__ = ["SharedKey", "string_to_sign"]

_SIGNED: Final = (
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
)
# The service compares header names as .NET does for people, not by their bytes: hyphens do not
# count, and `_` stands before digits and letters. Learnt from `azure-storage-blob`, whose table
# this agrees with for the characters that names can have.
_WEIGHT: Final = str.maketrans({"-": None, "_": "!"})


def string_to_sign(
    account: str, method: str, url: str, headers: Mapping[str, str], body_bytes: int
) -> str:
    """Return what Azure signs of a request.

    Args:
        account: The account whose key signs. For an emulator the path starts with its name too,
            which then stands twice in the text.
        method: HTTP method.
        url: As it is sent, escaped.
        headers: Names in lower case.
        body_bytes: Length of the body.
    """
    values = dict(headers)
    values["content-length"] = str(body_bytes) if body_bytes else ""
    lines = [method, *(values.get(name, "") for name in _SIGNED)]
    own = sorted((n for n in headers if n.startswith("x-ms-")), key=lambda n: n.translate(_WEIGHT))
    lines += [f"{name}:{headers[name]}" for name in own]
    parts = urlsplit(url)
    lines.append(f"/{account}{parts.path}")
    pairs = [pair.partition("=")[::2] for pair in parts.query.split("&") if pair]
    lines += [f"{unquote(name).lower()}:{unquote(value)}" for name, value in sorted(pairs)]
    return "\n".join(lines)


@final
class SharedKey:
    """Signs with the key of an account.

    Args:
        account: Its name.
        key: Its key, base64.

    Attributes:
        account: See above.
        key: See above.

    Raises:
        InvalidConfig: The key is not base64.
    """

    __slots__ = ("_key", "account", "key")

    def __init__(self, account: str, key: str) -> None:
        self.account: str = account
        self.key: str = key
        try:
            self._key = base64.b64decode(key, validate=True)
        except ValueError:
            self._key = b""
        if not self._key:
            message = f"the key of the Azure account {account!r} is not base64: copy all of it"
            raise InvalidConfig(message) from None

    def sign(self, request: Request, date: str) -> Request:
        """Return `request` signed.

        Args:
            request: What to sign.
            date: Now, as HTTP writes it.
        """
        headers = {**request.headers, "x-ms-date": date}
        headers["authorization"] = self.authorization(
            request.method, request.url, headers, len(request.body)
        )
        return replace(request, headers=headers)

    def authorization(
        self, method: str, url: str, headers: Mapping[str, str], body_bytes: int
    ) -> str:
        """Return the value of the Authorization header; `x-ms-date` is among `headers`."""
        text = string_to_sign(self.account, method, url, headers, body_bytes)
        digest = hmac.digest(self._key, text.encode(), hashlib.sha256)
        return f"SharedKey {self.account}:{base64.b64encode(digest).decode()}"
