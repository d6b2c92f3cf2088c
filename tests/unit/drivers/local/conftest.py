from collections.abc import AsyncIterator

import pytest

from blobio.drivers.local import staging
from blobio.drivers.local.driver import LocalDriver


@pytest.fixture
async def driver() -> AsyncIterator[LocalDriver]:
    driver = LocalDriver()
    yield driver
    await driver.aclose()


@pytest.fixture(params=["unnamed", "named"])
def scratch_kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run each test with and without O_TMPFILE."""
    if request.param == "named":
        monkeypatch.setattr(staging, "_UNNAMED", 0)
    return str(request.param)
