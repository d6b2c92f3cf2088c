"""What blobio has to reach, and whether it did."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, final

from benchmarks.jobs import JOBS
from benchmarks.report import Summary
from benchmarks.stores import OURS

__all__ = ["TARGETS", "Target", "verdicts"]

Summaries: TypeAlias = dict[tuple[str, str], Summary]
_Value: TypeAlias = Callable[[Summaries], float]


@final
@dataclass(frozen=True, slots=True)
class Target:
    """One limit.

    Attributes:
        title: What is limited.
        value: Works it out of the figures; `KeyError` if they are not there.
        most: The limit.
    """

    title: str
    value: _Value
    most: float


def _cpu_ratio(job: str, peer: str) -> _Value:
    return lambda found: found[job, OURS].cpu_s.middle / found[job, peer].cpu_s.middle


def _peak_mib(job: str, payload_mib: float = 0.0) -> _Value:
    return lambda found: found[job, OURS].peak_mib.middle - payload_mib


_S3: Final = (
    Target("1 GiB to memory: CPU / obstore", _cpu_ratio("read", "obstore"), 1.0),
    Target("1 GiB to memory: CPU / s3fs", _cpu_ratio("read", "s3fs"), 1 / 3),
    Target("1 GiB to memory: MiB above the payload", _peak_mib("read", 1024.0), 64.0),
    Target("1 GiB to memory, TLS: CPU / obstore", _cpu_ratio("read-tls", "obstore"), 1.0),
    Target("1 GiB to memory, TLS: CPU / s3fs", _cpu_ratio("read-tls", "s3fs"), 1 / 3),
    Target("1 GiB to memory, TLS: MiB above the payload", _peak_mib("read-tls", 1024.0), 64.0),
    Target("1 GiB in reads of 1 MiB: MiB in all", _peak_mib("stream"), 128.0),
    Target("16 KiB, 32 at a time: CPU / obstore", _cpu_ratio("small-many", "obstore"), 1.0),
    Target("16 KiB, 32 at a time: CPU / s3fs", _cpu_ratio("small-many", "s3fs"), 0.1),
    Target("16 KiB, one by one: CPU / obstore", _cpu_ratio("small-each", "obstore"), 2.0),
    Target("1 GiB upload: CPU / obstore", _cpu_ratio("upload", "obstore"), 1.2),
    Target("1 GiB upload: MiB in all", _peak_mib("upload"), 200.0),
    Target("1 GiB from memory: CPU / obstore", _cpu_ratio("upload-bytes", "obstore"), 1.2),
    Target("1 GiB from memory: MiB in all", _peak_mib("upload-bytes"), 200.0),
    Target("Listing: CPU / obstore", _cpu_ratio("list", "obstore"), 1.0),
    Target("Listing: MiB in all", _peak_mib("list"), 16.0),
)


def _cloud(store: str, peer: str) -> Iterator[Target]:
    """Yield the targets of issue 4: a third of `peer` everywhere, no more than obstore at reads."""
    for name, job in JOBS.items():
        if store not in job.stores:
            continue
        yield Target(f"{job.title}: CPU / {peer}", _cpu_ratio(name, peer), 1 / 3)
        if job.reads:
            yield Target(f"{job.title}: CPU / obstore", _cpu_ratio(name, "obstore"), 1.0)


TARGETS: Final[Mapping[str, Sequence[Target]]] = {
    "s3": _S3,
    "gcs": tuple(_cloud("gcs", "gcsfs")),
    "azure": tuple(_cloud("azure", "adlfs")),
}


def verdicts(store: str, summaries: Summaries) -> str:
    """Return a table of the targets whose jobs and libraries were measured."""
    return "\n".join(
        ["| Target | at most | is | |", "| --- | ---: | ---: | --- |", *_rows(store, summaries)]
    )


def _rows(store: str, summaries: Summaries) -> Iterator[str]:
    for target in TARGETS[store]:
        try:
            value = target.value(summaries)
        except KeyError:
            continue
        verdict = "met" if value <= target.most else "**missed**"
        yield f"| {target.title} | {target.most:.2f} | {value:.2f} | {verdict} |"
