"""The settings of datasets, a branch of `blobio.config.Config`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, final

from blobio.errors import InvalidConfig

__all__ = ["DatasetConfig"]

_TRUE: Final = frozenset({"1", "ON", "YES", "TRUE"})  # as the library `datasets` takes it


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetConfig:
    """Where datasets are found and kept.

    Attributes:
        registry: The registry that `load_dataset` looks names up in, a prefix in any store.
        cache_dir: Where `Cache` keeps its copies; None for `~/.cache/blobio/datasets`.
        cached: Read datasets through the cache in `cache_dir`, unless `cache=` says otherwise.
        offline: Ask no store: what is not in the cache, in the version that was asked for, is an
            error.
        hedge_share: Of the range reads of a dataset, how many may be sent a second time because
            they take long, see `blobio.dataset.hedging`: 0.05 is up to 5 % more GETs, most of
            them answered in part only. 0 for none.
    """

    registry: str | None = None
    cache_dir: str | None = None
    offline: bool = False
    cached: bool = False
    hedge_share: float = 0.05

    def __post_init__(self) -> None:
        if not 0 <= self.hedge_share <= 1:
            message = f"DatasetConfig.hedge_share is 0 to 1, not {self.hedge_share}"
            raise InvalidConfig(message)

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> DatasetConfig:
        """Return the defaults, changed by the environment.

        Reads `BLOBIO_REGISTRY`; `BLOBIO_CACHE_DIR`, then `XDG_CACHE_HOME`, in which it is
        `blobio/datasets`; `BLOBIO_OFFLINE`, then `HF_DATASETS_OFFLINE`, then `HF_HUB_OFFLINE`;
        `BLOBIO_CACHE_DATASETS`. The first that is set and not empty counts.
        """
        home = env.get("XDG_CACHE_HOME")
        offline = (
            env.get("BLOBIO_OFFLINE")
            or env.get("HF_DATASETS_OFFLINE")
            or env.get("HF_HUB_OFFLINE")
            or ""
        )
        return cls(
            registry=env.get("BLOBIO_REGISTRY") or None,
            cache_dir=env.get("BLOBIO_CACHE_DIR") or (f"{home}/blobio/datasets" if home else None),
            offline=offline.upper() in _TRUE,
            cached=env.get("BLOBIO_CACHE_DATASETS", "").upper() in _TRUE,
        )
