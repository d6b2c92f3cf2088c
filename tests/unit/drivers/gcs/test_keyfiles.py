from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import pytest

from blobio.drivers.gcs.keyfiles import from_file
from blobio.errors import InvalidConfig

AUDIENCE: Final = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/x"
EXTERNAL: Final = {
    "type": "external_account",
    "audience": AUDIENCE,
    "token_url": "https://sts.googleapis.com/v1/token",
}


@pytest.mark.parametrize(
    ("info", "module"),
    [
        (
            EXTERNAL
            | {
                "subject_token_type": "urn:ietf:params:aws:token-type:aws4_request",
                "credential_source": {
                    "environment_id": "aws1",
                    "regional_cred_verification_url": "https://sts.{region}.amazonaws.com",
                },
            },
            "google.auth.aws",
        ),
        (
            EXTERNAL
            | {
                "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
                "credential_source": {"executable": {"command": "x", "timeout_millis": 5000}},
            },
            "google.auth.pluggable",
        ),
        (
            EXTERNAL
            | {
                "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
                "credential_source": {"url": "http://127.0.0.1/token"},
            },
            "google.auth.identity_pool",
        ),
        (
            {
                "type": "external_account_authorized_user",
                "audience": AUDIENCE,
                "refresh_token": "refresh",
                "token_url": "https://sts.googleapis.com/v1/oauthtoken",
                "token_info_url": "https://sts.googleapis.com/v1/instrospect",
                "client_id": "id",
                "client_secret": "secret",
            },
            "google.auth.external_account_authorized_user",
        ),
        (
            {
                "type": "authorized_user",
                "client_id": "id",
                "client_secret": "secret",
                "refresh_token": "refresh",
            },
            "google.oauth2.credentials",
        ),
    ],
    ids=["aws", "executable", "url", "external-user", "user"],
)
def test_each_type_of_file_gives_its_kind_of_credentials(
    info: dict[str, object], module: str, tmp_path: Path
) -> None:
    path = tmp_path / "file.json"
    path.write_text(json.dumps(info))

    assert type(from_file(str(path), "scope")).__module__ == module


def test_a_type_that_nobody_knows_is_told_with_those_that_are_known(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_text('{"type": "other"}')

    with pytest.raises(InvalidConfig, match="service_account, authorized_user"):
        from_file(str(path), "scope")
