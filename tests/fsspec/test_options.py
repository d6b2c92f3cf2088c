from __future__ import annotations

import pytest

from blobio.config import Config, HttpConfig, RetryConfig, S3Config
from blobio.errors import InvalidConfig
from blobio.fsspec.options import to_config


def test_nothing_given_is_the_environment() -> None:
    assert to_config("s3", {}) == Config.from_env()


def test_own_fields_may_be_given_directly_or_in_their_section() -> None:
    config = to_config(
        "s3", {"region": "eu-west-1", "retry": {"attempts": 3}, "buffer_bytes": 1 << 20}
    )

    assert config.s3.region == "eu-west-1"
    assert config.retry.attempts == 3
    assert config.buffer_bytes == 1 << 20


def test_sections_may_be_given_as_they_are() -> None:
    retry, base = RetryConfig(attempts=2), Config(http=HttpConfig(idle_s=1.0))

    config = to_config("memory", {"config": base, "retry": retry})

    assert (config.retry, config.http) == (retry, base.http)


def test_names_of_s3fs_are_translated() -> None:
    config = to_config(
        "s3",
        {
            "key": "id",
            "secret": "word",
            "token": "session",
            "client_kwargs": {
                "endpoint_url": "http://localhost:9000",
                "region_name": "r",
                "verify": False,
            },
            "config_kwargs": {"s3": {"addressing_style": "path"}, "signature_version": "s3v4"},
            "use_ssl": False,
            "default_block_size": 1234,
            "use_listings_cache": False,
        },
    )

    assert config.s3 == S3Config(
        access_key_id="id",
        secret_access_key="word",
        session_token="session",
        endpoint_url="http://localhost:9000",
        region="r",
        addressing="path",
    )
    assert not config.http.verify_tls
    assert config.buffer_bytes == 1234


def test_own_ca_file_and_anonymous_access() -> None:
    config = to_config("s3", {"anon": True, "client_kwargs": {"verify": "/ca.pem"}})

    assert config.s3.anonymous
    assert config.http.ca_file == "/ca.pem"


@pytest.mark.parametrize(
    ("scheme", "options", "named"),
    [
        ("s3", {"colour": "red"}, "'colour'"),
        ("s3", {"client_kwargs": {"colour": 1}}, "'client_kwargs.colour'"),
        ("s3", {"config_kwargs": {"max_pool_connections": 9}}, "'config_kwargs.max_pool"),
        ("s3", {"retry": {"tries": 1}}, "'retry.tries'"),
        ("memory", {"key": "id"}, "'key'"),
        ("s3", {"use_ssl": False}, "name the store with an endpoint_url"),
    ],
)
def test_what_is_not_known_is_refused_by_name(
    scheme: str, options: dict[str, object], named: str
) -> None:
    with pytest.raises(InvalidConfig, match=named):
        to_config(scheme, options)


def test_names_of_gcsfs_are_translated() -> None:
    assert to_config("gs", {"token": "anon"}).gcs.anonymous
    assert to_config("gs", {"token": "/key.json"}).gcs.credentials_file == "/key.json"
    pays = to_config("gs", {"token": "google_default", "project": "p", "requester_pays": True})
    assert pays.gcs.user_project == "p"
    with pytest.raises(InvalidConfig, match="access_token"):
        to_config("gs", {"token": "ya29.canary"})


def test_names_of_adlfs_are_translated() -> None:
    azure = to_config("az", {"account_name": "a", "account_key": "a2V5", "anon": False}).azure

    assert (azure.account, azure.account_key, azure.anonymous) == ("a", "a2V5", False)


def test_refusal_tells_no_secret() -> None:
    with pytest.raises(InvalidConfig) as caught:
        to_config("s3", {"secret": "canary", "colour": 1})

    assert "canary" not in str(caught.value)
