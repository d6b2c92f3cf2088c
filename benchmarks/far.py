"""`python -m benchmarks.far`: list 100,000 keys of a store whose replies take 50 ms, two ways.

In order, each page when the one before is known, and in ranges side by side. The store is a list in
this process: what counts here is who waits for whom.
"""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_right
from typing import Any, Final, final

from blobio.core.keyranges import scattered_pages
from blobio.core.listing import pages
from blobio.values import Capabilities, ListOptions, ListPage, listed_blobs

_KEYS: Final = 100_000
_REPLY_S: Final = 0.05


@final
class _Far:
    """Lists `shard-00000000.bin` and so on, as `Driver.list_page` does."""

    capabilities: Final = Capabilities(list_anywhere=True)

    def __init__(self) -> None:
        self.requests = 0
        self._keys = [f"keys/shard-{index:08}.bin" for index in range(_KEYS)]

    async def list_page(self, _prefix: str, options: ListOptions, token: str | None) -> ListPage:
        self.requests += 1
        await asyncio.sleep(_REPLY_S)
        start = bisect_right(self._keys, token or options.start_after)
        keys = self._keys[start : start + options.page_size]
        is_last = start + len(keys) >= _KEYS
        count = len(keys)
        blobs = listed_blobs(keys, [1] * count, [0.0] * count, [None] * count)
        return ListPage(blobs=blobs, token=None if is_last else keys[-1])


async def _main() -> None:
    for title, way in (("in order", pages), ("in ranges", scattered_pages)):
        far: Any = _Far()
        started = time.perf_counter()
        found = [len(page.blobs) async for page in way(far, "keys/")]
        seconds = time.perf_counter() - started
        print(f"{title}: {sum(found)} keys, {far.requests} requests, {seconds:.2f} s")


if __name__ == "__main__":
    asyncio.run(_main())
