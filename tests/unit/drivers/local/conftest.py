from collections.abc import AsyncIterator

import pytest

from blobio.drivers.local import staging
from blobio.drivers.local.driver import LocalDriver


@pytest.fixture(params=[0.0, 60.0], ids=["threads", "loop"])
async def driver(request: pytest.FixtureRequest) -> AsyncIterator[LocalDriver]:
    """Run each test with and without brief calls on the loop."""
    driver = LocalDriver(on_loop_s=request.param)
    yield driver
    await driver.aclose()


@pytest.fixture(params=["unnamed", "named"])
def scratch_kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run each test with and without O_TMPFILE."""
    if request.param == "named":
        monkeypatch.setattr(staging, "_UNNAMED", 0)
    return str(request.param)
