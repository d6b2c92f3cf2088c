"""Where credentials come from is told in words, without what they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

import google.auth
import google.auth.compute_engine
import google.oauth2.credentials
import pytest

from blobio.config import AzureConfig, GcsConfig, HttpConfig, S3Config
from blobio.drivers.azure import tokens
from blobio.drivers.azure.auth import AzureSigner
from blobio.drivers.azure.tokens import Found, Source
from blobio.drivers.gcs.auth import GoogleSigner
from blobio.drivers.s3.auth import S3Signer
from blobio.errors import Unauthenticated
from blobio.testing.emulators.azure import FixedToken, Token
from tests.unit.drivers.azure.kit import KEY

CANARY: Final = "canary-of-a-secret"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a home directory that is empty."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    return tmp_path


async def s3(config: S3Config) -> str:
    signer = S3Signer(config)
    told = await signer.source()
    await signer.aclose()
    assert CANARY not in told
    return told


async def google_(config: GcsConfig) -> tuple[str, str | None]:
    signer = GoogleSigner(config, HttpConfig())
    told = await signer.source(), await signer.project()
    await signer.aclose()
    assert CANARY not in told[0]
    return told


async def azure(config: AzureConfig) -> str:
    signer = AzureSigner(config, "account")
    told = await signer.source()
    await signer.aclose()
    assert CANARY not in told
    return told


async def test_s3_settings() -> None:
    assert await s3(S3Config(anonymous=True)) == "none (anonymous)"
    explicit = S3Config(access_key_id=CANARY, secret_access_key=CANARY)
    assert await s3(explicit) == "S3Config.access_key_id"
    with pytest.raises(Unauthenticated):
        await s3(S3Config())


async def test_s3_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", CANARY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CANARY)

    assert await s3(S3Config()) == "environment (AWS_ACCESS_KEY_ID)"


async def test_s3_files(home: Path) -> None:
    keys = f"aws_access_key_id={CANARY}\naws_secret_access_key={CANARY}\n"
    (home / "credentials").write_text(f"[default]\n{keys}")
    (home / "config").write_text(f"[profile work]\n{keys}")

    assert await s3(S3Config()) == f"profile default of {home}/credentials"
    assert await s3(S3Config(profile="work")) == f"profile work of {home}/config"


async def test_s3_program(home: Path) -> None:
    answer = {"Version": 1, "AccessKeyId": CANARY, "SecretAccessKey": CANARY}
    (home / "answer.json").write_text(json.dumps(answer))
    program = f"cat {home / 'answer.json'}"
    (home / "config").write_text(f"[default]\ncredential_process = {program}\n")

    assert await s3(S3Config()) == f"credential_process of profile default ({home}/config)"


def _refresh(self: google.oauth2.credentials.Credentials, request: object) -> None:
    del request
    self.token = CANARY


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Return what writes a credential file of a user; nobody is asked for a token."""
    monkeypatch.setattr(google.oauth2.credentials.Credentials, "refresh", _refresh)

    def write(path: Path) -> str:
        path.parent.mkdir(parents=True, exist_ok=True)
        fields = ("client_id", "client_secret", "refresh_token")
        content = dict.fromkeys(fields, CANARY) | {"type": "authorized_user"}
        path.write_text(json.dumps(content | {"quota_project_id": "paying"}))
        return str(path)

    return write


async def test_google_settings(written: Callable[..., str], home: Path) -> None:
    assert await google_(GcsConfig(anonymous=True)) == ("none (anonymous)", None)
    assert await google_(GcsConfig(access_token=CANARY)) == ("GcsConfig.access_token", None)
    path = written(home / "key.json")
    told = f"file {path} (GcsConfig.credentials_file)"
    assert await google_(GcsConfig(credentials_file=path)) == (told, "paying")
    assert (await google_(GcsConfig(credentials_file=path, project="mine")))[1] == "mine"


async def test_google_environment(
    written: Callable[..., str], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(home / "key.json")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", path)

    told, _ = await google_(GcsConfig())

    assert told == f"file {path} (GOOGLE_APPLICATION_CREDENTIALS)"


async def test_google_login(
    written: Callable[..., str], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(home / ".config/gcloud/application_default_credentials.json")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(Path(path).parent))
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "mine")  # else google-auth runs gcloud for it

    told, _ = await google_(GcsConfig())

    assert told == f"file {path} (gcloud auth application-default login)"


async def test_google_metadata_server(monkeypatch: pytest.MonkeyPatch) -> None:
    found = google.auth.compute_engine.Credentials()
    monkeypatch.setattr(google.auth.compute_engine.Credentials, "refresh", _refresh)
    monkeypatch.setattr(google.auth, "default", lambda **_: (found, "project"))

    assert await google_(GcsConfig()) == ("metadata server", "project")


async def test_azure_settings() -> None:
    connection = f"AccountName=account;AccountKey={KEY}"
    sas = f"BlobEndpoint=https://account.blob.example;SharedAccessSignature=sv=1&sig={CANARY}"

    assert await azure(AzureConfig(anonymous=True)) == "none (anonymous)"
    assert (await azure(AzureConfig(account_key=KEY))).startswith("account key (")
    assert "AZURE_STORAGE_SAS_TOKEN" in await azure(AzureConfig(sas_token=f"sv=1&sig={CANARY}"))
    told = await azure(AzureConfig(connection_string=connection))
    assert told.startswith("account key of the connection string")
    assert KEY not in told
    told = await azure(AzureConfig(connection_string=sas))
    assert told.startswith("SAS token of the connection string")


async def test_azure_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    credential = FixedToken(Token(CANARY, 1 << 40))
    assert await azure(AzureConfig(credential=credential)) == "AzureConfig.credential"
    sources = [
        Source("az", lambda: None, lambda: None, lambda: "the first"),
        Source("me", lambda: Found(CANARY, 1 << 40), lambda: None, lambda: "the second"),
    ]
    monkeypatch.setattr(tokens, "source_of", lambda _: sources)
    config = AzureConfig(save_access_token_to_disk=True)
    assert await azure(config) == "the second"


async def test_azure_tokens_of_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    sources = [Source("me", lambda: Found(CANARY, 1 << 40), lambda: None, lambda: "the source")]
    monkeypatch.setattr(tokens, "source_of", lambda _: sources)
    config = AzureConfig(save_access_token_to_disk=True)

    assert await azure(config) == "the source"
    assert await azure(config) == "~/.blobio/azure_tokens.json"


def test_azure_sources_have_names(home: Path) -> None:
    (home / "app.json").write_text(json.dumps({"tenant": "t", "appId": "me", "password": CANARY}))
    named = AzureConfig(application_credentials=str(home / "app.json"))
    given = AzureConfig(tenant_id="t", client_id="me", client_secret=CANARY)

    for config, said in (
        (named, f"secret of the application me ({home}/app.json, AZURE_APPLICATION_CREDENTIALS)"),
        (given, "secret of the application me (AZURE_CLIENT_SECRET or AzureConfig.client_secret)"),
        (AzureConfig(), "az login (~/.azure/msal_token_cache.json)"),
        (AzureConfig(use_identity=True), "azure-identity"),
    ):
        sources = tokens.source_of(config)
        assert sources[0].name() == said
        for source in sources:
            source.close()
