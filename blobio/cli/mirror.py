"""Carry out the steps of a sync: copy, and delete what is still what was listed.

Each blob is looked at right before. A store that compares versions is then asked to delete just
that one; in the others, what somebody writes in the moment between is lost.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Final, final

from blobio.cli.exits import Exit, Stop
from blobio.cli.output import Value
from blobio.cli.session import Session, iterate
from blobio.core.copying import Way, plan
from blobio.core.ends import End, Means
from blobio.core.metadata import MTIME_KEY
from blobio.core.placing import Placement, place, require_usable
from blobio.core.syncing import State, Step
from blobio.errors import AlreadyExists, NotFound, VersionMismatch
from blobio.values import BlobMeta, CreateOnly, Overwrite, PutOptions, ReplaceIf, WriteMode

__all__ = ["Mirror"]

_LOOKED_AT: Final = 100
"""Blobs that are looked at before any of them is deleted."""


@final
class Mirror:
    """Makes changes to one tree after another one.

    Args:
        source: The tree that is followed.
        target: The tree that is changed.
        session: Where results go.
        means: What copies work with.
        dry_run: Only say what would be done.
        pinned: Copy only what was listed, over what was listed.
    """

    def __init__(
        self,
        source: End,
        target: End,
        session: Session,
        means: Means,
        *,
        dry_run: bool,
        pinned: bool,
    ) -> None:
        self._source = source
        self._target = target
        self._session = session
        self._means = means
        self._dry_run = dry_run
        self._pinned = pinned
        self.deleted: int = 0
        self._deleted_size = 0

    @property
    def copied(self) -> int:
        """Blobs that were copied, by other processes too."""
        return self._session.account.done - self.deleted

    @property
    def size(self) -> int:
        """Bytes of those."""
        return self._session.account.size - self._deleted_size

    def describe(self, step: Step) -> dict[str, Value]:
        """Return the fields that name a step in records."""
        target = str(_below(self._target, step.name).url)
        if step.source is None:
            return {"dst": target}
        return {"src": str(_below(self._source, step.name).url), "dst": target}

    async def copy(self, step: Step) -> None:
        """Copy one blob.

        Raises:
            BlobError: As `place`; `AlreadyExists` or `VersionMismatch` if it is to be pinned and
                an end is not what was listed.
        """
        assert step.source is not None
        start = time.monotonic()
        if not self._dry_run:
            await self._copy(step, step.source)
        ends = self.describe(step)
        self._report(f"cp {ends['src']} {ends['dst']}", ends, step.source.size, start)

    async def _copy(self, step: Step, state: State) -> None:
        source, target = _below(self._source, step.name), _below(self._target, step.name)
        is_streamed = plan(source, target) is Way.STREAM
        mode: WriteMode = Overwrite()
        if self._pinned:
            if is_streamed and state.version is not None:
                source = replace(source, version=state.version)
            else:
                await _require_unchanged(source, state)
            mode = await _mode(target, step.target)
        # The store's own copies bring the metadata along, and with it a time that was kept.
        keeps_time = is_streamed and target.driver.capabilities.metadata
        metadata = {MTIME_KEY: repr(state.mtime)} if keeps_time else {}
        meta = BlobMeta(
            key=source.url.key,
            size=state.size,
            mtime=state.mtime,
            ctime=state.mtime,
            version=state.version,
        )
        options = PutOptions(mode=mode, metadata=metadata)
        await place(Placement(source, target, step.name, meta), options, self._means)

    async def delete(self, steps: Iterable[Step]) -> None:
        """Delete blobs that are still what was listed; others are failures of the session."""
        remaining = iter(steps)
        while some := list(islice(remaining, _LOOKED_AT)):
            if self._dry_run:
                for step in some:
                    self._deleted(step)
                continue
            unchanged: list[Step] = []

            async def look(step: Step, found: list[Step] = unchanged) -> None:
                if await self._is_deletable(step):
                    found.append(step)

            await self._session.each(look, iterate(some), self.describe)
            able = self._target.driver.capabilities
            size = 1 if able.conditional_delete else able.delete_batch
            batches = list(_batches(unchanged, size))
            await self._session.each(
                self._delete, iterate(batches), lambda batch: self.describe(batch[0])
            )

    async def _is_deletable(self, step: Step) -> bool:
        """Tell whether a blob is still there.

        Raises:
            VersionMismatch: It is another one.
            Stop: It is a thing of the disk that has no versions.
        """
        assert step.target is not None
        require_usable(step.name, self._target)
        end = _below(self._target, step.name)
        if end.driver.capabilities.local_paths and step.target.version is None:
            message = f"{end.url}: it is neither a file nor leads to one, and was not deleted"
            raise Stop(Exit.SOME_FAILED, message)
        try:
            await _require_unchanged(end, step.target)
        except NotFound:
            return False
        return True

    async def _delete(self, batch: list[Step]) -> None:
        keys = [_below(self._target, step.name).url.key for step in batch]
        driver = self._target.driver
        version = None
        if driver.capabilities.conditional_delete:
            (step,) = batch
            assert step.target is not None
            version = step.target.version
        results = await driver.delete(keys, if_version=version)
        for step, result in zip(batch, results, strict=True):
            if result.error is None or isinstance(result.error, NotFound):
                self._deleted(step)
            else:
                self._session.fail(result.error, **self.describe(step))

    def _deleted(self, step: Step) -> None:
        assert step.target is not None
        self.deleted += 1
        self._deleted_size += step.target.size
        ends = self.describe(step)
        self._report(f"rm {ends['dst']}", ends, step.target.size, time.monotonic())

    def _report(self, text: str, ends: dict[str, Value], size: int, start: float) -> None:
        self._session.account.add(size)
        self._session.output.record(
            "result",
            f"would {text}" if self._dry_run else text,
            **ends,
            size=size,
            status="planned" if self._dry_run else "done",
            reason=None if "src" in ends else "delete",
            ms=None if self._dry_run else round((time.monotonic() - start) * 1000),
        )


def _below(root: End, name: str) -> End:
    return replace(root, url=root.url.with_key(root.url.key + name))


def _batches(steps: list[Step], size: int) -> Iterator[list[Step]]:
    return (steps[start : start + size] for start in range(0, len(steps), size))


async def _require_unchanged(end: End, listed: State) -> None:
    """Look at a blob; raise `VersionMismatch` if it is not what was listed."""
    meta = await end.driver.head(end.url.key)
    if not listed.describes(meta):
        message = f"{end.url} is not what was listed any more; it was left alone"
        raise VersionMismatch(message, url=end.url, operation="sync")


async def _mode(target: End, listed: State | None) -> WriteMode:
    """Return the condition that the target is what was listed, and look as well.

    Some servers take a condition and do not look at it; the look alone would leave a moment open.
    """
    able = target.driver.capabilities
    if listed is not None:
        await _require_unchanged(target, listed)
        version = listed.version if able.replace_if else None
        return Overwrite() if version is None else ReplaceIf(version)
    try:
        await target.driver.head(target.url.key)
    except NotFound:
        return CreateOnly() if able.create_only else Overwrite()
    message = f"{target.url} was not there when it was listed; it was left alone"
    raise AlreadyExists(message, url=target.url, operation="sync")
