"""Shards with their footers parsed, and those of the local disk mapped: the ones used last."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Generic, TypeVar, final

from blobio.blocking.binding import Binding
from blobio.dataset.cachedreads import CachedReads
from blobio.dataset.formats import decoder_of
from blobio.dataset.formats.arrow import ArrowDecoder
from blobio.dataset.formats.base import Decoder
from blobio.dataset.local import map_file
from blobio.dataset.manifest import Manifest
from blobio.dataset.memory import Mapped
from blobio.url import BlobUrl

__all__ = ["Latest", "OpenShards"]

V = TypeVar("V")

_DECODERS: Final = 128
_MAPPINGS: Final = 1024  # of address space, not memory


@final
class OpenShards:
    """What readings of one process have opened of a manifest. May be used from any thread."""

    def __init__(
        self, manifest: Manifest, binding: Binding, cached: CachedReads | None = None
    ) -> None:
        self._manifest = manifest
        self._cached = cached
        self._binding = binding
        self._decoders: Latest[Decoder] = Latest(_DECODERS)
        self._mappings: Latest[Mapped | None] = Latest(_MAPPINGS)

    def decoder(self, index: int) -> Decoder:
        """Return what decodes a shard.

        Raises:
            pyarrow.ArrowException, OSError, ValueError: Its footer is damaged.
        """
        return self._decoders.get(index, self._decode)

    def mapped(self, index: int) -> Mapped | None:
        """Return a shard whose blocks can be taken where they lie: an Arrow file or stream.

        One on the local disk, or whose copy is in the cache as a whole.

        Raises:
            NotFound, VersionMismatch: Such a file is gone, or another one is there.
        """
        is_arrow = self._manifest.shards[index].format in ("arrow", "arrow_stream")
        return self._mappings.get(index, self._map) if is_arrow else None

    def _decode(self, index: int) -> Decoder:
        return decoder_of(self._manifest.shards[index], self._manifest.schema)

    def _map(self, index: int) -> Mapped | None:
        shard = self._manifest.shards[index]
        url = BlobUrl.parse(shard.url)
        mapped: Mapped | None
        if self._binding.capabilities(url).local_paths:
            mapped = map_file(url.key, shard.version, shard.size)
        else:  # a copy on the local disk, which nobody changes
            mapped = None if self._cached is None else self._cached.whole(shard)
        if mapped is None:
            return None
        decoder = self.decoder(index)
        assert isinstance(decoder, ArrowDecoder)
        return mapped if decoder.is_ready(mapped) else None


@final
class Latest(Generic[V]):
    """Values by number, made when they are not among the `most` that were used last.

    How is told on each call: a reference back to the owner would be a cycle, which holds its
    connections until the collector comes.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: OrderedDict[int, V] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, number: int, make: Callable[[int], V]) -> V:
        """Return a value, made if it is not known."""
        with self._lock:
            if number in self._known:
                self._known.move_to_end(number)
                return self._known[number]
        made = make(number)  # twice, if two threads are here at once
        with self._lock:
            self._known[number] = made
            while len(self._known) > self._most:
                self._known.popitem(last=False)
        return made
