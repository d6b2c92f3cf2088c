from __future__ import annotations

import pytest

from blobio.config import AzureConfig
from blobio.drivers.azure.place import locate
from blobio.drivers.azure.settings import Anonymous, Sas, Tokens, choose, endpoint_of
from blobio.drivers.azure.sharedkey import SharedKey
from blobio.errors import InvalidConfig, InvalidUrl

KEY = "a2V5"
OTHER = "b3RoZXI="
SAS = "sv=2023-11-03&sp=rl&sig=c2VjcmV0%3D"
FULL = (
    f"DefaultEndpointsProtocol=https;AccountName=account;AccountKey={OTHER};"
    "EndpointSuffix=core.chinacloudapi.cn"
)
EMULATOR = f"AccountName=dev;AccountKey={KEY};BlobEndpoint=http://127.0.0.1:10000/dev;"
WITH_SAS = f"BlobEndpoint=https://account.blob.core.windows.net/;SharedAccessSignature={SAS}"


class _Credential:
    def get_token(self, *scopes: str) -> object:
        raise AssertionError(scopes)


ORDER = {
    "anonymous": (AzureConfig(anonymous=True, sas_token=SAS, account_key=KEY), Anonymous()),
    "sas": (AzureConfig(sas_token="?" + SAS, account_key=KEY), Sas(SAS)),
    "identity before key": (AzureConfig(use_identity=True, account_key=KEY), Tokens()),
    "sas of the string": (AzureConfig(connection_string=WITH_SAS), Sas(SAS)),
    "string of another account": (AzureConfig(connection_string=EMULATOR), Tokens()),
    "key of another account": (AzureConfig(account="other", account_key=KEY), Tokens()),
    "nothing": (AzureConfig(), Tokens()),
}


@pytest.mark.parametrize("name", ORDER)
def test_first_that_applies_is_chosen(name: str) -> None:
    config, expected = ORDER[name]

    assert choose(config, "account") == expected


@pytest.mark.parametrize(
    ("config", "key"),
    [
        (AzureConfig(account_key=KEY), KEY),
        (AzureConfig(account="account", account_key=KEY, connection_string=FULL), KEY),
        (AzureConfig(account="other", account_key=KEY, connection_string=FULL), OTHER),
        (AzureConfig(connection_string=FULL), OTHER),
    ],
)
def test_key_is_that_of_the_account(config: AzureConfig, key: str) -> None:
    access = choose(config, "account")

    assert isinstance(access, SharedKey)
    assert (access.account, access.key) == ("account", key)


@pytest.mark.parametrize(
    "config",
    [
        AzureConfig(sas_token="no signature"),
        AzureConfig(sas_token="sig=a#fragment"),
        AzureConfig(connection_string="secret"),
        AzureConfig(connection_string="AccountName=account;AccountKey=secret!"),
        AzureConfig(account_key="secret!"),
    ],
)
def test_what_cannot_be_used_is_refused_and_not_shown(config: AzureConfig) -> None:
    with pytest.raises(InvalidConfig) as caught:
        choose(config, "account")

    for secret in ("secret", "no signature", "fragment"):
        assert secret not in str(caught.value)


def test_sas_is_not_in_the_repr() -> None:
    assert "c2VjcmV0" not in repr(Sas(SAS))


@pytest.mark.parametrize(
    ("config", "account", "endpoint"),
    [
        (AzureConfig(), "account", "https://account.blob.core.windows.net"),
        (
            AzureConfig(connection_string=FULL),
            "account",
            "https://account.blob.core.chinacloudapi.cn",
        ),
        (AzureConfig(connection_string=EMULATOR), "dev", "http://127.0.0.1:10000/dev"),
        (AzureConfig(connection_string=EMULATOR), "x", "https://x.blob.core.windows.net"),
        (
            AzureConfig(endpoint_url="https://{account}.blob.core.usgovcloudapi.net/"),
            "a1",
            "https://a1.blob.core.usgovcloudapi.net",
        ),
        (AzureConfig(endpoint_url="http://[::1]:1/{account}"), "a1", "http://[::1]:1/a1"),
    ],
)
def test_endpoint_is_found(config: AzureConfig, account: str, endpoint: str) -> None:
    place = locate(account, "container", endpoint_of(config, account))

    assert place.blob_url("a b/#?%") == f"{endpoint}/container/a%20b/%23%3F%25"


@pytest.mark.parametrize(
    ("account", "container"),
    [
        ("a.evil.example", "c"),
        ("a/b", "c"),
        ("a@evil", "c"),
        ("a#", "c"),
        ("a?", "c"),
        ("UPPER", "c"),
        ("", "c"),
        ("a", ""),
        ("a", ".."),
        ("a", "b?c"),
        ("a", "b--c"),
        ("a", "-b"),
    ],
)
def test_name_that_could_lead_elsewhere_is_refused(account: str, container: str) -> None:
    with pytest.raises(InvalidUrl):
        locate(account, container, None)


@pytest.mark.parametrize("key", ["x" * 1025, "\ud800"])
def test_key_that_cannot_be_stored_is_refused(key: str) -> None:
    with pytest.raises(InvalidUrl):
        locate("account", "container", None).blob_url(key)
