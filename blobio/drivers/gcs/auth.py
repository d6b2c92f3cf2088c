"""Who asks: tokens from google-auth, fetched in a thread, once for all who wait.

google-auth knows every kind of Google credential: service accounts, authorized users,
impersonation, workload identity federation, the metadata server. It blocks, so it never runs on the
event loop.
Nothing found is an error, never an anonymous request: that has to be asked for.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias, cast, final

from blobio.config import GcsConfig, HttpConfig
from blobio.drivers.gcs.keyfiles import check_file, from_file
from blobio.errors import InvalidConfig, Unauthenticated, Unsupported, redact
from blobio.transport.message import Request
from blobio.transport.signing import SingleFlight

if TYPE_CHECKING:
    import google.auth.credentials
    import requests
    from google.auth.transport.requests import Request as AuthRequest

__all__ = ["Fetch", "GoogleSigner", "check_privacy"]

Fetch: TypeAlias = Callable[[], Awaitable[tuple[str, float | None]]]
"""Gets a token and the Unix time at which it expires, or None for never."""

SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
"""What the account's roles allow, and no less: signing URLs needs more than storage."""

_REFRESH_BEFORE_S: Final = 300.0
_REFRESH_PAUSE_S: Final = 1.0
_SHOWN: Final = 300


