"""From a scheme to its driver: built in, registered, from another package, or a clear refusal."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Iterator
from typing import Final, cast

import pytest

from blobio.config import Config
from blobio.drivers import registry
from blobio.drivers.base import Driver
from blobio.drivers.memory import MemoryDriver
from blobio.drivers.registry import DriverServices, make_driver, register
from blobio.errors import Unsupported
from blobio.transport.base import Transport
from blobio.transport.retry import Judge
from blobio.transport.signing import Signer
from blobio.url import BlobUrl

ELSEWHERE: Final = cast("Driver", object())


def _connect(*, signer: Signer | None = None, judge: Judge | None = None) -> Transport:
    del signer, judge
    message = "making a driver connects to nothing"
    raise AssertionError(message)


SERVICES: Final = DriverServices(Config(), _connect)


def make_elsewhere(url: BlobUrl, services: DriverServices) -> Driver:
    del url, services
    return ELSEWHERE


@pytest.fixture(autouse=True)
def _restore_registry() -> Iterator[None]:
    before = dict(registry._registered)
    yield
    registry._registered.clear()
    registry._registered.update(before)


def test_built_in_scheme_has_its_driver() -> None:
    driver = make_driver(BlobUrl.parse("memory://bucket/key"), SERVICES)

    assert isinstance(driver, MemoryDriver)


def test_registered_factory_takes_the_place_of_the_built_in_one() -> None:
    register("memory", make_elsewhere)

    assert make_driver(BlobUrl.parse("memory://bucket/key"), SERVICES) is ELSEWHERE


def test_missing_extra_names_the_command_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)

    with pytest.raises(Unsupported, match=r"'botocore'.*pip install 'blobio\[s3\]'") as caught:
        make_driver(BlobUrl.parse("s3://bucket/key"), SERVICES)

    assert caught.value.url == "s3://bucket/key"


def test_scheme_without_a_driver_is_refused_with_those_that_have_one() -> None:
    with pytest.raises(
        Unsupported, match=r"no driver serves new://.*file, gs, hf, http, https, memory, s3"
    ):
        make_driver(BlobUrl("new", "place", "file"), SERVICES)


def test_entry_point_of_another_package_serves_its_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, str]] = []

    def entry_points(**filters: str) -> list[importlib.metadata.EntryPoint]:
        asked.append(filters)
        value = f"{make_elsewhere.__module__}:{make_elsewhere.__name__}"
        return [importlib.metadata.EntryPoint("new", value, "blobio.drivers")]

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
    url = BlobUrl("new", "place", "file")

    first, second = make_driver(url, SERVICES), make_driver(url, SERVICES)

    assert first is ELSEWHERE
    assert second is ELSEWHERE
    assert asked == [{"group": "blobio.drivers", "name": "new"}]
