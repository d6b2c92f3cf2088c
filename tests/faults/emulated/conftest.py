from __future__ import annotations

from collections.abc import Iterator

import pytest

from blobio.testing.emulators import HttpServer, S3Server, http_server
from tests.faults.emulated.grounds import Ground, Other, http_ground, other_client, s3_ground


@pytest.fixture(scope="session")
def other_s3(moto: S3Server) -> Iterator[Other]:
    with other_client(moto) as other:
        yield other


@pytest.fixture
def other(other_s3: Other) -> Iterator[Other]:
    """Another client; whatever happens, no upload may be left behind."""
    yield other_s3
    other_s3.empty()
    assert other_s3.open_uploads() == []


@pytest.fixture
def s3(moto: S3Server, other: Other) -> Iterator[Ground]:  # noqa: ARG001 - looks and cleans up
    """A bucket behind a proxy."""
    with s3_ground(moto) as ground:
        yield ground


@pytest.fixture(scope="session")
def file_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpServer]:
    with http_server(tmp_path_factory.mktemp("served")) as server:
        yield server


@pytest.fixture
def http(file_server: HttpServer) -> Iterator[Ground]:
    """A web server behind a proxy."""
    with http_ground(file_server) as ground:
        yield ground
