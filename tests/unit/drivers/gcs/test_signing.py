"""V4 signed URLs against Google's own vectors.

They are those of https://github.com/googleapis/conformance-tests (storage/v1/v4_signatures.json,
read 2026-11-27). RSA signatures of this kind are the same each time, so one that verifies over our
string to sign is the one we would have made with that key. The strict server checks what our key
files sign.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA256

from blobio.drivers.gcs.addressing import locate
from blobio.drivers.gcs.signing import Draft
from tests.unit.drivers.gcs.vectors import MODULUS, SIGNATURES

EMAIL: Final = "test-iam-credentials@dummy-project-id.iam.gserviceaccount.com"
BASE: Final = "https://storage.googleapis.com"
CREDENTIAL: Final = (
    "X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Credential="
    "test-iam-credentials%40dummy-project-id.iam.gserviceaccount.com%2F20190201%2Fauto%2Fstorage"
    "%2Fgoog4_request"
)
DATED: Final = f"{CREDENTIAL}&X-Goog-Date=20190201T090000Z&X-Goog-Expires=10"


def draft(
    key: str = "test-object",
    *,
    bucket: str = "test-bucket",
    method: str = "GET",
    expires_s: int = 10,
    at: str = "2019-02-01T09:00:00+00:00",
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
) -> Draft:
    return Draft(
        method=method,
        base=BASE,
        path=locate(bucket, None).plain_path(key),
        email=EMAIL,
        now=datetime.fromisoformat(at).timestamp(),
        expires_s=expires_s,
        headers=headers or {},
        query=query or {},
    )


@pytest.mark.parametrize(
    ("one", "path", "query"),
    [
        (draft(), "/test-bucket/test-object", f"{DATED}&X-Goog-SignedHeaders=host"),
        (draft(method="PUT"), "/test-bucket/test-object", f"{DATED}&X-Goog-SignedHeaders=host"),
        (
            draft(expires_s=20, at="2019-03-01T09:00:00+00:00"),
            "/test-bucket/test-object",
            CREDENTIAL.replace("20190201", "20190301")
            + "&X-Goog-Date=20190301T090000Z&X-Goog-Expires=20&X-Goog-SignedHeaders=host",
        ),
        (
            draft("path/with/slashes/under_score/amper&sand/file.ext"),
            "/test-bucket/path/with/slashes/under_score/amper%26sand/file.ext",
            f"{DATED}&X-Goog-SignedHeaders=host",
        ),
        (
            draft(headers={"bar": "BAR-value", "foo": "foo-value"}),
            "/test-bucket/test-object",
            f"{DATED}&X-Goog-SignedHeaders=bar%3Bfoo%3Bhost",
        ),
        (
            draft(query={"soufflé": "=%-_.~"}),
            "/test-bucket/test-object",
            f"{DATED}&X-Goog-SignedHeaders=host&souffl%C3%A9=%3D%25-_.~",
        ),
        (
            draft(query={"prefix": "/foo", "X-Goog-Meta-Foo": "bar"}),
            "/test-bucket/test-object",
            f"{DATED}&X-Goog-Meta-Foo=bar&X-Goog-SignedHeaders=host&prefix=%2Ffoo",
        ),
    ],
    ids=["get", "put", "later", "slashes", "headers", "query-encoding", "query-order"],
)
def test_url_is_that_of_the_vector(one: Draft, path: str, query: str) -> None:
    assert one.url(b"\xab\x01") == f"{BASE}{path}?{query}&X-Goog-Signature=ab01"


SIGNED: Final[Mapping[str, Draft]] = {
    "get": draft(),
    "put": draft(method="PUT"),
    "later": draft(expires_s=20, at="2019-03-01T09:00:00+00:00"),
    "query-encoding": draft(query={"soufflé": "=%-_.~"}),
    "query-order": draft(query={"prefix": "/foo", "X-Goog-Meta-Foo": "bar"}),
}


@pytest.mark.parametrize("name", SIGNED)
def test_signature_of_the_vector_is_one_of_what_we_sign(name: str) -> None:
    one, signature = SIGNED[name], bytes.fromhex(SIGNATURES[name])
    key = RSAPublicNumbers(65537, MODULUS).public_key()

    key.verify(signature, one.string_to_sign.encode(), PKCS1v15(), SHA256())  # raises if it is not
    assert one.url(signature).endswith(f"&X-Goog-Signature={SIGNATURES[name]}")


def test_canonical_request_has_the_documented_form() -> None:
    one = draft(headers={"tabs": "\tabc\t\t\t\tdef\t", "collapsed": "abc    def"})

    assert one.canonical_request == (
        "GET\n"
        "/test-bucket/test-object\n"
        f"{DATED}&X-Goog-SignedHeaders=collapsed%3Bhost%3Btabs\n"
        "collapsed:abc def\n"
        "host:storage.googleapis.com\n"
        "tabs:abc def\n"
        "\n"
        "collapsed;host;tabs\n"
        "UNSIGNED-PAYLOAD"
    )


def test_string_to_sign_has_the_documented_form() -> None:
    algorithm, stamp, scope, digest = draft().string_to_sign.split("\n")

    assert (algorithm, stamp) == ("GOOG4-RSA-SHA256", "20190201T090000Z")
    assert scope == "20190201/auto/storage/goog4_request"
    assert len(bytes.fromhex(digest)) == 32
