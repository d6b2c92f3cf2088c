"""An Azure Blob server: Azurite, Microsoft's own emulator, in memory."""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import shutil
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple, final

from blobio.config import AzureConfig, Config, HttpConfig
from blobio.testing.emulators.http import certificate
from blobio.testing.emulators.process import server_process

__all__ = ["AzureServer", "FixedToken", "Token", "azure_server"]

_PROGRAM: Final = "azurite-blob"
_ACCOUNTS: Final = ("devstoreaccount1", "second")
_KEY: Final = base64.b64encode(b"the key that the blobio tests share").decode()
# Where `npm ci` puts the program in a checkout of the project.
_CHECKOUT: Final = Path(__file__).parents[3] / "tests/servers"
_NOBODY: Final = "00000000-0000-0000-0000-000000000000"
_AUDIENCE: Final = "https://storage.azure.com"


class Token(NamedTuple):
    """A bearer token and the Unix time at which it expires."""

    token: str
    expires_on: int


@final
class FixedToken:
    """A credential of tests: gives the token it was made with, and counts.

    Attributes:
        asked: How often it was asked.
    """

    def __init__(self, token: Token) -> None:
        self.asked: int = 0
        self._token = token

    def get_token(self, *scopes: str) -> Token:
        """Return the token."""
        assert scopes == (f"{_AUDIENCE}/.default",), scopes
        self.asked += 1
        return self._token


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class AzureServer:
    """A running Azure Blob emulator with two accounts.

    Attributes:
        url: `http://127.0.0.1:PORT` or `https://127.0.0.1:PORT`.
        account: The first account.
        second_account: The other one.
        key: Key of both.
        ca_file: PEM file of the authority that signed its certificate; None without TLS.
    """

    url: str
    account: str = _ACCOUNTS[0]
    second_account: str = _ACCOUNTS[1]
    key: str = field(default=_KEY, repr=False)
    ca_file: str | None = None

    @property
    def endpoint_url(self) -> str:
        """What `AzureConfig.endpoint_url` must be."""
        return self.url + "/{account}"

    def config(self) -> Config:
        """Return a `Config` that reaches this server with the account's key."""
        azure = AzureConfig(endpoint_url=self.endpoint_url, account_key=self.key)
        return Config(azure=azure, http=HttpConfig(ca_file=self.ca_file))

    def token_config(self, token: Token | None = None) -> Config:
        """Return a `Config` that reaches this server with a bearer token."""
        credential = FixedToken(token or self.token())
        azure = AzureConfig(endpoint_url=self.endpoint_url, credential=credential)
        return Config(azure=azure, http=HttpConfig(ca_file=self.ca_file))

    def token(self, lives_s: int = 3600) -> Token:
        """Return a bearer token that the server accepts; it checks dates and names, no signature.

        https://github.com/Azure/Azurite/blob/main/README.md#oauth-configuration, read 2026-11-27.
        """
        now = int(time.time())
        claims = {
            "aud": _AUDIENCE,
            "iss": f"https://sts.windows.net/{_NOBODY}/",
            "iat": now - 60,
            "nbf": now - 60,
            "exp": now + lives_s,
            "oid": _NOBODY,
            "tid": _NOBODY,
        }
        parts = [_jwt_part({"alg": "RS256", "typ": "JWT"}), _jwt_part(claims), "c2lnbmF0dXJl"]
        return Token(".".join(parts), now + lives_s)

    def make_container(self, name: str, *, account: str | None = None) -> None:
        """Create a container, through the API. One that is there already stays."""
        from azure.core.exceptions import ResourceExistsError
        from azure.storage.blob import ContainerClient

        owner = account or self.account
        with ContainerClient(
            f"{self.url}/{owner}",
            name,
            credential={"account_name": owner, "account_key": self.key},
            connection_verify=self.ca_file or True,
            api_version="2023-11-03",
        ) as client:
            try:
                client.create_container()
            except ResourceExistsError:
                return


@contextmanager
def azure_server(*, tls: bool = False, oauth: bool = False) -> Iterator[AzureServer]:
    """Run Azurite's blob service, in memory, until the `with` block ends.

    Args:
        tls: Serve HTTPS with a certificate of an authority made for this server.
        oauth: Accept bearer tokens too; needs `tls`.

    Raises:
        RuntimeError: Azurite is not installed, `tls` and `trustme` is missing, or it did not start.
    """
    if importlib.util.find_spec("azure.storage.blob") is None:
        message = "the package azure-storage-blob is missing: run  pip install azure-storage-blob"
        raise RuntimeError(message)
    program = _program()
    scheme = "https" if tls else "http"
    authority: list[Path] = []

    def command(directory: Path) -> list[str]:
        accounts = ";".join(f"{name}:{_KEY}" for name in _ACCOUNTS)
        arguments = [
            *("env", f"AZURITE_ACCOUNTS={accounts}", program, "--silent", "--disableTelemetry"),
            *("--inMemoryPersistence", "--blobHost", "127.0.0.1", "--blobPort", "0"),
        ]
        if tls:
            issued, ca_file = certificate(directory)
            authority.append(ca_file)
            arguments += ["--cert", str(issued), "--key", str(issued)]
        return [*arguments, "--oauth", "basic"] if oauth else arguments

    def answers(port: int) -> bool:
        context = ssl.create_default_context(cafile=authority[0]) if tls else None
        try:
            with urllib.request.urlopen(  # noqa: S310 - http(s), loopback
                f"{scheme}://127.0.0.1:{port}/", timeout=5, context=context
            ):
                return True
        except urllib.error.HTTPError as reply:
            reply.close()
            return True
        except OSError:
            return False

    with server_process("azurite", command, answers) as (_, port):
        ca_file = str(authority[0]) if tls else None
        yield AzureServer(url=f"{scheme}://127.0.0.1:{port}", ca_file=ca_file)


def _jwt_part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def _program() -> str:
    """Return the path of `azurite-blob`: of the checkout, else the one on the PATH."""
    own = _CHECKOUT / "node_modules/.bin" / _PROGRAM
    found = str(own) if os.access(own, os.X_OK) else shutil.which(_PROGRAM)
    if found is None:
        how = (
            f"npm ci --prefix {_CHECKOUT}"
            if (_CHECKOUT / "package.json").exists()
            else "npm install --global azurite"
        )
        message = f"the program {_PROGRAM} is missing: run  {how}"
        raise RuntimeError(message)
    return found
