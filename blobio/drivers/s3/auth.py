"""Who asks: the signer of a bucket, and where its keys come from.

Keys are those of `S3Config`, or what botocore's chain finds: environment, profiles, SSO, web
identity, container and instance metadata. Nothing found is an error, never an anonymous request:
that has to be asked for. botocore blocks, so it runs in a thread, one call at a time. Keys that lie
open in the environment are taken without it: to import it takes longer than most commands do.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias, final

from blobio.config import S3Config
from blobio.drivers.dates import http_time
from blobio.drivers.s3.addressing import DEFAULT_REGION
from blobio.drivers.s3.sigv4 import Credentials, SigV4, payload_hash
from blobio.errors import Unauthenticated
from blobio.transport.message import Request
from blobio.transport.signing import SingleFlight

if TYPE_CHECKING:
    import botocore.credentials

__all__ = ["Fetch", "Presigned", "S3Signer", "chain", "keys_of_environment"]

Fetch: TypeAlias = Callable[[], Awaitable[tuple[Credentials, float | None]]]
"""Gets credentials and the Unix time at which they expire, or None for never."""

# botocore tries from 15 minutes before the end, and insists from 10.
_REFRESH_BEFORE_S: Final = 840.0
_NEXT_LOOK_S: Final = 60.0
_REFRESH_PAUSE_S: Final = 1.0
_SKEW_S: Final = 60.0
_IN_FLIGHT_S: Final = 300.0  # a large part on a slow line
_HASH_IN_THREAD_BYTES: Final = 1 << 20
_SHOWN: Final = 500
_LEFT_TO_BOTOCORE: Final = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_SECURITY_TOKEN",
)

_FILES: Final = ("credentials_file", "config_file")
# What botocore calls the links of its chain, for people.
_METHODS: Final = {
    "env": "environment (AWS_ACCESS_KEY_ID)",
    "shared-credentials-file": "profile {profile} of {credentials_file}",
    "config-file": "profile {profile} of {config_file}",
    "custom-process": "credential_process of profile {profile} ({config_file})",
    "sso": "SSO login of profile {profile} ({config_file})",
    "login": "aws login of profile {profile} ({config_file})",
    "assume-role": "role assumed by profile {profile} ({config_file})",
    "assume-role-with-web-identity": "web identity (AWS_WEB_IDENTITY_TOKEN_FILE or a profile)",
    "container-role": "metadata service of the container",
    "iam-role": "metadata service of the instance",
}


class Presigned(NamedTuple):
    """A signed URL and the Unix time at which it stops working; None for never."""

    url: str
    expires_at: float | None


@final
class S3Signer:
    """Signs the requests for one bucket; a `Signer` of the transport.

    Args:
        config: Says which keys to use.
        fetch: Gets credentials; None for what `config` says.
        clock: Unix seconds.

    Attributes:
        region: Region that signatures are for; set by whoever learns it.
    """

    def __init__(
        self,
        config: S3Config,
        *,
        fetch: Fetch | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.region: str = config.region or DEFAULT_REGION
        self._anonymous = config.anonymous
        self._explicit = _explicit(config)
        self._clock = clock
        self._offset_s = 0.0
        self._learnt_at: float | None = None
        self._refreshed_at: float | None = None
        self._sigv4 = SigV4()
        self._chain = _Chain(config.profile, clock)
        self._flight = SingleFlight(
            self._chain.fetch if fetch is None else fetch,
            refresh_before_s=_REFRESH_BEFORE_S,
            clock=clock,
        )

    async def sign(self, request: Request) -> Request:
        """Return `request` signed for now; as it is, if anonymous.

        Raises:
            Unauthenticated: There are no credentials to be had.
        """
        if self._anonymous:
            return request
        credentials = await self._credentials()
        payload = None
        if request.url.startswith("http:") and len(request.body) > _HASH_IN_THREAD_BYTES:
            payload = await asyncio.to_thread(
                payload_hash, request.url, request.headers, request.body
            )
        return self._sigv4.sign(
            request,
            credentials,
            region=self.region,
            now=self._now(),
            payload=payload,
            renewable=self._explicit is None,
        )

    async def refresh(self, failed: object = None) -> None:
        """Drop the credentials: the store called them expired.

        All requests in flight find that out at about the same time, so calls that follow within a
        second do nothing: the first of them has brought new ones on their way. Nor do those of
        requests that were signed with older credentials than those at hand.
        """
        if not self._flight.is_current(failed):
            return
        now = self._clock()
        if self._refreshed_at is not None and 0 <= now - self._refreshed_at < _REFRESH_PAUSE_S:
            return
        self._refreshed_at = now
        self._chain.forget()
        self._flight.invalidate()

    def learn_time(self, server_date: str) -> bool:
        """Take the Date of a reply as the true time, if it is a minute or more from ours.

        Returns:
            Whether a request that was refused should be signed again: the time is another now, or
            became another so lately that the request was still signed with the old one.
        """
        server = http_time(server_date)
        if not server:
            return False
        now = self._clock()
        if abs(server - self._now()) >= _SKEW_S:
            self._offset_s = server - now
            self._learnt_at = now
            return True
        return self._learnt_at is not None and 0 <= now - self._learnt_at < _IN_FLIGHT_S

    async def presign(
        self, method: str, url: str, expires_s: int, headers: dict[str, str]
    ) -> Presigned:
        """Sign `url` itself. Anonymous, it stays as it is and never expires."""
        if self._anonymous:
            return Presigned(url, None)
        credentials = await self._credentials()
        now = self._now()
        signed = self._sigv4.presign(
            method,
            url,
            credentials,
            region=self.region,
            now=now,
            expires_s=expires_s,
            headers=headers,
        )
        expires_at = float(int(now) + expires_s)
        # A URL signed with temporary keys dies with them.
        end = self._chain.expires_at if credentials.session_token is not None else None
        return Presigned(signed, expires_at if end is None else min(expires_at, end))

    async def source(self) -> str:
        """Tell where the credentials come from, never what they are.

        Raises:
            Unauthenticated: There are none to be had.
        """
        if self._anonymous:
            return "none (anonymous)"
        if self._explicit is not None:
            return "S3Config.access_key_id"
        await self._flight.get()
        return await asyncio.to_thread(self._chain.source)

    async def aclose(self) -> None:
        """Stop a fetch of credentials that is under way."""
        await self._flight.aclose()

    def _now(self) -> float:
        return self._clock() + self._offset_s

    async def _credentials(self) -> Credentials:
        return await self._flight.get() if self._explicit is None else self._explicit


def _explicit(config: S3Config) -> Credentials | None:
    if config.access_key_id is None or config.secret_access_key is None:
        return None
    return Credentials(config.access_key_id, config.secret_access_key, config.session_token)


@final
class _Chain:
    """botocore's credential chain.

    Attributes:
        expires_at: Unix time at which the credentials fetched last expire, or None.
    """

    def __init__(self, profile: str | None, clock: Callable[[], float]) -> None:
        self.expires_at: float | None = None
        self._profile = profile
        self._clock = clock
        self._found: botocore.credentials.Credentials | None = None

    async def fetch(self) -> tuple[Credentials, float | None]:
        """Return credentials; what was found before is refreshed by botocore, if it is old."""
        keys, self.expires_at = await asyncio.to_thread(self._fetch)
        if self.expires_at is None:
            return keys, None
        # Instance metadata hands out the same keys until shortly before their end; the floor keeps
        # that from being a fetch per request.
        floor = self._clock() + _REFRESH_BEFORE_S + _NEXT_LOOK_S
        return keys, max(self.expires_at, floor)

    def source(self) -> str:
        """Tell what gave the credentials fetched last; blocks on disk."""
        from botocore.session import Session

        session = Session(profile=self._profile)
        # Keys that are no find of botocore's were taken from the environment.
        method = "env" if self._found is None else str(self._found.method or "another way")
        files = {name: session.get_config_variable(name) for name in _FILES}
        profile = session.profile or "default"
        return _METHODS.get(method, method).format(profile=profile, **files)

    def forget(self) -> None:
        """Start the chain anew at the next fetch."""
        self._found = None

    def _fetch(self) -> tuple[Credentials, float | None]:
        keys = keys_of_environment(os.environ) if self._profile is None else None
        if keys is not None:
            return keys, None
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            found = self._found or chain(self._profile)
            if found is None:
                raise Unauthenticated(_nothing_found(self._profile))
            frozen = found.get_frozen_credentials()
        except (BotoCoreError, ClientError, RuntimeError, OSError) as error:
            # RuntimeError: botocore fetched credentials that had expired already. OSError: the
            # program of a credential_process is not there.
            raise Unauthenticated(_could_not(error)) from error
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            # A container address that botocore refuses, or an answer that is not what it should be.
            # No cause: that of broken JSON holds the whole answer, and so the keys.
            raise Unauthenticated(_could_not(error)) from None
        if not frozen.access_key or not frozen.secret_key:
            raise Unauthenticated(_nothing_found(self._profile))
        keys = Credentials(frozen.access_key, frozen.secret_key, frozen.token or None)
        self._found = found
        # botocore keeps the time to itself; without it every key would look eternal.
        expiry = getattr(found, "_expiry_time", None)
        return keys, expiry.timestamp() if isinstance(expiry, datetime) else None


def keys_of_environment(env: Mapping[str, str]) -> Credentials | None:
    """Return the keys that botocore's chain would find first, where there can be no doubt of it.

    None leaves the answer to botocore: a profile is named, the keys expire, or an old name is used.
    """
    if any(env.get(name) for name in _LEFT_TO_BOTOCORE):
        return None
    access_key, secret_key = env.get("AWS_ACCESS_KEY_ID"), env.get("AWS_SECRET_ACCESS_KEY")
    if not access_key or not secret_key:
        return None
    return Credentials(access_key, secret_key, env.get("AWS_SESSION_TOKEN") or None)


def chain(profile: str | None) -> botocore.credentials.Credentials | None:
    """Return what botocore's chain finds; blocks."""
    from botocore.session import Session

    return Session(profile=profile).get_credentials()


def _could_not(error: Exception) -> str:
    # Some of botocore's messages hold all that a metadata service said.
    return f"AWS credentials could not be had: {type(error).__name__}: {str(error)[:_SHOWN]}"


def _nothing_found(profile: str | None) -> str:
    where = f"profile {profile!r}" if profile else "the environment, profiles and metadata services"
    return (
        f"no AWS credentials in {where}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, log in "
        "with 'aws sso login', name a profile with S3Config(profile=...), give keys with "
        "S3Config(access_key_id=..., secret_access_key=...), or read public buckets with "
        "S3Config(anonymous=True)"
    )
