from collections.abc import AsyncIterator

import pytest

from blobio.drivers.local.driver import LocalDriver


@pytest.fixture
async def driver() -> AsyncIterator[LocalDriver]:
    driver = LocalDriver()
    yield driver
    await driver.aclose()
