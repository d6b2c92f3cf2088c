"""fsspec's own abstract suites over blobio's stores: 137 tests each."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from fsspec.tests import abstract

from blobio.fsspec import BlobFileSystem
from tests.fsspec.conftest import STORES, Place


class _Fixtures(abstract.AbstractFixtures):
    """A directory of its own for each test."""

    @pytest.fixture(params=STORES)
    def here(self, request: pytest.FixtureRequest, make_place: Callable[[str], Place]) -> Place:
        return make_place(request.param)

    @pytest.fixture
    def fs(self, here: Place) -> BlobFileSystem:
        return here.fs

    @pytest.fixture
    def fs_path(self, here: Place) -> str:
        return here.path

    @pytest.fixture
    def fs_join(self) -> Callable[..., str]:
        return os.path.join

    @pytest.fixture
    def supports_empty_directories(self, fs: BlobFileSystem) -> bool:
        return fs.scheme == "file"


class TestCopy(abstract.AbstractCopyTests, _Fixtures): ...


class TestGet(abstract.AbstractGetTests, _Fixtures): ...


class TestPut(abstract.AbstractPutTests, _Fixtures): ...


class TestOpen(abstract.AbstractOpenTests, _Fixtures): ...


class TestPipe(abstract.AbstractPipeTests, _Fixtures):
    # rclone looks at no condition of a PUT, so `mode="create"` replaces what is there.
    @pytest.fixture(params=[store for store in STORES if store != "rclone"])
    def here(self, request: pytest.FixtureRequest, make_place: Callable[[str], Place]) -> Place:
        return make_place(request.param)
