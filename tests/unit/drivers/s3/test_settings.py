from __future__ import annotations

from pathlib import Path

import pytest
from botocore.loaders import Loader

from blobio.config import S3Config
from blobio.drivers.s3.settings import dns_suffix, look_up
from blobio.errors import InvalidConfig

PROFILES = """
[default]
region = eu-central-1

[profile minio]
region = garage
services = local

[profile plain]
endpoint_url = https://plain.example

[services local]
s3 =
  endpoint_url = https://minio.example:9000
"""


@pytest.fixture(autouse=True)
def config_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config"
    path.write_text(PROFILES)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(path))
    return path


def test_settings_come_before_files() -> None:
    place = look_up(S3Config(endpoint_url="https://h.example", region="r"))

    assert place == ("https://h.example", "r")


def test_region_comes_from_the_profile() -> None:
    assert look_up(S3Config()) == (None, "eu-central-1")
    assert look_up(S3Config(endpoint_url="https://h.example")) == (
        "https://h.example",
        "eu-central-1",
    )


def test_endpoint_comes_from_the_profile_or_its_services() -> None:
    assert look_up(S3Config(profile="minio")) == ("https://minio.example:9000", "garage")
    assert look_up(S3Config(profile="plain")) == ("https://plain.example", None)


def test_environment_is_left_to_config_from_env(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://env.example")

    assert look_up(S3Config()).endpoint_url is None


def test_endpoints_of_files_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")

    assert look_up(S3Config(profile="minio")).endpoint_url is None


def test_missing_profile_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidConfig, match="nowhere"):
        look_up(S3Config(profile="nowhere"))
    monkeypatch.setenv("AWS_PROFILE", "nowhere")
    with pytest.raises(InvalidConfig, match="nowhere"):
        look_up(S3Config())


def test_anonymous_needs_no_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nowhere")

    assert look_up(S3Config(anonymous=True)) == (None, None)


def test_broken_file_is_an_error(config_file: Path) -> None:
    config_file.write_text("[default\nregion")

    with pytest.raises(InvalidConfig, match="AWS configuration"):
        look_up(S3Config())


@pytest.mark.parametrize(
    ("region", "suffix"),
    [
        ("us-east-1", "amazonaws.com"),
        ("eu-west-1", "amazonaws.com"),
        ("us-gov-west-1", "amazonaws.com"),
        ("cn-north-1", "amazonaws.com.cn"),
        ("cn-newplace-9", "amazonaws.com.cn"),
        ("us-iso-east-1", "c2s.ic.gov"),
        ("eusc-de-east-1", "amazonaws.eu"),
        ("garage", "amazonaws.com"),
    ],
)
def test_region_has_the_suffix_of_its_partition(region: str, suffix: str) -> None:
    assert dns_suffix(region) == suffix


def test_usual_regions_are_those_of_botocore() -> None:
    """The pattern that spares its data agrees with it for every region there is."""
    partitions = Loader().load_data("partitions")["partitions"]
    suffixes = {
        region: partition["outputs"]["dnsSuffix"]
        for partition in partitions
        for region in partition["regions"]
    }
    assert len(suffixes) > 30
    assert {region: dns_suffix(region) for region in suffixes} == suffixes


def test_without_files_the_environment_is_all_there_is(
    config_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config_file.unlink()
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(config_file))

    assert look_up(S3Config(region="r")) == (None, "r")
    assert look_up(S3Config()) == (None, None)
