"""Scheme to driver: the only list of backends. Nothing is imported before a scheme is used.

Other packages add schemes with an entry point in the group `blobio.drivers`, whose name is the
scheme and whose value is a `DriverFactory`.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, cast, final

from blobio.config import Config
from blobio.errors import Unsupported
from blobio.forks import IMPORTS
from blobio.url import BlobUrl

if TYPE_CHECKING:
    from types import ModuleType

    from blobio.drivers.base import Driver
    from blobio.transport.base import Transport
    from blobio.transport.retry import Judge
    from blobio.transport.signing import Signer

__all__ = ["Connect", "DriverFactory", "DriverServices", "driver_module", "make_driver", "register"]


class Connect(Protocol):
    """Builds a driver's transport stack on the context's shared pool."""

    def __call__(self, *, signer: Signer | None = None, judge: Judge | None = None) -> Transport:
        """Return the stack; `judge` None means `blobio.transport.retry.judge_status`."""
        ...


@final
@dataclass(frozen=True, slots=True)
class DriverServices:
    """What a context lends its drivers.

    Attributes:
        config: All settings.
        connect: Returns the driver's own stack, `Retry(Observe(Sign(shared pool)))`. The context
            owns the pool; closing the stack leaves it open.
    """

    config: Config
    connect: Connect


class DriverFactory(Protocol):
    """Makes the driver that serves the authority of `url`."""

    def __call__(self, url: BlobUrl, services: DriverServices) -> Driver:
        """Return a new driver; no request is sent."""
        ...


class _Builtin(NamedTuple):
    module: str
    extra: str | None = None
    needs: str | None = None


_BUILTIN: Final = {
    "file": _Builtin("blobio.drivers.local"),
    "memory": _Builtin("blobio.drivers.memory"),
    "http": _Builtin("blobio.drivers.http"),
    "https": _Builtin("blobio.drivers.http"),
    "s3": _Builtin("blobio.drivers.s3", extra="s3", needs="botocore"),
    "gs": _Builtin("blobio.drivers.gcs", extra="gcs", needs="google.auth"),
    "hf": _Builtin("blobio.drivers.hub"),
    "az": _Builtin("blobio.drivers.azure", extra="azure", needs="azure.storage.blob"),
}
_registered: Final[dict[str, DriverFactory]] = {}


def register(scheme: str, factory: DriverFactory) -> None:
    """Serve `scheme` with `factory` from now on, in place of any other."""
    _registered[scheme] = factory


def make_driver(url: BlobUrl, services: DriverServices) -> Driver:
    """Make the driver that serves `url`'s scheme and authority.

    Raises:
        Unsupported: No driver serves the scheme, or its optional dependency is not installed; the
            message names the `pip install` to run.
    """
    with IMPORTS:
        factory = _registered.get(url.scheme) or _builtin(url) or _entry_point(url.scheme)
        if factory is None:
            known = ", ".join(sorted({*_BUILTIN, *_registered}))
            message = f"no driver serves {url.scheme}:// ({url}); installed drivers serve {known}"
            raise Unsupported(message, url=url)
        return factory(url, services)


def _builtin(url: BlobUrl) -> DriverFactory | None:
    module = driver_module(url)
    return None if module is None else cast("DriverFactory", module.make)


def driver_module(url: BlobUrl) -> ModuleType | None:
    """Return the package of our own driver for `url`'s scheme, or None if there is none.

    Raises:
        Unsupported: Its optional dependency is not installed.
    """
    entry = _BUILTIN.get(url.scheme)
    if entry is None:
        return None
    if entry.needs is not None and not _is_installed(entry.needs):
        message = (
            f"{url.scheme}:// needs the package {entry.needs!r}, which is not installed: "
            f"run  pip install 'blobio[{entry.extra}]'"
        )
        raise Unsupported(message, url=url)
    return importlib.import_module(entry.module)


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of the package that would hold it
        return False


def _entry_point(scheme: str) -> DriverFactory | None:
    for point in importlib.metadata.entry_points(group="blobio.drivers", name=scheme):
        factory = cast("DriverFactory", point.load())
        register(scheme, factory)
        return factory
    return None
