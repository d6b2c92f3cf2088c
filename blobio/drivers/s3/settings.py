"""Which endpoint and region: `S3Config` first, then the AWS configuration files. Blocks on disk."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from blobio.config import S3Config
from blobio.errors import InvalidConfig

__all__ = ["Place", "dns_suffix", "look_up"]


_USUAL_SUFFIX: Final = "amazonaws.com"
# What botocore's data says of the partition "aws", but that its data need not be loaded.
_USUAL_REGION: Final = re.compile(r"(us|eu|ap|sa|ca|me|af|il|mx)-\w+-\d+")


class Place(NamedTuple):
    """A store's own endpoint (None for AWS) and a region (None if nobody says)."""

    endpoint_url: str | None
    region: str | None


def look_up(config: S3Config) -> Place:
    """Return endpoint and region; what `config` leaves open is looked for in the profile.

    The environment was read by `Config.from_env`; `endpoint_url` of the profile or of its
    `services` section is botocore's to find.

    Raises:
        InvalidConfig: The profile named does not exist, or its files cannot be read.
    """
    if config.endpoint_url is not None and (config.region is not None or config.anonymous):
        return Place(config.endpoint_url, config.region)
    if config.profile is None and not _has_files(os.environ):
        return Place(config.endpoint_url, config.region)
    from botocore.exceptions import BotoCoreError, ProfileNotFound
    from botocore.session import Session

    session = Session(profile=config.profile)
    try:
        region = config.region or session.get_config_variable("region")
        return Place(config.endpoint_url or _endpoint_of_profile(session), region or None)
    except ProfileNotFound as error:
        if config.anonymous and config.profile is None:
            return Place(config.endpoint_url, config.region)
        raise InvalidConfig(str(error)) from error
    except BotoCoreError as error:
        raise InvalidConfig(f"the AWS configuration cannot be read: {error}") from error


def _has_files(env: Mapping[str, str]) -> bool:
    """Tell whether there is anything for botocore to read, which takes long to import.

    The places are those of https://docs.aws.amazon.com/cli/v1/userguide/cli-configure-files.html,
    as the reference has them; a profile that is named must be in one of them.
    """
    if env.get("AWS_PROFILE") or env.get("AWS_DEFAULT_PROFILE"):
        return True
    places = [
        env.get("AWS_CONFIG_FILE") or "~/.aws/config",
        env.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials",
    ]
    return any(os.path.isfile(os.path.expanduser(place)) for place in places)


def _endpoint_of_profile(session: object) -> str | None:
    from botocore.configprovider import ConfiguredEndpointProvider
    from botocore.session import Session

    assert isinstance(session, Session)
    if session.get_config_variable("ignore_configured_endpoint_urls"):
        return None
    provider = ConfiguredEndpointProvider(
        full_config=session.full_config,
        scoped_config=session.get_scoped_config(),
        client_name="s3",
        environ={},
    )
    found = provider.provide()
    return str(found) if found else None


@lru_cache(maxsize=64)
def dns_suffix(region: str) -> str:
    """Return the DNS suffix of the partition that `region` is in, from botocore's data."""
    if _USUAL_REGION.fullmatch(region):
        return _USUAL_SUFFIX
    from botocore.loaders import Loader

    for partition in Loader().load_data("partitions")["partitions"]:
        if region in partition["regions"] or re.match(partition["regionRegex"], region):
            return str(partition["outputs"]["dnsSuffix"])
    return _USUAL_SUFFIX
