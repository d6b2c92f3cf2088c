"""Resumable uploads over real sockets: whatever happens on the way, the bytes are those sent."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Sequence
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blobio.drivers.gcs import writing
from blobio.errors import (
    AlreadyExists,
    PermissionDenied,
    RestartableStreamingWriteFailure,
    TransportFailed,
    UploadLost,
    VersionMismatch,
)
from blobio.testing.strict_gcs import Fault, RequestHead, Strike
from blobio.values import CreateOnly, PutOptions, ReplaceIf
from tests.wire.gcs import Site, open_site, striking

KIB: Final = 1 << 10
GRANULE: Final = 256 * KIB

fractions = st.floats(0, 0.999)
faults = st.one_of(
    st.none(),
    st.builds(Fault, st.just(Strike.PARTLY), fractions),
    st.builds(Fault, st.just(Strike.PARTLY_LOST), fractions),
    st.builds(Fault, st.just(Strike.RESET_UPLOAD), fractions),
    st.sampled_from(
        [
            Fault(Strike.RESET),
            Fault(Strike.DROP_REPLY),
            Fault(Strike.REFUSE, status=503, code="backendError"),
            Fault(Strike.REFUSE, status=429, code="rateLimitExceeded", retry_after="0"),
            Fault(Strike.FAIL_AFTER, status=500, code="internalError"),
        ]
    ),
)
sizes = st.sampled_from([1, 7, GRANULE - 1, GRANULE, GRANULE + 1, 2 * GRANULE]) | st.integers(
    1, 3 * GRANULE
)
quick = settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@pytest.fixture(autouse=True)
def every_body_goes_into_a_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "ONE_REQUEST_BYTES", -1)


def content(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def cut(data: bytes, lengths: Sequence[int]) -> Iterator[tuple[int, bytes]]:
    start = 0
    for length in lengths:
        yield start, data[start : start + length]
        start += length


async def upload(site: Site, data: bytes, lengths: Sequence[int], options: PutOptions) -> None:
    begun = await site.driver.begin_upload("blob", options)
    tokens = [
        await begun.put_part(index, start, part)
        for index, (start, part) in enumerate(cut(data, lengths))
    ]
    await begun.complete(tokens, size=len(data))


@pytest.mark.slow
@pytest.mark.timeout(120)
@quick
@given(lengths=st.lists(sizes, min_size=1, max_size=5), plan=st.lists(faults, max_size=6))
def test_any_split_and_any_faults_leave_the_bytes_that_were_sent(
    lengths: list[int], plan: list[Fault | None]
) -> None:
    data = content(sum(lengths))

    async def run() -> None:
        async with open_site(parallel_uploads=False) as site:
            striking(site.server, "session.put", plan)
            await upload(site, data, lengths, PutOptions(mode=CreateOnly()))

            assert site.bucket.objects["blob"].body == data

    asyncio.run(run())


@pytest.mark.slow
@pytest.mark.timeout(120)
@quick
@given(size=sizes, plan=st.lists(faults, max_size=6))
def test_a_whole_body_survives_any_faults(size: int, plan: list[Fault | None]) -> None:
    data = content(size)

    async def run() -> None:
        async with open_site() as site:
            striking(site.server, "session.put", plan)
            result = await site.driver.put("blob", data, PutOptions(mode=CreateOnly()))

            stored = site.bucket.objects["blob"]
            assert (stored.body, str(stored.generation)) == (data, result.version)

    asyncio.run(run())


async def test_only_what_is_missing_is_sent_again() -> None:
    sent: list[str] = []

    def hook(head: RequestHead) -> Fault | None:
        if head.operation == "session.put":
            sent.append(head.headers["content-range"])
            return Fault(Strike.PARTLY_LOST, 0.5) if len(sent) == 1 else None
        return None

    async with open_site() as site:
        site.server.hook = hook
        await site.driver.put("blob", content(4 * GRANULE), PutOptions())

    assert sent == ["bytes 0-1048575/1048576", "bytes */1048576", "bytes 524288-1048575/1048576"]


@pytest.mark.parametrize("lost_at", range(4))
async def test_a_session_lost_between_parts_cannot_be_gone_on_with(lost_at: int) -> None:
    """The bytes before are with the caller only: blobfile's name for it is asked for."""
    lengths = [GRANULE + 5] * 4
    data = content(sum(lengths))
    async with open_site(parallel_uploads=False) as site:
        begun = await site.driver.begin_upload("blob", PutOptions())

        async def write() -> None:
            tokens = []
            for index, (start, part) in enumerate(cut(data, lengths)):
                if index == lost_at:
                    site.bucket.sessions.clear()
                tokens.append(await begun.put_part(index, start, part))
            await begun.complete(tokens, size=len(data))

        with pytest.raises(RestartableStreamingWriteFailure, match="byte 0"):
            await write()
        await begun.abort()

        assert not site.bucket.objects


@pytest.mark.parametrize("chunk", range(1, 4))
async def test_a_session_lost_is_begun_anew_while_all_bytes_are_here(chunk: int) -> None:
    data = content(4 * GRANULE)
    async with open_site() as site:
        seen = 0

        def hook(head: RequestHead) -> Fault | None:
            nonlocal seen
            seen += head.operation == "session.put"
            if head.operation == "session.put" and seen == 1:
                return Fault(Strike.PARTLY, chunk / 4)
            if head.operation == "session.put" and seen == 2:
                site.bucket.sessions.clear()
            return None

        site.server.hook = hook
        await site.driver.put("blob", data, PutOptions(mode=CreateOnly()))

        assert site.bucket.objects["blob"].body == data
        assert site.server.requests["objects.insert"] == 2


