"""The jobs: what each library is told to do, what comes before it, what must have come out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias, final

from benchmarks.data import BIG_KEY, LIST_PREFIX, UPLOAD_KEY, WARM_KEY, blocks
from benchmarks.peers.base import Peer, Place
from benchmarks.scale import Scale
from benchmarks.stores import STORES
from benchmarks.tally import Tally

__all__ = ["JOBS", "Job"]

_Run: TypeAlias = Callable[[], None]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job.

    Attributes:
        title: What is done, for people.
        ready: Called before the measurement, after one request to warm up; returns what is
            measured.
        judge: Raises `Wrong` unless the job was done.
        unable: Who has no way to do it.
        stores: Where it is done.
        tls: Over https.
        reads: It only reads files, so that nginx can serve it.
    """

    title: str
    ready: Callable[[Peer, Scale, Tally], _Run]
    judge: Callable[[Tally, Scale, Place], None]
    unable: tuple[str, ...] = ()
    stores: tuple[str, ...] = tuple(STORES)
    tls: bool = False
    reads: bool = True


def _read(peer: Peer, _scale: Scale, tally: Tally) -> _Run:
    peer.read(WARM_KEY)
    return lambda: tally.eat(peer.read(BIG_KEY))


def _stream(peer: Peer, scale: Scale, tally: Tally) -> _Run:
    peer.stream(WARM_KEY, scale.block_bytes, lambda _block: None)
    return lambda: peer.stream(BIG_KEY, scale.block_bytes, tally.eat)


def _small_many(peer: Peer, scale: Scale, tally: Tally) -> _Run:
    peer.read_many([WARM_KEY], scale.concurrency, lambda _key, _body: None)
    keys = scale.small_keys
    return lambda: peer.read_many(keys, scale.concurrency, tally.eat_one)


def _small_each(peer: Peer, scale: Scale, tally: Tally) -> _Run:
    peer.read_each([WARM_KEY], lambda _key, _body: None)
    keys = scale.small_keys
    return lambda: peer.read_each(keys, tally.eat_one)


def _upload_blocks(peer: Peer, scale: Scale, _tally: Tally) -> _Run:
    warm = bytes(scale.small_bytes)
    peer.write_blocks(f"{UPLOAD_KEY}.warm", iter([warm]), len(warm))
    # One object over and over: making the blocks must not be part of the costs.
    if scale.big_bytes > _DISTINCT_BYTES:
        block = next(blocks(scale.block_bytes, scale.block_bytes))
        source = iter([block] * (scale.big_bytes // scale.block_bytes))
    else:
        source = iter(list(blocks(scale.big_bytes, scale.block_bytes)))
    return lambda: peer.write_blocks(UPLOAD_KEY, source, scale.big_bytes)


_DISTINCT_BYTES: Final = 128 << 20


def _upload_bytes(peer: Peer, scale: Scale, _tally: Tally) -> _Run:
    peer.write_bytes(f"{UPLOAD_KEY}.warm", bytes(scale.small_bytes))
    body = b"".join(blocks(scale.big_bytes, scale.block_bytes))
    return lambda: peer.write_bytes(UPLOAD_KEY, body)


def _list(peer: Peer, _scale: Scale, tally: Tally) -> _Run:
    peer.read(WARM_KEY)

    def run() -> None:
        for size in peer.list_sizes(LIST_PREFIX):
            tally.count(size)

    return run


def _judge_upload(tally: Tally, scale: Scale, place: Place) -> None:
    tally.judge_upload(UPLOAD_KEY, scale, place)


_read_job: Final = partial(Job, ready=_read, judge=Tally.judge_big)

JOBS: Final = {
    "read": _read_job(title="1 GiB to memory"),
    "read-tls": _read_job(title="1 GiB to memory, TLS", tls=True, stores=("s3",)),
    "stream": Job(title="1 GiB in reads of 1 MiB", ready=_stream, judge=Tally.judge_big),
    "small-many": Job(
        title="2,000 x 16 KiB, 32 at a time", ready=_small_many, judge=Tally.judge_small
    ),
    "small-each": Job(
        title="2,000 x 16 KiB, one by one", ready=_small_each, judge=Tally.judge_small
    ),
    "upload": Job(
        title="1 GiB upload in writes of 1 MiB",
        ready=_upload_blocks,
        judge=_judge_upload,
        reads=False,
    ),
    "upload-bytes": Job(
        title="1 GiB upload from memory", ready=_upload_bytes, judge=_judge_upload, reads=False
    ),
    "list": Job(
        title="100,000 keys listed",
        ready=_list,
        judge=Tally.judge_list,
        unable=("smart_open",),
        reads=False,
    ),
}
