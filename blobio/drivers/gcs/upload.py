"""A write in parts: components side by side, composed into the object, removed whatever happens.

Components have names that nobody else uses, below `GcsConfig.component_prefix`, so the blob's own
directory shows nothing of a write under way. One compose takes at most 32 sources
(https://docs.cloud.google.com/storage/docs/composing-objects, read 2026-11-27); more go through
intermediate components. Each source is pinned to its generation, and the last compose carries the
condition of the write. The store deletes what it composes; what is left is deleted afterwards,
since some stores do not know how.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from typing import Final, final

from blobio import checksum
from blobio.drivers.gcs import writing
from blobio.drivers.gcs.bucket import Bucket
from blobio.drivers.gcs.errors import raise_for
from blobio.drivers.gcs.removing import delete_all
from blobio.drivers.gcs.resource import Resource, parse, put_result
from blobio.drivers.gcs.wire import Component, Wire
from blobio.drivers.gcs.writing import Claim
from blobio.drivers.parts import PartTable
from blobio.drivers.window import for_each
from blobio.errors import BlobError, NotFound, RequestFailed, UploadLost
from blobio.transport.message import Request, Response
from blobio.transport.retry import is_refusal
from blobio.values import Body, Overwrite, PartToken, PutOptions, PutResult

__all__ = ["MOST_SOURCES", "ComposedUpload", "groups"]

MOST_SOURCES: Final = 32

_logger: Final = logging.getLogger("blobio.drivers")
_IN_FLIGHT: Final = 16
_NOT_FOUND: Final = 404
_LANDING_S: Final = 2.0


def groups(components: Sequence[Component]) -> list[Sequence[Component]]:
    """Cut a row of components into as few groups as one compose each can take."""
    return [
        components[start : start + MOST_SOURCES]
        for start in range(0, len(components), MOST_SOURCES)
    ]


@final
class ComposedUpload:
    """An `Upload`.

    Attributes:
        prefix: Below which all its components are.
    """

    def __init__(self, bucket: Bucket, key: str, options: PutOptions) -> None:
        self._claim = Claim(bucket, key, writing.new_token(), options.mode)
        self._bucket = bucket
        self._options = options
        # Other classes bill for objects that are deleted early, as those of a failed write are
        config = replace(bucket.config, storage_class="STANDARD")
        self._staging = replace(bucket, config=config, wire=Wire(bucket.wire.endpoint, config))
        self._table = PartTable(self._claim.subject)
        self._components: dict[int, Component] = {}
        self._names: set[str] = set()
        self._under_way: set[asyncio.Task[Response]] = set()
        self._is_over = False
        self.prefix: str = f"{bucket.config.component_prefix}{writing.new_token()}/"
        bucket.wire.described(key, options, None)  # refuses now what could not be composed

    async def put_part(self, index: int, offset: int, body: Body) -> PartToken:
        """Write a component: 1 POST."""
        self._check()
        name = f"{self.prefix}{index:05}"
        self._names.add(name)
        crc32c, request = await writing.build_put(self._staging, name, body, PutOptions(), None)
        response = await self._send(replace(request, subject=self._claim.subject))
        if is_refusal(response) and not response.ambiguous and index not in self._components:
            self._names.discard(name)  # nothing is there
        raise_for(response, operation="put", subject=self._claim.subject)
        found = parse(response.body, self._claim.subject, "put")
        await writing.confirm(self._bucket, name, found, crc32c)
        self._components[index] = self._component(name, found, len(body), crc32c)
        return self._table.add(index, offset, len(body))

    async def complete(self, parts: Sequence[PartToken], *, size: int) -> PutResult:
        """Publish: 1 POST for up to 32 parts, more for more, then 1 for each 100 to delete them.

        If a lost reply has to be resolved, 1 GET of the resource more.
        """
        self._check()
        if not parts:
            parts = [await self.put_part(0, 0, b"")]
        self._table.check(parts, size)
        row: Sequence[Component] = [self._components[index] for index in range(len(parts))]
        level = 0
        while len(row) > MOST_SOURCES:
            level += 1
            row = await self._join(groups(row), level)
        request = self._bucket.wire.compose(self._claim.key, row, self._options, self._claim.token)
        try:
            found = await writing.send_write(self._claim, request)
        except NotFound as error:
            raise self._lost() from error
        self._is_over = True
        await self._clean_up()
        await writing.confirm(self._bucket, self._claim.key, found, self._joined("", row).crc32c)
        return put_result(found)

    async def abort(self) -> None:
        """Delete the components that are left: 1 POST for each 100, none after `complete`.

        Waits up to two seconds for those that are still on their way. What arrives later stays.
        """
        self._is_over = True
        if self._under_way:
            _, late = await asyncio.wait(self._under_way, timeout=_LANDING_S)
            for task in late:
                task.cancel()
        await self._remove_all()

    async def _send(self, request: Request) -> Response:
        """Send a component, even if the caller is cancelled.

        The store may act on a request that was cut off, and do so after the deletion by `abort`.
        """
        task = asyncio.create_task(self._bucket.send(request), name="blobio component")
        self._under_way.add(task)
        task.add_done_callback(self._landed)
        return await asyncio.shield(task)

    def _landed(self, task: asyncio.Task[Response]) -> None:
        self._under_way.discard(task)
        if not task.cancelled():
            task.exception()  # marks it as seen when the caller has gone

    async def _join(self, cut: Sequence[Sequence[Component]], level: int) -> list[Component]:
        """Compose each group into an intermediate component."""

        async def compose(numbered: tuple[int, Sequence[Component]]) -> Component:
            number, group = numbered
            name = f"{self.prefix}{level}-{number:05}"
            self._names.add(name)
            claim = Claim(self._staging, name, writing.new_token(), Overwrite())
            request = self._staging.wire.compose(name, group, PutOptions(), claim.token)
            try:
                found = await writing.send_write(claim, request)
            except NotFound as error:
                raise self._lost() from error
            whole = self._joined(name, group)
            await writing.confirm(self._bucket, name, found, whole.crc32c)
            return self._component(name, found, whole.size, whole.crc32c)

        return await for_each(compose, list(enumerate(cut)), _IN_FLIGHT)

    async def _clean_up(self) -> None:
        """Delete the components of a blob that is published: what fails is a warning."""
        try:
            await self._remove_all()
        except BlobError as error:
            _logger.warning(
                "%s is written, but components stayed behind below gs://%s/%s: %s",
                *(self._claim.subject, self._bucket.name, self.prefix, error),
            )

    async def _remove_all(self) -> None:
        """Delete what may be there, each whatever becomes of the others; raise the last failure."""
        failure: Exception | None = None
        for result in await delete_all(self._bucket, sorted(self._names)):
            if result.error is None or isinstance(result.error, NotFound):
                self._names.discard(result.key)
            else:
                failure = result.error
        if failure is not None:
            raise failure

    def _lost(self) -> UploadLost:
        message = (
            f"put of {self._claim.subject}: components of the upload are gone; "
            "write again from byte 0"
        )
        return UploadLost(message, url=self._claim.subject, operation="put", status=_NOT_FOUND)

    def _joined(self, name: str, row: Sequence[Component]) -> Component:
        """Return what `row` makes when it is laid end to end."""
        crc32c = reduce(lambda crc, one: checksum.combine(crc, one.crc32c, one.size), row, 0)
        return Component(name, "", sum(one.size for one in row), crc32c)

    def _component(self, name: str, found: Resource, size: int, crc32c: int) -> Component:
        generation = put_result(found).version
        if generation is None:
            message = f"put of {self._claim.subject}: a component was stored without a generation"
            raise RequestFailed(message, url=self._claim.subject, operation="put")
        return Component(name, generation, size, crc32c)

    def _check(self) -> None:
        if self._is_over:
            message = f"put of {self._claim.subject}: the upload is over"
            raise UploadLost(message, url=self._claim.subject, operation="put")
