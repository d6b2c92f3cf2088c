"""What `doctor` finds out: of this machine, and of each store by one list call.

Nothing here reads a credential, or a variable that holds one: drivers tell where theirs come from.
"""

from __future__ import annotations

import os
import platform
import ssl
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Final, Protocol, final
from urllib.parse import urlsplit

from blobio.aio import AsyncContext
from blobio.cli.resuming import state_dir
from blobio.config import Config
from blobio.core.stores import Stores
from blobio.drivers.buckets import ROOTS, BucketEntry
from blobio.drivers.describing import Describes
from blobio.errors import BlobError, InvalidConfig, Unauthenticated, Unsupported
from blobio.values import ListOptions

__all__ = ["Finding", "machine", "places", "probe"]

_LIBRARIES: Final = (
    "aiohttp",
    "google-crc32c",
    "botocore",
    "google-auth",
    "requests",
    "azure-identity",
    "azure-storage-blob",
    "msal",
    "rich",
    "argcomplete",
)
_TOKENS: Final = "~/.blobio"  # where saved tokens are
_ATTEMPTS: Final = 2  # somebody waits for the answer
_SKEW_S: Final = 2.0  # Date has whole seconds, and the reply took a moment


class _Dated(Protocol):
    """What is asked of an event of the transport."""

    @property
    def server_date(self) -> str | None: ...


@final
@dataclass(slots=True)
class Finding:
    """How one store is.

    Attributes:
        place: What was asked for.
        facts: What is known of it, in order.
        skew_s: Seconds that this machine's clock is ahead of the store's; None if nobody said.
        ms: Time of the list call.
        error: Why it cannot be used, or None.
        is_set_up: False if nobody seems to want to use it: no credentials, no account, no project,
            or its packages are missing.
    """

    place: str
    facts: dict[str, str] = field(default_factory=dict)
    skew_s: float | None = None
    ms: int | None = None
    error: BlobError | OSError | None = None
    is_set_up: bool = True

    @property
    def status(self) -> str:
        """The word for it: `done`, `skipped` or `failed`."""
        if self.error is None:
            return "done"
        return "failed" if self.is_set_up else "skipped"


def machine(config: Config) -> dict[str, str]:
    """Return what a report needs to know of this machine, in order."""
    return {
        "blobio": version("blobio"),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "platform": platform.platform(),
        "libraries": ", ".join(f"{name} {_version(name)}" for name in _LIBRARIES),
        "proxy": _proxy(config),
        "certificates": _certificates(config),
        "state": ", ".join(_content(place) for place in (_TOKENS, state_dir(config))),
    }


async def places(words: Sequence[str], config: Config) -> list[Finding]:
    """Return what there is to look at: what `words` name, or without any all stores.

    A store with accounts is each of its accounts. One that cannot be looked at says why.
    """
    found: list[Finding] = []
    async with AsyncContext(config) as context:
        for word in words or ROOTS:
            try:
                found += [Finding(place) for place in await _accounts(word, context.stores)]
            except BlobError as error:
                found.append(Finding(word, error=error, is_set_up=bool(words)))
    return found


async def _accounts(word: str, stores: Stores) -> list[str]:
    """Return what is reached with one set of credentials: the store, or accounts of it."""
    buckets = stores.buckets(word)
    if buckets is None or isinstance(buckets, Describes):
        return [word]
    return [entry.url for entry in (await buckets.page(None)).entries]


async def probe(finding: Finding, config: Config, *, is_named: bool) -> Finding:
    """Find out about a place: what it takes to get credentials, and 1 list call.

    Args:
        finding: Is filled in and returned.
        config: The settings.
        is_named: It was asked for by name, so that it is meant to be set up.
    """
    if finding.error is not None:
        return finding
    dates: list[tuple[float, str]] = []

    def heard(event: _Dated) -> None:
        if event.server_date is not None:
            dates.append((time.time(), event.server_date))

    retry = replace(config.retry, attempts=min(config.retry.attempts, _ATTEMPTS))
    async with AsyncContext(replace(config, on_event=heard, retry=retry)) as context:
        try:
            await _look(finding, context.stores)
        except (Unauthenticated, InvalidConfig, Unsupported) as error:
            finding.error = error
            is_late = isinstance(error, Unauthenticated) and error.status is not None
            finding.is_set_up = is_named or is_late
        except (BlobError, OSError) as error:
            finding.error = error
    if dates:
        finding.skew_s = _skew(*dates[-1])
        finding.facts["clock"] = _clock(finding.skew_s)
    return finding


async def _look(finding: Finding, stores: Stores) -> None:
    """Fill in a finding; raises what kept it from being filled in to its end."""
    buckets = stores.buckets(finding.place)
    target: object = buckets
    if buckets is None:
        target, url = stores.locate(finding.place)
    if isinstance(target, Describes):
        whereabouts = await target.whereabouts()
        finding.facts["endpoint"] = whereabouts.endpoint
        finding.facts.update(whereabouts.place)
        finding.facts["credentials"] = await target.credential_source()
    start = time.perf_counter()
    if buckets is not None:
        page = await buckets.page(None)
        told = _counted(page.entries, more=page.token is not None)
    else:
        driver, url = stores.locate(finding.place)
        told = "the list call was answered"
        if driver.capabilities.listable:
            await driver.list_page(url.as_directory.key, ListOptions(page_size=1), None)
        else:
            told = f"{(await driver.head(url.key)).size} bytes"
    finding.ms = round((time.perf_counter() - start) * 1000)
    finding.facts["list"] = f"{told} in {finding.ms} ms"


def _counted(entries: Sequence[BucketEntry], *, more: bool) -> str:
    return f"{len(entries)}{'+' if more else ''} bucket{'' if len(entries) == 1 else 's'}"


def _skew(now: float, date: str) -> float | None:
    try:
        return round(now - parsedate_to_datetime(date).timestamp(), 1)
    except ValueError:
        return None


def _clock(skew_s: float | None) -> str:
    if skew_s is None:
        return "the store's Date cannot be read"
    if abs(skew_s) <= _SKEW_S:
        return "agrees with the store's"
    return f"{abs(skew_s):.0f} s {'ahead of' if skew_s > 0 else 'behind'} the store's"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "-"


def _proxy(config: Config) -> str:
    """Tell of the proxy without its user and password."""
    http = config.http
    if http.proxy is not None:
        parts = urlsplit(http.proxy)
        return f"{parts.scheme}://{parts.hostname}:{parts.port or ''}".rstrip(":")
    names = ", ".join(sorted(urllib.request.getproxies()))
    if http.trust_env:
        return f"of the environment ({names or 'none'})"
    return f"none; those of the environment are not used ({names})" if names else "none"


def _certificates(config: Config) -> str:
    http = config.http
    if not http.verify_tls:
        return "NOT VERIFIED (HttpConfig.verify_tls=False)"
    if http.ca_file is not None:
        return f"{http.ca_file} (BLOBIO_CA_FILE or HttpConfig.ca_file)"
    paths = ssl.get_default_verify_paths()
    return f"of the system ({paths.cafile or paths.capath or 'none found'})"


def _content(directory: str) -> str:
    """Tell how much a directory of this user's holds."""
    try:
        files = [entry for entry in os.scandir(os.path.expanduser(directory)) if entry.is_file()]
    except OSError:
        files = []
    if not files:
        return f"nothing in {directory}"
    size = sum(entry.stat().st_size for entry in files)
    return f"{len(files)} files, {size} bytes in {directory}"
