from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from urllib.parse import quote, unquote

import pytest

from blobio.testing.conformance import Case, capabilities_of, cases, open_harness
from blobio.testing.emulators import HttpServer, http_server
from blobio.url import BlobUrl

CASES = cases(capabilities_of(BlobUrl("http", "127.0.0.1:1", "")))


@pytest.fixture(scope="session", params=["http", "https"])
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[HttpServer]:
    with http_server(tmp_path_factory.mktemp("site"), tls=request.param == "https") as server:
        yield server


@pytest.mark.parametrize("case", CASES, ids=attrgetter("name"))
async def test_http_driver(case: Case, site: HttpServer) -> None:
    async def seed(key: str, data: bytes) -> None:
        path = site.root / unquote(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        new = site.root / "new"
        new.write_bytes(data)
        new.replace(path)

    root = BlobUrl.parse(f"{site.url}/")
    async with open_harness(root, site.config(), name_to_key=quote, seed=seed) as harness:
        await case.run(harness)
