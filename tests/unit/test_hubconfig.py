"""`HubConfig`: the environment is read in the order of `huggingface_hub`, secrets stay inside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import pytest

from blobio.config import Config
from blobio.errors import InvalidConfig
from blobio.hubconfig import HubConfig


def hub(**env: str) -> HubConfig:
    return Config.from_env(env).hub


@pytest.mark.parametrize(
    ("env", "token"),
    [
        ({}, None),
        ({"HF_TOKEN": ""}, None),
        ({"HF_TOKEN": " hf_a\n"}, "hf_a"),
        ({"HUGGING_FACE_HUB_TOKEN": "hf_b"}, "hf_b"),
        ({"HF_TOKEN": "hf_a", "HUGGING_FACE_HUB_TOKEN": "hf_b"}, "hf_a"),
        ({"HF_TOKEN": "hf_a", "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"}, False),
        ({"HF_TOKEN": "hf_a", "HF_HUB_DISABLE_IMPLICIT_TOKEN": "0"}, "hf_a"),
    ],
)
def test_token_of_the_environment(env: dict[str, str], token: str | Literal[False] | None) -> None:
    assert hub(**env).token == token


@pytest.mark.parametrize(
    ("env", "path"),
    [
        ({}, None),
        ({"XDG_CACHE_HOME": "/x"}, "/x/huggingface/token"),
        ({"XDG_CACHE_HOME": "/x", "HF_HOME": "/h"}, "/h/token"),
        ({"HF_HOME": "/h", "HF_TOKEN_PATH": "/t/secret"}, "/t/secret"),
    ],
)
def test_file_of_the_token(env: dict[str, str], path: str | None) -> None:
    assert hub(**env).token_file == path


@pytest.mark.parametrize(
    ("env", "offline"),
    [
        ({}, False),
        ({"HF_HUB_OFFLINE": "1"}, True),
        ({"TRANSFORMERS_OFFLINE": "yes"}, True),
        ({"HF_HUB_OFFLINE": "False"}, False),
        ({"HF_DATASETS_OFFLINE": "on"}, True),
        ({"HF_DATASETS_OFFLINE": "0", "HF_HUB_OFFLINE": "1"}, False),
        ({"BLOBIO_OFFLINE": "TRUE"}, True),
        ({"BLOBIO_OFFLINE": "0", "HF_DATASETS_OFFLINE": "1"}, False),
    ],
)
def test_first_variable_that_is_set_decides_if_offline(env: dict[str, str], offline: bool) -> None:
    assert hub(**env).offline is offline


def test_endpoint_and_identity_of_a_job() -> None:
    assert hub(HF_ENDPOINT="https://mirror.example/").endpoint_url == "https://mirror.example"
    assert hub().endpoint_url is None
    assert hub(HF_OIDC_RESOURCE="org/name").oidc
    assert not hub(HF_OIDC_RESOURCE="org/name", HF_HUB_DISABLE_IMPLICIT_TOKEN="1").oidc


@pytest.mark.parametrize(
    "make",
    [
        lambda: HubConfig(endpoint_url="huggingface.co"),
        lambda: HubConfig(endpoint_url="https://user:hunter2@huggingface.co"),
        lambda: HubConfig(endpoint_url="https://huggingface.co?token=hunter2"),
        lambda: HubConfig(viewer_url="ftp://viewer.example"),
        lambda: HubConfig(token=""),
    ],
)
def test_setting_that_cannot_be_honoured_is_refused(make: Callable[[], object]) -> None:
    with pytest.raises(InvalidConfig) as caught:
        make()

    assert "hunter2" not in str(caught.value)


def test_repr_has_no_token() -> None:
    assert "hunter2" not in repr(Config(hub=HubConfig(token="hunter2")))