async def test_sessions_that_keep_getting_lost_end_in_an_error() -> None:
    async with open_site() as site:

        def hook(head: RequestHead) -> Fault | None:
            if head.operation == "session.put":
                site.bucket.sessions.clear()
            return None

        site.server.hook = hook
        with pytest.raises(UploadLost):
            await site.driver.put("blob", content(GRANULE), PutOptions())

        assert site.server.requests["objects.insert"] == 4


async def test_a_success_whose_session_is_gone_is_recognised() -> None:
    """The object was made, the reply lost, and then the session too: its token tells."""
    data = content(GRANULE)
    async with open_site() as site:

        def hook(head: RequestHead) -> Fault | None:
            if head.operation != "session.put":
                return None
            if head.headers["content-range"].startswith("bytes */"):
                site.bucket.sessions.clear()
                return None
            return Fault(Strike.DROP_REPLY)

        site.server.hook = hook
        result = await site.driver.put("blob", data, PutOptions(mode=CreateOnly()))

        assert result.version == str(site.bucket.objects["blob"].generation)
        assert site.server.requests["objects.insert"] == 1


async def test_a_condition_is_decided_when_the_session_ends() -> None:
    async with open_site(parallel_uploads=False) as site:
        first = await site.driver.put("blob", b"old", PutOptions())
        assert first.version is not None
        begun = await site.driver.begin_upload("blob", PutOptions(mode=ReplaceIf(first.version)))
        token = await begun.put_part(0, 0, b"mine")
        await site.driver.put("blob", b"theirs", PutOptions())

        with pytest.raises(VersionMismatch):
            await begun.complete([token], size=4)

        assert site.bucket.objects["blob"].body == b"theirs"


async def test_a_condition_that_cannot_hold_is_refused_before_any_byte() -> None:
    async with open_site() as site:
        await site.driver.put("blob", b"there", PutOptions())

        with pytest.raises(AlreadyExists):
            await site.driver.put("blob", content(GRANULE), PutOptions(mode=CreateOnly()))

        assert site.server.requests["session.put"] == 1  # that of the first


async def test_a_server_that_forgets_confirmed_bytes_is_not_believed() -> None:
    lengths = [2 * GRANULE, 2 * GRANULE]
    data = content(sum(lengths))
    async with open_site(parallel_uploads=False) as site:
        begun = await site.driver.begin_upload("blob", PutOptions())
        (start, first), (offset, second) = cut(data, lengths)
        await begun.put_part(0, start, first)
        [session] = site.bucket.sessions.values()
        session.data.clear()
        striking(site.server, "session.put", [Fault(Strike.RESET)])

        with pytest.raises(UploadLost, match="were confirmed"):
            await begun.put_part(1, offset, second)


async def test_faults_without_end_end_in_the_last_of_them() -> None:
    async with open_site() as site:
        striking(site.server, "session.put", [Fault(Strike.RESET)] * 1000)

        with pytest.raises(TransportFailed):
            await site.driver.put("blob", content(GRANULE), PutOptions())

        assert site.server.requests["session.put"] < 20


async def test_a_token_that_expires_between_parts_is_replaced_by_another() -> None:
    lengths = [GRANULE + 1] * 3
    data = content(sum(lengths))
    async with open_site(parallel_uploads=False) as site:
        begun = await site.driver.begin_upload("blob", PutOptions())
        tokens = []
        for index, (start, part) in enumerate(cut(data, lengths)):
            site.server.account.valid.clear()
            site.driver._signer._refreshed_at = None  # type: ignore[attr-defined]  # a second passes
            tokens.append(await begun.put_part(index, start, part))
        await begun.complete(tokens, size=len(data))

        assert site.bucket.objects["blob"].body == data
        assert site.server.requests["token"] == 4


async def test_the_name_of_a_session_is_in_no_message(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    async with open_site(parallel_uploads=False) as site:
        begun = await site.driver.begin_upload("blob", PutOptions())
        [name] = site.bucket.sessions
        striking(site.server, "session.put", [Fault(Strike.RESET)] * 1000)

        with pytest.raises(TransportFailed) as caught:
            await begun.put_part(0, 0, content(2 * GRANULE))
        site.server.hook = None
        await begun.abort()

    chain: BaseException | None = caught.value
    while chain is not None:
        assert name not in f"{chain!r} {chain}"
        chain = chain.__cause__ or chain.__context__
    assert name not in caplog.text


async def test_a_put_that_fails_drops_its_session() -> None:
    async with open_site() as site:
        refused = Fault(Strike.REFUSE, status=403, code="forbidden")
        striking(site.server, "session.put", [refused] * 100)

        with pytest.raises(PermissionDenied):
            await site.driver.put("blob", content(GRANULE), PutOptions())

        assert site.server.requests["session.delete"] == 1
        assert not site.bucket.sessions


async def test_a_put_that_is_cancelled_drops_its_session() -> None:
    arrived = asyncio.Event()

    def hook(head: RequestHead) -> Fault | None:
        if head.operation != "session.put":
            return None
        arrived.set()
        return Fault(Strike.STALL)

    async with open_site() as site:
        site.server.hook = hook
        task = asyncio.ensure_future(site.driver.put("blob", content(GRANULE), PutOptions()))
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert site.server.requests["session.delete"] == 1
        assert not site.bucket.sessions


async def test_a_put_whose_session_cannot_be_dropped_tells_why_it_failed() -> None:
    def hook(head: RequestHead) -> Fault | None:
        if head.operation == "session.put":
            return Fault(Strike.REFUSE, status=403, code="forbidden")
        return Fault(Strike.RESET) if head.operation == "session.delete" else None

    async with open_site() as site:
        site.server.hook = hook
        with pytest.raises(PermissionDenied):
            await site.driver.put("blob", content(GRANULE), PutOptions())

        assert not site.bucket.objects
