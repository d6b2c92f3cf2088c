"""Who asks: the token, found once and found again when the Hub does not know it any more."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final, final
from urllib.parse import urlsplit

from blobio.drivers.hub.errors import is_unknown_token
from blobio.errors import InvalidConfig, Unauthenticated, Unsupported
from blobio.hubconfig import HubConfig
from blobio.transport.message import Request, Response
from blobio.transport.retry import Verdict, judge_status
from blobio.transport.signing import SingleFlight

__all__ = ["HubSigner", "judge"]

_FILE: Final = "~/.cache/huggingface/token"
_EXCHANGED_S: Final = 600.0  # huggingface_hub keeps and renews what it has exchanged
_UNAUTHORIZED: Final = 401
_HERE: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def judge(request: Request, response: Response) -> Verdict:
    """Judge a reply of the Hub: a 401 is final but for a token that it does not know.

    To who is anonymous it says 401 for whatever is missing.
    """
    if response.status != _UNAUTHORIZED:
        return judge_status(request, response)
    return Verdict.REAUTHENTICATE if is_unknown_token(response) else Verdict.DONE


@final
class HubSigner:
    """Adds the token to requests; a `Signer` of the transport. It is given to the Hub's host only.

    Args:
        config: Says where the token is.
        endpoint: Base URL that it will be sent to.
        clock: Unix seconds.
    """

    def __init__(
        self, config: HubConfig, endpoint: str, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._config = config
        self._endpoint = endpoint
        self._clock = clock
        self._flight = SingleFlight(self._fetch, clock=clock)

    async def sign(self, request: Request) -> Request:
        """Return `request` with a token; as it is, if there is none.

        Raises:
            InvalidConfig: Others could read the token on its way.
            Unauthenticated: It could be no token.
        """
        token = await self._flight.get()
        if token is None:
            return request
        headers = {**request.headers, "authorization": f"Bearer {token}"}
        return replace(request, headers=headers, credential=token)

    async def source(self) -> str:
        """Tell where the token comes from, never what it is.

        Raises:
            InvalidConfig, Unauthenticated, Unsupported: As `sign`.
        """
        config = self._config
        if await self._flight.get() is None:
            return "none (anonymous)"
        if config.oidc:
            return "identity of this job (HF_OIDC_RESOURCE)"
        if config.token is not None:
            return "HubConfig.token (HF_TOKEN)"
        return f"file {config.token_file or _FILE}"

    async def refresh(self, failed: object = None) -> None:
        """Look for the token again: the Hub did not know this one."""
        self._flight.invalidate(failed)

    def learn_time(self, server_date: str) -> bool:
        """Tokens do not depend on this machine's clock."""
        del server_date
        return False

    async def aclose(self) -> None:
        """Stop a search that is under way."""
        await self._flight.aclose()

    async def _fetch(self) -> tuple[str | None, float | None]:
        token, expires_at = await self._find()
        if token is None:
            return None, expires_at
        if not (token.isascii() and token.isprintable() and " " not in token):
            message = "the token for the Hub has characters that no token has: set another one"
            raise Unauthenticated(message)
        parts = urlsplit(self._endpoint)
        if parts.scheme != "https" and parts.hostname not in _HERE:
            message = (
                f"a token is sent only over https, not to {self._endpoint}: "
                "use an https endpoint, or HubConfig(token=False)"
            )
            raise InvalidConfig(message)
        return token, expires_at

    async def _find(self) -> tuple[str | None, float | None]:
        config = self._config
        if config.token is False:
            return None, None
        if config.oidc:
            return await asyncio.to_thread(_exchanged), self._clock() + _EXCHANGED_S
        if config.token is not None:
            return config.token, None
        return await asyncio.to_thread(_read, config.token_file or _FILE), None


def _read(path: str) -> str | None:
    try:
        with open(os.path.expanduser(path), encoding="utf-8") as file:
            return file.read().strip() or None
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as error:
        message = f"the token for the Hub cannot be read from {path}: {type(error).__name__}"
        raise Unauthenticated(message) from None


def _exchanged() -> str:
    """Have huggingface_hub exchange this job's identity for a token, as the environment says."""
    try:
        import huggingface_hub
    except ImportError as error:
        message = "HubConfig.oidc needs a package: run  pip install 'huggingface_hub>=1.19'"
        raise Unsupported(message) from error
    try:
        token: object = huggingface_hub.get_token()
    except Exception as error:  # noqa: BLE001 - it may be any of its client's
        # No cause: what the server said may hold more than should be shown.
        message = f"the identity of this job got no token for the Hub: {type(error).__name__}"
        raise Unauthenticated(message) from None
    if not isinstance(token, str) or not token:
        message = "the identity of this job got no token for the Hub"
        raise Unauthenticated(message)
    return token