class GoogleSigner:
    """Adds a token to requests; a `Signer` of the transport.

    Args:
        config: Says which credentials to use.
        http: How to reach the servers that give tokens.
        fetch: Gets a token; None for what `config` says.
        clock: Unix seconds.
    """

    def __init__(
        self,
        config: GcsConfig,
        http: HttpConfig,
        *,
        fetch: Fetch | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._config = config
        self._clock = clock
        self._refreshed_at: float | None = None
        self._source = _Source(config, http)
        self._flight = SingleFlight(
            self._source.fetch if fetch is None else fetch,
            refresh_before_s=_REFRESH_BEFORE_S,
            clock=clock,
        )

    @property
    def is_anonymous(self) -> bool:
        """No credentials are sent."""
        return self._config.anonymous

    async def sign(self, request: Request) -> Request:
        """Return `request` with a token; as it is, if anonymous.

        Raises:
            Unauthenticated: There is no token to be had.
        """
        if self._config.anonymous:
            return request
        token = self._config.access_token or await self._flight.get()
        headers = {**request.headers, "authorization": f"Bearer {token}"}
        return replace(request, headers=headers, credential=token)

    async def refresh(self, failed: object = None) -> None:
        """Drop the token: the store called it expired.

        All requests in flight find that out at about the same time, so calls that follow within a
        second do nothing: the first of them has brought a new one on its way. Nor do those of
        requests that were signed with an older token than the one at hand.
        """
        if not self._flight.is_current(failed):
            return
        now = self._clock()
        if self._refreshed_at is not None and 0 <= now - self._refreshed_at < _REFRESH_PAUSE_S:
            return
        self._refreshed_at = now
        self._flight.invalidate()

    def learn_time(self, server_date: str) -> bool:
        """Tokens do not depend on this machine's clock."""
        del server_date
        return False

    async def project(self) -> str | None:
        """Return the project that the settings name, or else the credentials; None if neither does.

        Raises:
            Unauthenticated: There are no credentials.
        """
        if self._config.project is not None or self._config.anonymous or self._config.access_token:
            return self._config.project
        await self._flight.get()
        return self._source.project

    async def source(self) -> str:
        """Tell where the credentials come from, never what they are.

        Raises:
            Unauthenticated: There are none.
        """
        if self._config.anonymous:
            return "none (anonymous)"
        if self._config.access_token is not None:
            return "GcsConfig.access_token"
        await self._flight.get()
        return self._source.name

    async def email(self) -> str:
        """Return the address of the service account that can sign.

        Raises:
            Unsupported: The credentials are those of a person, or a bare token.
            Unauthenticated: There are none.
        """
        if self._config.access_token is not None:
            raise Unsupported(_cannot_sign("an access token"), operation="sign_url")
        await self._flight.get()  # the metadata server tells the address with the first token
        return await asyncio.to_thread(self._source.email)

    async def sign_bytes(self, payload: bytes) -> bytes:
        """Sign with RSA-SHA256: by the account's own key, or by IAM's signBlob, 1 POST."""
        return await asyncio.to_thread(self._source.sign_bytes, payload)

    async def aclose(self) -> None:
        """Stop a fetch of a token that is under way."""
        await self._flight.aclose()
        self._source.close()


@final
class _Source:
    """google-auth's credentials, loaded at first use. Blocks.

    Attributes:
        name: Where they came from.
        project: The project they belong to, or None.
    """

    def __init__(self, config: GcsConfig, http: HttpConfig) -> None:
        self._config = config
        self._http = http
        self.name: str = ""
        self.project: str | None = None
        self._found: google.auth.credentials.Credentials | None = None
        self._session: requests.Session | None = None

    async def fetch(self) -> tuple[str, float | None]:
        """Return a fresh token."""
        return await asyncio.to_thread(self._fetch)

    def email(self) -> str:
        """Return the address of the account that `sign_bytes` signs as."""
        found = self._found
        email = getattr(found, "signer_email", None) or getattr(
            found, "service_account_email", None
        )
        if not isinstance(email, str):
            raise Unsupported(_cannot_sign("these credentials"), operation="sign_url")
        return email

    def sign_bytes(self, payload: bytes) -> bytes:
        """See `GoogleSigner.sign_bytes`."""
        from google.auth import iam
        from google.auth.credentials import Signing
        from google.auth.exceptions import GoogleAuthError

        found = self._found
        assert found is not None, "email() comes first"
        try:
            if isinstance(found, Signing):
                return bytes(found.sign_bytes(payload))  # type: ignore[no-untyped-call]  # it says nothing
            return bytes(iam.Signer(self._request(), found, self.email()).sign(payload))
        except (GoogleAuthError, OSError) as error:
            raise Unauthenticated(
                f"the service account could not sign: {_told(error)} (it needs the role "
                "roles/iam.serviceAccountTokenCreator on itself)"
            ) from None

    def close(self) -> None:
        """Close connections to the servers that give tokens."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _fetch(self) -> tuple[str, float | None]:
        from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError

        try:
            request = self._request()
            found = self._found
            if found is None:
                found, self.project, self.name = _load(self._config, request)
            found.refresh(request)
            self._found = found
        except InvalidConfig:
            raise
        except DefaultCredentialsError as error:
            raise Unauthenticated(_nothing_found(self._config, error)) from None
        except (GoogleAuthError, OSError) as error:
            # No cause: what a token server said may hold more than should be shown.
            raise Unauthenticated(_could_not(self._config, error)) from None
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise Unauthenticated(_could_not(self._config, error)) from None
        if not isinstance(found.token, str) or not found.token:
            raise Unauthenticated(_could_not(self._config, "no token came"))
        expiry = found.expiry
        return found.token, None if expiry is None else expiry.replace(tzinfo=UTC).timestamp()

    def _request(self) -> AuthRequest:
        """Return google-auth's way to send, with the TLS and proxy settings of our own."""
        try:
            import requests
            from google.auth.transport.requests import Request as AuthRequest
        except ImportError as error:
            message = "gs:// needs the package 'requests': run  pip install 'blobio[gcs]'"
            raise Unsupported(message) from error
        if self._session is None:
            session = requests.Session()
            session.trust_env = self._http.trust_env
            session.verify = (self._http.ca_file or True) if self._http.verify_tls else False
            if self._http.proxy is not None:
                session.proxies = {"http": self._http.proxy, "https": self._http.proxy}
            self._session = session
        return AuthRequest(session=self._session)


class _Loaded(NamedTuple):
    credentials: google.auth.credentials.Credentials
    project: str | None
    name: str


def _load(config: GcsConfig, request: AuthRequest) -> _Loaded:
    import google.auth
    from google.auth import environment_vars, impersonated_credentials

    project: str | None = None
    if config.credentials_file is not None:
        found: object = from_file(config.credentials_file, SCOPE)
        name = f"file {config.credentials_file} (GcsConfig.credentials_file)"
    else:
        # Looking for the project, google-auth may send a token before it returns the credentials.
        path = os.environ.get(environment_vars.CREDENTIALS)
        if path:
            check_file(path)
        found, project = google.auth.default(scopes=[SCOPE], request=request)
        name = f"file {path} ({environment_vars.CREDENTIALS})" if path else _found_in(found)
    project = project or _project_of(found)
    if config.impersonate is not None:
        found = impersonated_credentials.Credentials(
            source_credentials=found, target_principal=config.impersonate, target_scopes=[SCOPE]
        )
        name += f", acting as {config.impersonate}"
    return _Loaded(cast("google.auth.credentials.Credentials", found), project, name)


def _found_in(found: object) -> str:
    """Tell where google-auth found credentials by itself: a file of gcloud, or a service."""
    from google.auth import compute_engine

    if isinstance(found, compute_engine.Credentials):
        return "metadata server"
    tell = getattr(found, "get_cred_info", None)
    info = tell() if callable(tell) else None
    where = info.get("credential_source") if isinstance(info, dict) else None
    return f"file {where} (gcloud auth application-default login)" if where else "google-auth"


def _project_of(found: object) -> str | None:
    names = (getattr(found, name, None) for name in ("project_id", "quota_project_id"))
    return next((name for name in names if isinstance(name, str) and name), None)


def check_privacy(config: GcsConfig, *, is_private: bool, base: str) -> None:
    """Refuse to send tokens where others could read them.

    Raises:
        InvalidConfig: The endpoint is plain http on another machine, and not anonymous.
    """
    if not is_private and not config.anonymous:
        message = (
            f"a token is sent only over https, not to {redact(base)}; for an emulator set "
            "GcsConfig(anonymous=True)"
        )
        raise InvalidConfig(message)


def _told(error: object) -> str:
    """Return what went wrong without what may be a secret: the rest of an answer."""
    text = str(error.args[0] if isinstance(error, Exception) and error.args else error)
    return redact(" ".join(text.split()))[:_SHOWN]


def _could_not(config: GcsConfig, error: object) -> str:
    kind = f"{type(error).__name__}: " if isinstance(error, Exception) else ""
    where = f" of {config.credentials_file}" if config.credentials_file else ""
    return f"no token could be had for the Google credentials{where}: {kind}{_told(error)}"


def _nothing_found(config: GcsConfig, error: Exception) -> str:
    if config.credentials_file is not None:
        return f"{config.credentials_file} holds no Google credentials: {_told(error)}"
    return (
        f"no Google credentials were found ({_told(error)}): set GOOGLE_APPLICATION_CREDENTIALS, "
        "log in with 'gcloud auth application-default login', name a file with "
        "GcsConfig(credentials_file=...), or read public buckets with GcsConfig(anonymous=True) or "
        "BLOBFILE_FORCE_GOOGLE_ANONYMOUS_AUTH=1"
    )


def _cannot_sign(what: str) -> str:
    return (
        f"URLs are signed by a service account, which {what} cannot do: use its key file "
        "(GcsConfig(credentials_file=...)) or act as one (GcsConfig(impersonate=...))"
    )
