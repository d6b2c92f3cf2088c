"""A write in blocks: sent in any order, published by one request, or forgotten."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import secrets
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, final

from blobio.drivers.azure import writing
from blobio.drivers.azure.container import Container
from blobio.drivers.azure.errors import error_for, raise_for, upload_lost
from blobio.drivers.azure.wire import block_id
from blobio.drivers.parts import PartTable
from blobio.drivers.resumable import SentPart
from blobio.errors import DeadlineExceeded, TransportFailed
from blobio.transport.message import Response
from blobio.values import Body, PartToken, PutOptions, PutResult, WriteMode

if TYPE_CHECKING:
    from hashlib import _Hash

__all__ = ["AzureUpload", "begin", "reopen"]

_FIRST_FAILURE: Final = 300
_RANDOM: Final = re.compile("[0-9a-f]{32}")
_MD5_IN_THREAD_BYTES: Final = 1 << 20


def begin(container: Container, key: str, options: PutOptions) -> AzureUpload:
    """Start an upload: no request."""
    token = writing.new_upload_token()
    description = container.wire.description(options, token)
    return AzureUpload(container, key, description, token=token, mode=options.mode)


def reopen(
    container: Container, key: str, options: PutOptions, state: Mapping[str, str]
) -> AzureUpload | None:
    """Return the upload that left this state: no request; None if it is no such state.

    Its blob gets no MD5: what was sent before is not at hand.
    """
    token, session = state.get("token", ""), state.get("session", "")
    if not _RANDOM.fullmatch(token) or not _RANDOM.fullmatch(session):
        return None
    description = container.wire.description(options, token)
    return AzureUpload(container, key, description, token=token, mode=options.mode, session=session)


@final
class AzureUpload:
    """An `Upload`.

    Blocks that are not published are seen by nobody. They cannot be taken back one by one: the
    service drops those of a blob when anybody publishes to it, or a week after the last of them
    (https://learn.microsoft.com/rest/api/storageservices/put-block, read 2026-11-27). So `abort`
    sends nothing, and never touches what other writers are sending to the same blob.

    Args:
        container: Where to.
        key: What to write.
        description: All headers that describe the blob, the token's among them.
        token: The write token.
        mode: The condition, decided when the blocks are published.
        operation: The driver verb, for errors.
        session: What the names of its blocks begin with; None for a new one.
    """

    def __init__(
        self,
        container: Container,
        key: str,
        description: Mapping[str, str],
        *,
        token: str,
        mode: WriteMode,
        operation: str = "put",
        session: str | None = None,
    ) -> None:
        self._container = container
        self._key = key
        self._description = description
        self._token = token
        self._mode = mode
        self._operation = operation
        self._session = session or secrets.token_hex(16)
        self._subject = container.subject(key)
        self._parts = PartTable(self._subject)
        self._digest = _WholeDigest()
        self._empty: set[int] = set()
        self._is_over = False

    async def put_part(self, index: int, offset: int, body: Body) -> PartToken:
        """Send a block: 1 PUT, none for an empty one."""
        md5 = await self._digest.add(index, body)
        if not len(body):  # the service takes no empty blocks; it takes an empty list of them
            self._empty.add(index)
            return self._parts.add(index, offset, 0)
        self._empty.discard(index)
        block = block_id(self._session, index)
        response = await self._container.send(
            self._container.wire.put_block(self._key, block, body, md5)
        )
        raise_for(response, operation=self._operation, subject=self._subject)
        return self._parts.add(index, offset, len(body))

    def note_copied(self, index: int, offset: int, size: int) -> PartToken:
        """Note that the store itself filled block `index`; the blob gets no MD5 then."""
        self._digest.give_up()
        return self._parts.add(index, offset, size)

    @property
    def state(self) -> Mapping[str, str]:
        """What finds the upload again; see `ResumableUpload`."""
        return {"session": self._session, "token": self._token}

    def note_sent(self, parts: Mapping[int, SentPart]) -> None:
        """Note that an earlier process sent these; the blob gets no MD5 then."""
        self._digest.give_up()
        for index, part in parts.items():
            self._parts.add(index, part.offset, part.size)

    async def leave(self) -> None:
        """Let go of the upload as it is: no request."""
        self._is_over = True

    def block(self, index: int) -> str:
        """Return the id of a block of this upload."""
        return block_id(self._session, index)

    async def complete(self, parts: Sequence[PartToken], *, size: int) -> PutResult:
        """Publish: 1 PUT, and 1 HEAD if the outcome has to be found out."""
        if self._is_over:
            raise upload_lost(self._subject)
        self._parts.check(parts, size)
        md5 = self._digest.base64()
        description = dict(self._description)
        if md5 is not None:
            description["x-ms-blob-content-md5"] = md5
        blocks = [self.block(int(token)) for token in parts if int(token) not in self._empty]
        request = self._container.wire.put_block_list(
            self._key, blocks, description, self._mode, self._operation
        )
        claim = writing.Claim(self._container, self._key, self._token, self._mode, size)
        try:
            response = await self._container.send(request)
        except (TransportFailed, DeadlineExceeded) as fault:
            own = await writing.settle_fault(claim, fault)
            if own is None:
                raise
            self._is_over = True
            return own
        return await self._settle(response, claim, md5)

    async def abort(self) -> None:
        """Forget the upload: no request, see above."""
        self._is_over = True

    async def _settle(self, response: Response, claim: writing.Claim, md5: str | None) -> PutResult:
        if response.status < _FIRST_FAILURE:
            self._is_over = True
            return writing.published(response, self._subject, md5)
        error = error_for(
            response, operation=self._operation, subject=self._subject, mode=self._mode
        )
        result = await writing.settle(claim, response, error)
        self._is_over = True
        return result


@final
class _WholeDigest:
    """The MD5 of the whole blob, as long as its blocks come one after the other.

    Blocks are sent at once, so each waits here, in the order in which it was handed over, until
    the one before it is in. Its own MD5 is computed after its turn, beside the turns of the next. A
    block out of order ends it: the blob then gets no MD5.
    """

    def __init__(self) -> None:
        self._whole: _Hash | None = hashlib.md5(usedforsecurity=False)
        self._next = 0
        self._turn = asyncio.Lock()  # serves those who wait in the order in which they came
        self._blocks: dict[int, str] = {}

    async def add(self, index: int, body: Body) -> str:
        """Take in a block; return its own MD5, base64."""
        if index > self._next or self._whole is None:
            self.give_up()
        elif index < self._next:  # sent again: the same bytes, or all is off
            md5 = await writing.md5_base64(body)
            if self._blocks.get(index) != md5:
                self.give_up()
            return md5
        else:
            self._next += 1
            async with self._turn:
                so_far = await self._update(body)
            # All up to the end of the first block is that block: a small blob is hashed once.
            md5 = so_far if index == 0 and so_far else await writing.md5_base64(body)
            self._blocks[index] = md5
            return md5
        return await writing.md5_base64(body)

    async def _update(self, body: Body) -> str | None:
        if len(body) > _MD5_IN_THREAD_BYTES:
            return await asyncio.to_thread(self._take, body)
        return self._take(body)

    def _take(self, body: Body) -> str | None:
        whole = self._whole  # which the loop may give up at any moment
        if whole is not None:
            whole.update(body)
        return self.base64()

    def give_up(self) -> None:
        """Compute no more."""
        self._whole = None

    def base64(self) -> str | None:
        """Return the MD5 of all blocks, or None if they did not come in order."""
        whole = self._whole
        return None if whole is None else base64.b64encode(whole.digest()).decode()
