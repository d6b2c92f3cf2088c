"""`Config`: limits are checked when it is made, the environment is read in one place."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import pytest

from blobio.azureconfig import AzureConfig
from blobio.config import (
    Config,
    GcsConfig,
    HttpConfig,
    ReadConfig,
    RetryConfig,
    S3Config,
    WriteConfig,
)
from blobio.errors import InvalidConfig


@pytest.mark.parametrize(
    "make",
    [
        lambda: RetryConfig(attempts=0),
        lambda: RetryConfig(no_progress_s=0),
        lambda: RetryConfig(base_s=0),
        lambda: RetryConfig(base_s=2, max_s=1),
        lambda: RetryConfig(budget=0),
        lambda: HttpConfig(connect_timeout_s=0),
        lambda: HttpConfig(stall_timeout_s=-1),
        lambda: HttpConfig(requests_per_host=0),
        lambda: ReadConfig(part_bytes=0),
        lambda: ReadConfig(window=0),
        lambda: ReadConfig(coalesce_bytes=-1),
        lambda: WriteConfig(part_bytes=0),
        lambda: WriteConfig(window=0),
        lambda: S3Config(access_key_id="only the id"),
        lambda: S3Config(secret_access_key="only the secret"),
        lambda: S3Config(endpoint_url="localhost:9000"),
        lambda: S3Config(sse_customer_key=b"short"),
        lambda: GcsConfig(anonymous=True, access_token="token"),
        lambda: GcsConfig(credentials_file="key.json", access_token="token"),
        lambda: GcsConfig(impersonate="a@b", anonymous=True),
        lambda: GcsConfig(endpoint_url="localhost:4443"),
        lambda: GcsConfig(endpoint_url="http://user@localhost:4443"),
        lambda: GcsConfig(component_prefix="no-slash"),
        lambda: GcsConfig(component_prefix="/"),
        lambda: AzureConfig(endpoint_url="account.blob.core.windows.net"),
        lambda: AzureConfig(endpoint_url="https://user:password@host"),
        lambda: Config(buffer_bytes=0),
        lambda: Config(memory_bytes=0),
    ],
)
def test_setting_out_of_range_is_refused(make: Callable[[], object]) -> None:
    with pytest.raises(InvalidConfig) as caught:
        make()

    assert isinstance(caught.value, ValueError)


def test_defaults_bound_everything() -> None:
    config = Config()

    assert config.retry.attempts == 8
    assert config.retry.no_progress_s == 120.0
    assert config.http.verify_tls
    assert not config.http.trust_env
    assert config.read.window == 8
    assert config.write.part_bytes == 8 << 20


@pytest.mark.parametrize(
    ("environ", "endpoint", "region"),
    [
        ({}, None, None),
        ({"AWS_ENDPOINT_URL": "http://a"}, "http://a", None),
        ({"AWS_ENDPOINT_URL": "http://a", "AWS_ENDPOINT_URL_S3": "http://b"}, "http://b", None),
        ({"AWS_ENDPOINT_URL_S3": ""}, None, None),
        (
            {"AWS_ENDPOINT_URL": "http://a", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "True"},
            None,
            None,
        ),
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, None, "eu-west-1"),
        ({"AWS_DEFAULT_REGION": "eu-west-1", "AWS_REGION": "us-east-2"}, None, "us-east-2"),
    ],
)
def test_environment_sets_endpoint_and_region(
    environ: dict[str, str], endpoint: str | None, region: str | None
) -> None:
    config = Config.from_env(environ)

    assert config.s3.endpoint_url == endpoint
    assert config.s3.region == region


def test_environment_sets_the_certificate_file() -> None:
    assert Config.from_env({"BLOBIO_CA_FILE": "ca.pem"}).http.ca_file == "ca.pem"


@pytest.mark.parametrize(
    ("environ", "endpoint", "anonymous"),
    [
        ({}, None, False),
        ({"STORAGE_EMULATOR_HOST": "http://localhost:4443/"}, "http://localhost:4443", True),
        ({"STORAGE_EMULATOR_HOST": "localhost:4443"}, "http://localhost:4443", True),
        ({"BLOBFILE_FORCE_GOOGLE_ANONYMOUS_AUTH": "1"}, None, True),
        ({"BLOBFILE_FORCE_GOOGLE_ANONYMOUS_AUTH": "0"}, None, False),
    ],
)
def test_environment_sets_the_emulator_and_anonymity(
    environ: dict[str, str], endpoint: str | None, anonymous: bool
) -> None:
    config = Config.from_env(environ)

    assert (config.gcs.endpoint_url, config.gcs.anonymous) == (endpoint, anonymous)


@pytest.mark.parametrize(
    ("environ", "registry", "cache_dir", "offline"),
    [
        ({}, None, None, False),
        ({"BLOBIO_REGISTRY": "s3://b/r", "BLOBIO_CACHE_DIR": "/c"}, "s3://b/r", "/c", False),
        ({"XDG_CACHE_HOME": "/x"}, None, "/x/blobio/datasets", False),
        ({"BLOBIO_OFFLINE": "yes"}, None, None, True),
        ({"HF_DATASETS_OFFLINE": "1"}, None, None, True),
        ({"HF_HUB_OFFLINE": "true"}, None, None, True),
        ({"BLOBIO_OFFLINE": "0", "HF_DATASETS_OFFLINE": "1"}, None, None, False),
    ],
)
def test_environment_sets_what_datasets_need(
    environ: dict[str, str], registry: str | None, cache_dir: str | None, offline: bool
) -> None:
    dataset = Config.from_env(environ).dataset

    assert (dataset.registry, dataset.cache_dir) == (registry, cache_dir)
    assert dataset.offline == offline


@pytest.mark.parametrize(
    ("value", "cached"), [(None, False), ("1", True), ("no", False), ("", False)]
)
def test_environment_switches_the_cache_of_datasets_on(value: str | None, cached: bool) -> None:
    environ = {} if value is None else {"BLOBIO_CACHE_DATASETS": value}

    assert Config.from_env(environ).dataset.cached is cached


def test_process_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://from.the.process")

    assert Config.from_env().s3.endpoint_url == "http://from.the.process"


def test_bucket_has_settings_of_its_own() -> None:
    special = S3Config(endpoint_url="http://special", anonymous=True)
    config = S3Config(region="eu-west-1", buckets={"special": special})

    assert config.for_bucket("special") is special
    assert config.for_bucket("other") is config


def test_repr_holds_no_secret() -> None:
    config = Config(
        gcs=GcsConfig(access_token="hunter2"),
        s3=S3Config(
            access_key_id="AKID",
            secret_access_key="hunter2",
            session_token="hunter2",
            sse_customer_key=b"hunter2-hunter2-hunter2-hunter2-",
        ),
        http=HttpConfig(proxy="http://u:hunter2@p", headers={"h": {"authorization": "hunter2"}}),
    )

    assert "hunter2" not in repr(config)


def test_secret_of_one_bucket_is_not_in_the_repr() -> None:
    inner = S3Config(access_key_id="AKID", secret_access_key="hunter2")

    assert "hunter2" not in repr(S3Config(buckets={"b": inner}))


def test_config_pickles() -> None:
    config = Config(s3=S3Config(region="eu-west-1", buckets={"b": S3Config(anonymous=True)}))

    assert pickle.loads(pickle.dumps(config)) == config  # noqa: S301 - our own bytes


def test_azure_settings_of_a_container_go_before_those_of_its_account() -> None:
    account, container = AzureConfig(anonymous=True), AzureConfig(sas_token="sig=x")
    config = AzureConfig(accounts={"one": account, "one/two": container})

    assert config.for_container("one", "two") is container
    assert config.for_container("one", "other") is account
    assert config.for_container("other", "two") is config


def test_environment_names_azure_credentials_as_blobfile_does() -> None:
    env = {
        "AZURE_USE_IDENTITY": "1",
        "AZURE_STORAGE_ACCOUNT": "account",
        "AZURE_STORAGE_ACCOUNT_KEY": "a2V5",
        "AZURE_STORAGE_CONNECTION_STRING": "AccountName=a",
        "AZURE_APPLICATION_CREDENTIALS": "/file.json",
        "AZURE_CLIENT_ID": "client",
        "AZURE_CLIENT_SECRET": "secret",
        "AZURE_TENANT_ID": "tenant",
    }

    azure = Config.from_env(env).azure

    assert azure == AzureConfig(
        use_identity=True,
        account="account",
        account_key="a2V5",
        connection_string="AccountName=a",
        application_credentials="/file.json",
        client_id="client",
        client_secret="secret",
        tenant_id="tenant",
    )
    assert Config.from_env(env | {"AZURE_STORAGE_KEY": "Zmlyc3Q="}).azure.account_key == "Zmlyc3Q="
    assert "a2V5" not in repr(azure)
    assert "secret" not in repr(azure).replace("client_secret", "")
