"""What the machine around may change: netrc, proxies, imports, names (rows 14 and 25)."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Final

import pytest

from blobio.config import Config, HttpConfig, RetryConfig, S3Config
from blobio.core.context import AsyncContext
from blobio.errors import BlobError
from blobio.testing.scripted import ScriptedServer, serving

FAST: Final = RetryConfig(attempts=2, base_s=1e-4, max_s=1e-4)
PROXY_VARIABLES: Final = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY")


@pytest.mark.parametrize("trust_env", [False, True])
async def test_netrc_is_never_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, trust_env: bool
) -> None:
    """Row 14: neither from `NETRC` nor from the home directory (CVE-2024-47081 and its like)."""
    netrc = tmp_path / ".netrc"
    netrc.write_text(
        "machine 127.0.0.1 login user password c4nary\ndefault login u password c4nary"
    )
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))

    with ScriptedServer(serving(b"content")) as server:
        config = Config(http=HttpConfig(trust_env=trust_env), retry=FAST)
        async with AsyncContext(config) as context:
            await context.read_bytes(f"{server.url}/k")

        assert "authorization" not in server.requests[0].headers


async def test_proxies_of_the_environment_are_not_used_unasked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Row 14: for web servers and object stores alike."""
    with ScriptedServer([]) as proxy, ScriptedServer(serving(b"content")) as server:
        for name in PROXY_VARIABLES:
            monkeypatch.setenv(name, proxy.url)
        s3 = S3Config(
            endpoint_url=server.url, region="us-east-1", anonymous=True, etag_is_md5=False
        )
        async with AsyncContext(Config(s3=s3, retry=FAST)) as context:
            assert await context.read_bytes(f"{server.url}/k") == b"content"
            assert await context.read_bytes("s3://bucket/k") == b"content"

        assert proxy.requests == []


@pytest.mark.parametrize("scheme", ["http://", ""])
async def test_proxy_of_the_environment_is_used_if_trusted(
    monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    """Row 14: with its password, which is told to nobody else; written with a scheme or without."""
    with ScriptedServer(serving(b"from the proxy")) as proxy:
        address = proxy.url.removeprefix("http://")
        monkeypatch.setenv("http_proxy", f"{scheme}user:c4nary@{address}")
        async with AsyncContext(Config(http=HttpConfig(trust_env=True), retry=FAST)) as context:
            assert await context.read_bytes("http://h.example/k") == b"from the proxy"

        assert proxy.requests[0].headers["proxy-authorization"].startswith("Basic ")
    monkeypatch.setenv("http_proxy", f"{scheme}user:c4nary@127.0.0.1:9")
    async with AsyncContext(Config(http=HttpConfig(trust_env=True), retry=FAST)) as context:
        with pytest.raises(BlobError) as caught:
            await context.read_bytes("http://h.example/k")
    assert "c4nary" not in str(caught.value)


# Prints what the code that follows it does beside running: each event of the interpreter that
# opens a file which is no code, or has to do with the network or other programs.
AUDIT: Final = """
    import json, os, sys, sysconfig
    import encodings.idna, encodings.utf_8  # what any program may have
    events = []
    code = tuple(
        os.path.realpath(path) for path in {*sysconfig.get_paths().values(), *sys.path} if path
    )

    def hook(name, arguments):
        if name.startswith(("socket.", "subprocess.", "os.system", "os.exec", "os.posix_spawn",
                            "urllib.", "http.", "ftplib.", "smtplib.", "pickle.find_class")):
            events.append([name, repr(arguments)[:200]])
        elif name == "open" and isinstance(arguments[0], str):
            path = os.path.realpath(arguments[0])
            if not path.startswith(code) or not path.endswith((".py", ".pyc", ".so")):
                events.append([name, path])

    sys.addaudithook(hook)
"""

IMPORTS: Final = {
    "import blobio": "import blobio",
    "import blobio.aio": "import blobio.aio",
    "contexts": "import blobio, blobio.aio; blobio.Context(); blobio.aio.AsyncContext()",
    "drivers": """
        import blobio.drivers.local, blobio.drivers.memory, blobio.drivers.http, blobio.drivers.s3
        import blobio.transport.aiohttp
    """,
}


def _events(code: str) -> list[list[str]]:
    program = textwrap.dedent(AUDIT) + textwrap.dedent(code) + "\nprint(json.dumps(events))"
    done = subprocess.run(  # noqa: S603 - our own interpreter and code
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    events: list[list[str]] = json.loads(done.stdout)
    return events


@pytest.mark.slow
@pytest.mark.parametrize("what", IMPORTS)
def test_import_reads_no_file_and_opens_no_socket(what: str) -> None:
    """Row 25: nothing but code is read, and nobody is asked."""
    # `mimetypes` and `uuid` of the standard library look at the system when aiohttp imports them.
    system = ("/etc/mime.types", "/usr/share/", "/proc/", "/etc/os-release")

    events = _events(IMPORTS[what])

    assert [event for event in events if not event[1].startswith(system)] == []


def test_the_audit_would_see_it() -> None:
    """Row 25: the test above can fail."""
    events = _events("import socket; open('/etc/hostname', 'rb').close(); socket.socket().close()")

    assert {name for name, _ in events} == {"open", "socket.__new__"}


@pytest.mark.parametrize("path", ["s3://bucket/k", "http://store.invalid/k"])
async def test_no_name_is_looked_up_but_that_of_the_store(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 25: no other host is asked whether the network works, when a name is not found."""
    asked: list[object] = []

    def nobody_knows(host: object, *_: object, **__: object) -> object:
        asked.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nobody_knows)
    s3 = S3Config(endpoint_url="http://store.invalid", region="us-east-1", anonymous=True)
    async with AsyncContext(Config(s3=s3, retry=FAST)) as context:
        with pytest.raises(BlobError, match="could not be resolved"):
            await context.read_bytes(path)

    assert set(asked) == {"store.invalid"}
