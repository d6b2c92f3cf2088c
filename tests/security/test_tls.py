"""Who is believed to be the server (row 13): certificates, authorities, versions."""

from __future__ import annotations

import datetime as dt
import ssl
import subprocess
import sys
import textwrap
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
import trustme

from blobio.config import Config, HttpConfig, RetryConfig, S3Config
from blobio.core.context import AsyncContext
from blobio.errors import InvalidConfig, TransportFailed
from blobio.transport.aiohttp import _tls
from tests.unit.transport.server import Received, Writer, ok, running

FAST: Final = RetryConfig(attempts=4, base_s=1e-4, max_s=1e-4)

ETAG: Final = "d12670d7de694d52b1ded8c9802451b0"  # the MD5 of what is served


@dataclass(frozen=True)
class Authority:
    """A certificate authority and the file that tells of it."""

    trust: trustme.CA
    file: str


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return _authority(tmp_path_factory.mktemp("ca"))


def _authority(folder: Path) -> Authority:
    trust = trustme.CA()
    trust.cert_pem.write_to_path(str(folder / "ca.pem"))
    return Authority(trust, str(folder / "ca.pem"))


@asynccontextmanager
async def _serving(certificate: trustme.LeafCert, **limits: ssl.TLSVersion) -> AsyncIterator[str]:
    """Serve one small blob over TLS; give the URL of the server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # old versions are the point
        for name, version in limits.items():
            setattr(context, name, version)
        if limits:
            context.set_ciphers("ALL:@SECLEVEL=0")

    async def answer(_: Received, writer: Writer) -> None:
        writer.write(ok(b"over TLS", headers=f'ETag: "{ETAG}"\r\n'))

    async with running(answer, tls=context) as server:
        yield server.url


def _context(url: str, http: HttpConfig) -> AsyncContext:
    s3 = S3Config(
        endpoint_url=url, region="us-east-1", access_key_id="AKID", secret_access_key="SECRET"
    )
    return AsyncContext(Config(http=http, s3=s3, retry=FAST))


async def _over_http(context: AsyncContext, url: str) -> bytes:
    return await context.read_bytes(f"{url}/k")


async def _over_s3(context: AsyncContext, url: str) -> bytes:
    del url
    return await context.read_bytes("s3://bucket/k")


READS: Final[Mapping[str, Callable[[AsyncContext, str], Awaitable[bytes]]]] = {
    "http": _over_http,
    "s3": _over_s3,
}
EVERY_DRIVER: Final = pytest.mark.parametrize("driver", READS)


async def _read(driver: str, url: str, http: HttpConfig) -> bytes:
    async with _context(url, http) as context:
        return await READS[driver](context, url)


@EVERY_DRIVER
async def test_certificate_of_a_named_authority_is_accepted(
    driver: str, authority: Authority
) -> None:
    """Row 13: `ca_file`."""
    async with _serving(authority.trust.issue_cert("127.0.0.1")) as url:
        assert await _read(driver, url, HttpConfig(ca_file=authority.file)) == b"over TLS"


def _self_signed(authority: Authority, tmp_path: Path) -> tuple[trustme.LeafCert, str | None]:
    del authority, tmp_path
    return trustme.CA().issue_cert("127.0.0.1"), None


def _other_authority(authority: Authority, tmp_path: Path) -> tuple[trustme.LeafCert, str | None]:
    return _authority(tmp_path).trust.issue_cert("127.0.0.1"), authority.file


def _other_host(authority: Authority, tmp_path: Path) -> tuple[trustme.LeafCert, str | None]:
    del tmp_path
    return authority.trust.issue_cert("store.example", "127.0.0.2"), authority.file


def _expired(authority: Authority, tmp_path: Path) -> tuple[trustme.LeafCert, str | None]:
    del tmp_path
    yesterday = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    return authority.trust.issue_cert("127.0.0.1", not_after=yesterday), authority.file


@EVERY_DRIVER
@pytest.mark.parametrize("kind", [_self_signed, _other_authority, _other_host, _expired])
async def test_certificate_that_proves_nothing_is_refused_at_once(
    driver: str,
    kind: Callable[[Authority, Path], tuple[trustme.LeafCert, str | None]],
    authority: Authority,
    tmp_path: Path,
) -> None:
    """Row 13: before a byte of the request is sent, and with no second try."""
    certificate, ca_file = kind(authority, tmp_path)
    async with _serving(certificate) as url:
        with pytest.raises(TransportFailed, match="certificate was not accepted") as caught:
            await _read(driver, url, HttpConfig(ca_file=ca_file))

    assert not caught.value.retryable
    assert not caught.value.ambiguous
    assert caught.value.attempts == 1


@EVERY_DRIVER
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
async def test_versions_before_1_2_are_not_spoken(
    driver: str, version: ssl.TLSVersion, authority: Authority
) -> None:
    """Row 13: whatever the system's own minimum is."""
    certificate = authority.trust.issue_cert("127.0.0.1")
    limits = {"minimum_version": version, "maximum_version": version}
    async with _serving(certificate, **limits) as url:
        with pytest.raises(TransportFailed, match=r"TLS failed|no connection"):
            await _read(driver, url, HttpConfig(ca_file=authority.file))


