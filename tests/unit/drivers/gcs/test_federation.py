"""Which hosts a file of workload identity federation may name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from blobio.config import GcsConfig, HttpConfig
from blobio.drivers.gcs.auth import GoogleSigner
from blobio.drivers.gcs.federation import check_hosts
from blobio.errors import InvalidConfig
from blobio.transport.message import Request

EVIL = (
    "https://evil.example/v1/token",
    "http://sts.googleapis.com/v1/token",
    "https://sts.googleapis.com.evil.example/v1/token",
    "https://evilgoogleapis.com/v1/token",
    "https://sts.googleapis.com@evil.example/v1/token",
    "https://evil.example\\@sts.googleapis.com/v1/token",
    "https://evil.example#.googleapis.com",
    "https:///v1/token",
    "https://[sts.googleapis.com/",
    "",
    7,
)
FIELDS = ("token_url", "token_info_url", "revoke_url", "service_account_impersonation_url")


def federation(**changes: object) -> dict[str, object]:
    return {
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": "https://sts.googleapis.com/v1/token",
        "credential_source": {"file": "/nowhere"},
        **changes,
    }


@pytest.mark.parametrize("url", EVIL)
@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("kind", ["external_account", "external_account_authorized_user"])
def test_exchange_elsewhere_than_at_google_is_refused(kind: str, name: str, url: object) -> None:
    with pytest.raises(InvalidConfig, match=rf"file: its {name} must be"):
        check_hosts(federation(type=kind, **{name: url}), "file")


@pytest.mark.parametrize(
    "url",
    [
        "https://sts.googleapis.com/v1/token",
        "https://sts.us-east1.rep.googleapis.com/v1/token",
        "https://STS.GoogleAPIs.com/v1/token",
        "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/a:generateAccessToken",
    ],
)
@pytest.mark.parametrize("name", FIELDS)
def test_exchange_at_google_passes(name: str, url: str) -> None:
    check_hosts(federation(**{name: url}), "file")


@pytest.mark.parametrize(
    ("source", "passes"),
    [
        ({"url": "https://oidc.example/token"}, True),
        ({"url": "http://169.254.169.254/metadata/identity/oauth2/token"}, True),
        ({"url": "http://127.0.0.1:1234/token"}, True),
        ({"url": "http://oidc.example/token"}, False),
        ({"url": "file:///etc/passwd"}, False),
        ({"environment_id": "aws1", "url": "http://169.254.169.254/latest"}, True),
        ({"environment_id": "aws1", "region_url": "http://[fd00:ec2::254]/latest"}, True),
        ({"environment_id": "aws1", "url": "https://evil.example/latest"}, False),
        ({"environment_id": "aws1", "imdsv2_session_token_url": "http://127.0.0.1/"}, False),
        ({"file": "/run/token"}, True),
        (None, True),
    ],
)
def test_source_is_this_machine_or_https(source: object, passes: bool) -> None:
    info = federation(credential_source=source)
    if passes:
        check_hosts(info, "file")
    else:
        with pytest.raises(InvalidConfig, match="credential_source"):
            check_hosts(info, "file")


def test_files_of_other_types_pass() -> None:
    check_hosts({"type": "service_account", "token_url": "https://evil.example"}, "file")


@pytest.mark.parametrize("by_environment", [True, False])
async def test_nothing_is_sent_for_a_file_that_leads_elsewhere(
    by_environment: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import requests

    def send(*arguments: object, **options: object) -> requests.Response:
        raise AssertionError((arguments, options))

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", send)
    path = tmp_path / "file.json"
    (tmp_path / "subject").write_text("canary")
    source = {"file": str(tmp_path / "subject")}
    path.write_text(
        json.dumps(federation(token_url="https://evil.example/x", credential_source=source))
    )
    if by_environment:
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    config = GcsConfig(credentials_file=None if by_environment else str(path))
    signer = GoogleSigner(config, HttpConfig())

    with pytest.raises(InvalidConfig, match="token_url must be"):
        await signer.sign(Request(method="GET", url="https://storage.googleapis.com/"))

    await signer.aclose()
