"""Sharded Arrow datasets straight from any store: read, shuffled, resumed, cached and written."""

from __future__ import annotations

from blobio.dataset.cache import Cache, CacheFull, CacheStats
from blobio.dataset.counting import ReadStats
from blobio.dataset.dataset import Dataset
from blobio.dataset.errors import BadShard, NotCached, Skipped
from blobio.dataset.explaining import Explanation
from blobio.dataset.freezing import ShardFault, freeze, load_manifest, save_manifest, verify
from blobio.dataset.iterating import BatchIterator, RowIterator
from blobio.dataset.joining import join_manifests
from blobio.dataset.loading import find_manifest, load_dataset, open_dataset, split_of
from blobio.dataset.manifest import Block, Manifest, Shard, Split
from blobio.dataset.manifestfields import ManifestError
from blobio.dataset.memory import set_memory_bytes
from blobio.dataset.merging import merge_states
from blobio.dataset.opening import field, open_source
from blobio.dataset.registry import Card, Registry
from blobio.dataset.source import RowRange, Source
from blobio.dataset.state import StateDict, StateMismatch
from blobio.dataset.view import RowView
from blobio.dataset.writer import ShardWriter, discard_unfinished
from blobio.datasetconfig import DatasetConfig

__all__ = [
    "BadShard",
    "BatchIterator",
    "Block",
    "Cache",
    "CacheFull",
    "CacheStats",
    "Card",
    "Dataset",
    "DatasetConfig",
    "Explanation",
    "Manifest",
    "ManifestError",
    "NotCached",
    "ReadStats",
    "Registry",
    "RowIterator",
    "RowRange",
    "RowView",
    "Shard",
    "ShardFault",
    "ShardWriter",
    "Skipped",
    "Source",
    "Split",
    "StateDict",
    "StateMismatch",
    "discard_unfinished",
    "field",
    "find_manifest",
    "freeze",
    "join_manifests",
    "load_dataset",
    "load_manifest",
    "merge_states",
    "open_dataset",
    "open_source",
    "save_manifest",
    "set_memory_bytes",
    "split_of",
    "verify",
]