@pytest.mark.parametrize("verify_tls", [True, False])
@pytest.mark.filterwarnings("ignore:.*verify_tls:RuntimeWarning")
def test_minimum_version_does_not_depend_on_the_system(
    monkeypatch: pytest.MonkeyPatch, *, verify_tls: bool
) -> None:
    """Row 13: nor on whether certificates are verified."""

    def lax(cafile: str | None = None) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        assert cafile is None
        return context

    monkeypatch.setattr(ssl, "create_default_context", lax)

    assert _tls(HttpConfig(verify_tls=verify_tls)).minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_versions_from_1_2_on_are_spoken(
    version: ssl.TLSVersion, authority: Authority
) -> None:
    """Row 13."""
    certificate = authority.trust.issue_cert("127.0.0.1")
    async with _serving(certificate, minimum_version=version, maximum_version=version) as url:
        assert await _read("http", url, HttpConfig(ca_file=authority.file)) == b"over TLS"


@EVERY_DRIVER
async def test_no_verification_warns_and_works(driver: str) -> None:
    """Row 13: `verify_tls=False` is possible, and said aloud for each context that does it."""
    async with _serving(trustme.CA().issue_cert("store.example")) as url:
        for _ in range(2):
            with pytest.warns(RuntimeWarning, match="verify_tls is False"):
                assert await _read(driver, url, HttpConfig(verify_tls=False)) == b"over TLS"


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
async def test_file_of_authorities_that_is_none_is_refused(
    content: bytes | None, tmp_path: Path
) -> None:
    """Row 13: never the system's authorities in its place."""
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(InvalidConfig, match=r"HttpConfig\.ca_file .*ca\.pem"):
        await _read("http", "https://127.0.0.1:9", HttpConfig(ca_file=str(file)))


@pytest.mark.slow
async def test_https_does_not_turn_into_http() -> None:
    """Row 13: a port that answers in the clear gets no request."""

    async def answer(_: Received, writer: Writer) -> None:
        writer.write(ok(b"in the clear"))

    async with running(answer) as server:
        url = server.url.replace("http:", "https:")
        for driver in READS:
            with pytest.raises(TransportFailed):
                await _read(driver, url, HttpConfig(connect_timeout_s=0.2))

        assert server.requests == []


@pytest.mark.slow
def test_each_process_warns_of_its_own(authority: Authority) -> None:
    """Row 13: a warning in the parent does not silence the child."""
    del authority
    code = """
        import asyncio, warnings
        from blobio.config import HttpConfig
        from blobio.transport.aiohttp import AiohttpTransport
        from blobio.transport.message import Request

        async def main():
            transport = AiohttpTransport(HttpConfig(verify_tls=False))
            try:
                await transport.send(Request(method="GET", url="https://127.0.0.1:9/"))
            except ConnectionError:
                pass
            await transport.aclose()

        asyncio.run(main())
    """
    for _ in range(2):
        command = [sys.executable, "-c", textwrap.dedent(code)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own interpreter and code
        assert "RuntimeWarning: HttpConfig.verify_tls is False" in done.stderr
