"""The formats of shards, one file each, and which of them a shard has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blobio.dataset.formats.arrow import ArrowDecoder
from blobio.dataset.formats.base import Decoder
from blobio.dataset.formats.parquet import ParquetDecoder
from blobio.dataset.formats.text import TextDecoder
from blobio.dataset.manifest import Shard

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["decoder_of"]


def decoder_of(shard: Shard, schema: pa.Schema) -> Decoder:
    """Return what decodes a shard of a dataset of that schema.

    Raises:
        pyarrow.ArrowException, OSError, ValueError: Its footer is damaged.
    """
    if shard.format == "parquet":
        return ParquetDecoder(shard)
    if shard.format in ("arrow", "arrow_stream"):
        return ArrowDecoder(shard)
    return TextDecoder(shard, schema)
