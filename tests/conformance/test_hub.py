from __future__ import annotations

from operator import attrgetter
from typing import Final

import pytest

from blobio.testing.conformance import Case, Feature, capabilities_of, cases, open_harness
from blobio.testing.strict_hub import StrictHub
from blobio.url import BlobUrl

ROOT = BlobUrl("hf", "datasets/org/conformance", "")
CAPABILITIES = capabilities_of(ROOT)
KNOWN_LACKS = {
    Feature.CONDITIONS: "the Hub keeps each version: one that was seen is served for ever",
    Feature.TIMES: "times are told for fifty entries a request, which the quotas do not allow",
    Feature.NAMES_AND_PREFIXES: "git has no file `a` beside `a/b`",
    Feature.PATH_KEYS: "git has no such names",
    Feature.MARKERS: "git has no such names",
}


LACKS = {
    **KNOWN_LACKS,
    Feature.MISSING_BUCKETS: "to who is anonymous, missing datasets and private ones look alike",
}
_TOKEN: Final = "hf_member"


async def _run(
    case: Case, *, token: str | None = None, lfs: bool = False, cached: bool = False
) -> None:
    """Run a case; a tree has four entries a page, and with a token the dataset is private."""
    async with StrictHub() as server:
        repo = server.make_dataset("org/conformance")
        repo.commit({".gitattributes": b""})
        server.service.page_entries = 4
        server.service.cached = cached
        if token is not None:
            repo.private = True
            repo.readers.add(server.make_token(token))

        async def seed(key: str, data: bytes) -> None:
            repo.commit({key: data}, lfs=lfs)

        async with open_harness(ROOT, server.config(token), seed=seed) as harness:
            await case.run(harness)

        assert server.requests["unknown"] == 0


@pytest.mark.parametrize("case", cases(CAPABILITIES, LACKS), ids=attrgetter("name"))
async def test_files_that_another_host_delivers(case: Case) -> None:
    await _run(case, lfs=True)


@pytest.mark.parametrize("case", cases(CAPABILITIES, KNOWN_LACKS), ids=attrgetter("name"))
async def test_private_files_that_another_host_delivers(case: Case) -> None:
    await _run(case, token=_TOKEN, lfs=True)


@pytest.mark.parametrize("case", cases(CAPABILITIES, KNOWN_LACKS), ids=attrgetter("name"))
async def test_private_files_that_the_hub_delivers(case: Case) -> None:
    await _run(case, token=_TOKEN)


@pytest.mark.parametrize("case", cases(CAPABILITIES, LACKS), ids=attrgetter("name"))
async def test_files_that_the_hub_delivers_from_another_path(case: Case) -> None:
    await _run(case, cached=True)
