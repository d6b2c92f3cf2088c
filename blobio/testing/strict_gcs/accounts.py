"""The service account of `StrictGcs`: its key file, its tokens, and the check of what it signed."""

from __future__ import annotations

import hashlib
import itertools
import json
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final, final
from urllib.parse import parse_qsl

from blobio.testing.strict.answers import Answer
from blobio.testing.strict.faults import RequestHead
from blobio.testing.strict_gcs.replies import as_json
from blobio.testing.strict_gcs.store import GcsError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

__all__ = ["EMAIL", "Account"]

EMAIL: Final = "strict@blobio.iam.gserviceaccount.com"


@lru_cache(maxsize=1)
def _key() -> RSAPrivateKey:
    from cryptography.hazmat.primitives.asymmetric import rsa

    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@final
class Account:
    """Gives tokens, takes them back, and knows its signatures.

    Attributes:
        valid: Tokens that are accepted.
    """

    def __init__(self) -> None:
        self.valid: Final[set[str]] = set()
        self._serial = itertools.count(1)

    def key_file(self, token_uri: str) -> str:
        """Return the JSON of the key file."""
        from cryptography.hazmat.primitives import serialization

        pem = _key().private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return json.dumps(
            {
                "type": "service_account",
                "project_id": "blobio",
                "private_key_id": "1",
                "private_key": pem.decode(),
                "client_email": EMAIL,
                "client_id": "1",
                "token_uri": token_uri,
            }
        )

    def give_token(self, body: bytes) -> Answer:
        """Answer a request for a token."""
        form = dict(parse_qsl(body.decode()))
        if not form.get("assertion"):
            return as_json({"error": "invalid_grant"}, 400)
        token = f"strict-token-{next(self._serial)}"
        self.valid.add(token)
        return as_json({"access_token": token, "expires_in": 3600, "token_type": "Bearer"})

    def check_token(self, head: RequestHead) -> None:
        """Refuse a request without a token that is valid."""
        kind, _, token = head.headers.get("authorization", "").partition(" ")
        if kind != "Bearer":
            raise GcsError(401, "required", "Anonymous caller does not have access.")
        if token not in self.valid:
            raise GcsError(401, "authError", "Invalid Credentials")

    def check_signature(self, head: RequestHead, now: float) -> None:
        """Refuse a URL that this account did not sign, or that has expired."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

        query = head.query
        try:
            stamp = datetime.strptime(query["X-Goog-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            scope = query["X-Goog-Credential"].removeprefix(f"{EMAIL}/")
            signed = query["X-Goog-SignedHeaders"]
            signature = bytes.fromhex(query["X-Goog-Signature"])
            if not 0 <= now - stamp.timestamp() < int(query["X-Goog-Expires"]):
                raise GcsError(400, "ExpiredToken", "The signed URL has expired.")
        except (KeyError, ValueError):
            raise GcsError(403, "forbidden", "This is no signed URL.") from None
        path, _, search = head.target.partition("?")
        pairs = sorted(p for p in search.split("&") if not p.startswith("X-Goog-Signature="))
        lines = "".join(f"{name}:{head.headers.get(name, '')}\n" for name in signed.split(";"))
        canonical = f"{head.method}\n{path}\n{'&'.join(pairs)}\n{lines}\n{signed}\nUNSIGNED-PAYLOAD"
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        text = f"GOOG4-RSA-SHA256\n{query['X-Goog-Date']}\n{scope}\n{digest}"
        try:
            _key().public_key().verify(signature, text.encode(), PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            raise GcsError(403, "SignatureDoesNotMatch", "Access denied.") from None
