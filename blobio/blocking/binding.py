"""`Binding`: how a blocking context holds its async one, across threads, forks and new settings."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, TypeVar, final

from blobio.blocking.portal import Portal, abandon, is_current, portal
from blobio.forks import IMPORTS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from blobio.config import Config
    from blobio.core.context import AsyncContext
    from blobio.url import BlobUrl
    from blobio.values import Capabilities

__all__ = ["Binding"]

T = TypeVar("T")


@final
class Binding:
    """The async context behind a blocking one, made on first use for this process's loop thread."""

    def __init__(self, config: Config | None = None) -> None:
        self._config = config
        self._bound: tuple[Portal, AsyncContext] | None = None
        self._retired: list[tuple[Portal, AsyncContext]] = []
        self._capabilities: dict[tuple[str, str], Capabilities] = {}

    def close(self) -> None:
        """Abort the writers that are open and close all connections; the next use opens anew."""
        for owner, core in self._take_all():
            owner.call(core.aclose())

    def __del__(self, is_finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        # an argument, since at exit the names of a module may be gone before its objects
        if is_finalizing():  # what was open has been closed at exit
            return
        for owner, core in self._take_all():
            owner.submit(core.aclose)

    def _take_all(self) -> list[tuple[Portal, AsyncContext]]:
        """Forget the async contexts of this one; return those of this process, to be closed."""
        bound = [*getattr(self, "_retired", ()), *filter(None, [getattr(self, "_bound", None)])]
        self._bound, self._retired = None, []
        if not bound:
            return []
        abandon([pair for pair in bound if not is_current(pair[0])])
        return [pair for pair in bound if is_current(pair[0])]

    @property
    def given(self) -> Config | None:
        """The settings as they were given: None for those of the environment."""
        return self._config

    @property
    def config(self) -> Config:
        """The settings."""
        if self._config is None:
            with IMPORTS:
                from blobio.config import Config

                self._config = Config.from_env()
        return self._config

    def configure(self, config: Config) -> None:
        """Use other settings for what is opened from now on."""
        with IMPORTS:
            self._config = config
            self._capabilities = {}
            if self._bound is not None:  # open files go on with it, so it is closed at the end
                self._retired.append(self._bound)
                self._bound = None

    def core(self) -> AsyncContext:
        """Return the async context behind this one, on this process's loop thread."""
        current = portal()
        bound = self._bound
        if bound is not None and bound[0] is current:
            return bound[1]
        with IMPORTS:
            if self._bound is None or self._bound[0] is not current:
                from blobio.core.context import AsyncContext

                if self._bound is not None:  # this is a fork
                    abandon(self._bound)
                core = AsyncContext(self.config)
                current.track(core)
                self._bound = (current, core)
                self._capabilities = {}  # asked again, so that drivers are made on the loop
            return self._bound[1]

    def call(self, verb: Callable[[AsyncContext], Coroutine[object, object, T]]) -> T:
        """Run a coroutine of the async context on the loop thread and wait for it."""
        core = self.core()
        return portal().call(verb(core))

    def capabilities(self, url: BlobUrl) -> Capabilities:
        """Return what the store of `url` can do, as a value of `blobio.values`."""
        place = (url.scheme, url.authority)
        known = self._capabilities.get(place)
        if known is None:
            known = self.call(lambda core: _capabilities(core, url))
            self._capabilities[place] = known
        return known

    def iterate(self, source: Callable[[AsyncContext], AsyncIterator[list[T]]]) -> Iterator[T]:
        """Yield the items of an async iterator of lists, crossing over once a list."""
        core = self.core()
        yield from portal().iterate(source(core))


async def _capabilities(core: AsyncContext, url: BlobUrl) -> Capabilities:
    return core.stores.driver(url).capabilities
