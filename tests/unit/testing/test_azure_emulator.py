from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from blobio.testing.emulators import AzureServer, azure, azure_server

SERVERS = Path(__file__).parents[2] / "servers"


def status(server: AzureServer, container: str, token: str | None = None) -> int:
    """Ask for a listing of `container` and return what the server answers."""
    headers = {"x-ms-version": "2023-11-03"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(  # noqa: S310 - http(s), loopback
        f"{server.url}/{server.account}/{container}?restype=container&comp=list", headers=headers
    )
    context = ssl.create_default_context(cafile=server.ca_file) if server.ca_file else None
    try:
        with urllib.request.urlopen(request, timeout=10, context=context) as reply:  # noqa: S310
            return int(reply.status)
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code


def test_containers_can_be_made_twice(azurite: AzureServer) -> None:
    azurite.make_container("emulator")
    azurite.make_container("emulator")
    azurite.make_container("emulator", account=azurite.second_account)


def test_anonymous_requests_are_refused(azurite: AzureServer) -> None:
    azurite.make_container("emulator")

    assert status(azurite, "emulator") in (403, 404)


def test_bearer_tokens_are_accepted_over_tls(azurite_oauth: AzureServer) -> None:
    azurite_oauth.make_container("emulator")

    assert status(azurite_oauth, "emulator", azurite_oauth.token().token) == 200
    assert status(azurite_oauth, "emulator", azurite_oauth.token(lives_s=-30).token) in (401, 403)


def test_key_is_not_in_the_repr(azurite: AzureServer) -> None:
    assert azurite.key not in repr(azurite)
    assert azurite.key not in repr(azurite.config())


def test_a_missing_program_is_an_error_that_names_the_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(azure, "_CHECKOUT", tmp_path)

    with pytest.raises(RuntimeError, match="npm install --global azurite"), azure_server():
        pass

    (tmp_path / "package.json").write_text("{}")
    with pytest.raises(RuntimeError, match="npm ci --prefix"), azure_server():
        pass


def test_lock_file_names_no_registry() -> None:
    lock = json.loads((SERVERS / "package-lock.json").read_text())

    packages = [entry for name, entry in lock["packages"].items() if name]
    assert packages
    for entry in packages:
        assert "resolved" not in entry
        assert entry["integrity"].startswith("sha512-")
