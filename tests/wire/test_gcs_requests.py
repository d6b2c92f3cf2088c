"""What the driver of Google Cloud Storage sends over real sockets, and what it makes of replies."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable
from dataclasses import replace

import pytest

from blobio.config import GcsConfig
from blobio.drivers.gcs.judge import judge
from blobio.errors import (
    AlreadyExists,
    BlobError,
    ChecksumMismatch,
    ConcurrentWrite,
    NotFound,
    PermissionDenied,
    RateLimited,
    RequestFailed,
    Unauthenticated,
    Unsupported,
    UploadLost,
    VersionMismatch,
)
from blobio.testing.conformance.checks import content, read
from blobio.testing.strict_gcs import Fault, RequestHead, Strike
from blobio.testing.strict_gcs.store import Conditions
from blobio.transport.message import Request, Response
from blobio.transport.retry import Verdict
from blobio.url import BlobUrl
from blobio.values import (
    CreateOnly,
    GetOptions,
    ListOptions,
    MetaPatch,
    PutOptions,
    ReplaceIf,
    Span,
    Version,
)
from tests.wire.gcs import COMPONENTS, Site, open_site, striking

LOST = Fault(Strike.DROP_REPLY)
KEY = BlobUrl("gs", "bucket", "source")


async def upload(site: Site, parts: int, options: PutOptions, key: str = "blob") -> bytes:
    data = b"".join(content(10, number) for number in range(parts))
    begun = await site.driver.begin_upload(key, options)
    try:
        tokens = [
            await begun.put_part(number, 10 * number, data[10 * number : 10 * number + 10])
            for number in range(parts)
        ]
        await begun.complete(tokens, size=len(data))
    finally:
        await begun.abort()
    return data


def with_token(token: str) -> Callable[[GcsConfig], GcsConfig]:
    """Replace credentials by a token."""
    return lambda gcs: replace(gcs, credentials_file=None, access_token=token)


# Writes whose reply is lost


@pytest.mark.parametrize("fault", [LOST, Fault(Strike.FAIL_AFTER, status=500), Fault(Strike.TWICE)])
async def test_a_create_only_write_knows_its_own_success(fault: Fault) -> None:
    async with open_site() as site:
        striking(site.server, "objects.insert", [fault])
        result = await site.driver.put("blob", b"mine", PutOptions(mode=CreateOnly()))

        assert result.version == str(site.bucket.objects["blob"].generation)
        assert (await site.driver.head("blob")).metadata == {}


async def test_a_create_only_write_knows_the_success_of_another() -> None:
    async with open_site() as site:
        await site.driver.put("blob", b"theirs", PutOptions())
        striking(site.server, "objects.insert", [LOST])

        with pytest.raises(AlreadyExists) as caught:
            await site.driver.put("blob", b"mine", PutOptions(mode=CreateOnly()))

        assert caught.value.ambiguous  # ours may have been there before
        assert site.bucket.objects["blob"].body == b"theirs"


async def test_a_refusal_that_cannot_be_looked_into_is_of_unknown_outcome() -> None:
    async with open_site() as site:
        refused = Fault(Strike.REFUSE, status=403, code="forbidden")

        def hook(head: RequestHead) -> Fault | None:
            if head.operation == "objects.get":
                return refused
            return LOST if site.server.requests["objects.insert"] == 1 else None

        site.server.hook = hook
        with pytest.raises(RequestFailed, match="outcome unknown") as caught:
            await site.driver.put("blob", b"mine", PutOptions(mode=CreateOnly()))

        assert caught.value.ambiguous


async def test_a_refusal_is_believed_by_who_may_not_read() -> None:
    """A role that may only create objects: the first answer is the answer."""
    async with open_site() as site:
        await site.driver.put("blob", b"theirs", PutOptions())
        refused = Fault(Strike.REFUSE, status=403, code="forbidden")
        striking(site.server, "objects.get", [refused])

        with pytest.raises(AlreadyExists):
            await site.driver.put("blob", b"mine", PutOptions(mode=CreateOnly()))


@pytest.mark.parametrize("fault", [LOST, Fault(Strike.FAIL_AFTER, status=503)])
async def test_a_composed_write_knows_its_own_success(fault: Fault) -> None:
    async with open_site() as site:
        striking(site.server, "objects.compose", [fault])
        data = await upload(site, 3, PutOptions(mode=CreateOnly()))

        assert site.bucket.objects["blob"].body == data
        assert not site.components


@pytest.mark.parametrize("fault", [LOST, Fault(Strike.FAIL_AFTER, status=500), Fault(Strike.TWICE)])
@pytest.mark.parametrize("parts", [3, 70])
async def test_a_compose_that_deleted_its_sources_is_not_taken_for_lost(
    fault: Fault, parts: int
) -> None:
    """Done again it finds no sources: each knows its own success by its token."""
    async with open_site() as site:
        striking(site.server, "objects.compose", [fault] * 4)
        data = await upload(site, parts, PutOptions())

        assert site.bucket.objects["blob"].body == data
        assert not site.components


async def test_components_are_of_the_class_without_a_fee_for_deletion() -> None:
    async with open_site(tune=lambda gcs: replace(gcs, storage_class="ARCHIVE")) as site:
        begun = await site.driver.begin_upload("blob", PutOptions())
        token = await begun.put_part(0, 0, b"bytes")
        [component] = site.components
        assert site.bucket.objects[component].resource["storageClass"] == "STANDARD"

        await begun.complete([token], size=5)
        assert site.bucket.objects["blob"].resource["storageClass"] == "ARCHIVE"


@pytest.mark.parametrize("fault", [LOST, Fault(Strike.FAIL_AFTER, status=500)])
async def test_a_conditional_copy_knows_its_own_success(fault: Fault) -> None:
    async with open_site() as site:
        await site.driver.put("source", b"bytes", PutOptions(metadata={"colour": "green"}))
        striking(site.server, "objects.rewrite", [fault])
        result = await site.driver.copy(KEY, "copy", PutOptions(mode=CreateOnly()))

        meta = await site.driver.head("copy")
        assert (result.version, dict(meta.metadata)) == (meta.version, {"colour": "green"})


@pytest.mark.parametrize("fault", [LOST, Fault(Strike.FAIL_AFTER, status=500)])
async def test_a_patch_knows_its_own_success(fault: Fault) -> None:
    async with open_site() as site:
        await site.driver.put("blob", b"bytes", PutOptions(metadata={"old": "1"}))
        striking(site.server, "objects.patch", [fault])
        change = MetaPatch(metadata={"new": "2", "old": None})
        meta = await site.driver.patch("blob", change)

        assert dict(meta.metadata) == {"new": "2"}
        assert site.bucket.objects["blob"].metageneration == 2


async def test_a_deletion_knows_its_own_success() -> None:
    async with open_site() as site:
        await site.driver.put("blob", b"bytes", PutOptions())
        striking(site.server, "objects.delete", [LOST])

        [result] = await site.driver.delete(["blob"])

        assert result.error is None


async def test_a_batch_of_deletions_knows_its_own_success() -> None:
    async with open_site() as site:
        for key in ("a", "b"):
            await site.driver.put(key, b"bytes", PutOptions())
        striking(site.server, "batch", [LOST])

        results = await site.driver.delete(["a", "b"])

        assert [result.error for result in results] == [None, None]
        assert not site.bucket.objects


# Bytes that change


async def test_a_body_damaged_on_its_way_is_sent_again() -> None:
    async with open_site() as site:
        striking(site.server, "objects.insert", [Fault(Strike.DAMAGE_REQUEST, 0.5)] * 2)
        await site.driver.put("blob", content(100_000), PutOptions())

        assert site.bucket.objects["blob"].body == content(100_000)
        assert site.server.requests["objects.insert"] == 3


async def test_bytes_damaged_on_their_way_are_refused() -> None:
    async with open_site() as site:
        await site.driver.put("blob", content(100_000), PutOptions())
        striking(site.server, "objects.get", [Fault(Strike.DAMAGE, 0.5)])

        with pytest.raises(ChecksumMismatch):
            await read(site.driver, "blob")


@pytest.mark.parametrize("strike", [Strike.SHORTEN, Strike.CUT, Strike.UNBOUNDED])
async def test_a_body_that_is_cut_is_refused(strike: Strike) -> None:
    async with open_site() as site:
        await site.driver.put("blob", content(100_000), PutOptions())
        striking(site.server, "objects.get", [Fault(strike, 0.5)] * 8)

        with pytest.raises(BlobError):
            await read(site.driver, "blob")


async def test_stored_gzip_comes_as_it_is_stored() -> None:
    """Asked for without gzip it would be unpacked: no length, and ranges of other bytes."""
    packed = gzip.compress(b"text" * 100)
    async with open_site() as site:
        await site.driver.put("blob", packed, PutOptions())
        site.bucket.objects["blob"].resource["contentEncoding"] = "gzip"

        assert await read(site.driver, "blob") == packed
        assert await read(site.driver, "blob", Span(3, 9)) == packed[3:9]


# Components


@pytest.mark.parametrize(("parts", "composes"), [(32, 1), (33, 3), (70, 4), (1025, 36)])
async def test_any_number_of_components_is_composed(parts: int, composes: int) -> None:
    async with open_site() as site:
        data = await upload(site, parts, PutOptions())

        assert site.bucket.objects["blob"].body == data
        assert site.server.requests["objects.compose"] == composes
        assert not site.components


@pytest.mark.parametrize("operation", ["objects.insert", "objects.compose"])
async def test_a_write_that_fails_leaves_no_components(operation: str) -> None:
    async with open_site() as site:
        await site.driver.put("blob", b"old", PutOptions())
        refused = Fault(Strike.REFUSE, status=403, code="forbidden")
        struck = [None, refused] if operation == "objects.insert" else [refused]
        striking(site.server, operation, struck)

        with pytest.raises(PermissionDenied):
            await upload(site, 3, PutOptions())

        assert list(site.bucket.objects) == ["blob"]


async def test_a_component_stays_known_when_it_is_refused_the_second_time() -> None:
    async with open_site() as site:
        begun = await site.driver.begin_upload("blob", PutOptions())
        await begun.put_part(0, 0, b"bytes")
        refused = Fault(Strike.REFUSE, status=403, code="forbidden")
        striking(site.server, "objects.insert", [refused])
        with pytest.raises(PermissionDenied, match="gs://bucket/blob"):
            await begun.put_part(0, 0, b"bytes")
        await begun.abort()

        assert not site.components


async def test_components_that_somebody_removed_end_the_write() -> None:
    async with open_site() as site:

        def hook(head: RequestHead) -> Fault | None:
            if head.operation == "objects.compose":
                for key in site.components:
                    site.bucket.objects.pop(key)
                    site.bucket.keys.remove(key.encode())
            return None

        site.server.hook = hook
        with pytest.raises(UploadLost):
            await upload(site, 3, PutOptions())


async def test_a_component_that_somebody_replaced_is_not_composed() -> None:
    async with open_site() as site:

        def hook(head: RequestHead) -> Fault | None:
            if head.operation == "objects.compose":
                for key in site.components:
                    site.bucket.objects[key].generation += 1
            return None

        site.server.hook = hook
        with pytest.raises(BlobError):
            await upload(site, 3, PutOptions())

        assert not site.bucket.objects


async def test_components_that_cannot_be_removed_do_not_undo_the_write(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with open_site() as site:
        refused = Fault(Strike.REFUSE, status=403, code="forbidden")
        striking(site.server, "objects.delete", [refused])  # a single one goes by itself
        begun = await site.driver.begin_upload("blob", PutOptions())
        token = await begun.put_part(0, 0, b"bytes")
        await begun.complete([token], size=5)

        assert site.bucket.objects["blob"].body == b"bytes"
        assert COMPONENTS in caplog.text


async def test_components_are_in_no_listing_but_their_own() -> None:
    async with open_site() as site:
        begun = await site.driver.begin_upload("blob", PutOptions())
        await begun.put_part(0, 0, b"bytes")

        for options in (ListOptions(), ListOptions(delimiter="/")):
            page = await site.driver.list_page("", options, None)
            assert (list(page.blobs), list(page.prefixes)) == ([], [])
        page = await site.driver.list_page(COMPONENTS, ListOptions(), None)
        assert len(page.blobs) == 1
        await begun.abort()


# Races


@pytest.mark.slow
@pytest.mark.timeout(60)
@pytest.mark.parametrize("parallel_uploads", [True, False])
async def test_of_two_writers_one_wins_200_times(parallel_uploads: bool) -> None:
    async with open_site(parallel_uploads=parallel_uploads) as site:
        version: Version | None = None
        for turn in range(200):
            mode = CreateOnly() if version is None else ReplaceIf(version)
            options = PutOptions(mode=mode)
            outcomes = await asyncio.gather(
                upload(site, 2 + turn % 2, options),
                site.driver.put("blob", content(10, turn), options),
                return_exceptions=True,
            )
            losers = [one for one in outcomes if isinstance(one, BaseException)]
            assert len(losers) == 1, outcomes
            assert isinstance(losers[0], (AlreadyExists, VersionMismatch)), losers
            winner = outcomes[0] if losers[0] is outcomes[1] else content(10, turn)
            assert site.bucket.objects["blob"].body == winner
            assert not site.components
            version = (await site.driver.head("blob")).version if turn % 5 else None
            if version is None:
                await site.driver.delete(["blob"])


async def test_a_patch_does_not_undo_that_of_another() -> None:
    async with open_site() as site:
        await site.driver.put("blob", b"bytes", PutOptions())

        changes = [MetaPatch(metadata={f"name-{number}": "x"}) for number in range(4)]
        await asyncio.gather(*(site.driver.patch("blob", change) for change in changes))

        assert len((await site.driver.head("blob")).metadata) == 4


async def test_a_patch_that_never_gets_its_turn_ends() -> None:
    async with open_site() as site:
        await site.driver.put("blob", b"bytes", PutOptions())

        def hook(head: RequestHead) -> Fault | None:
            if head.operation == "objects.patch":
                site.bucket.objects["blob"].metageneration += 1
            return None

        site.server.hook = hook
        with pytest.raises(ConcurrentWrite):
            await site.driver.patch("blob", MetaPatch(mtime=1.0))

        assert site.server.requests["objects.patch"] == 5


# Copies


@pytest.mark.parametrize("mode", [PutOptions(), PutOptions(mode=CreateOnly())])
async def test_a_copy_takes_as_many_steps_as_the_store_asks_for(mode: PutOptions) -> None:
    async with open_site(rewrite_bytes=1000) as site:
        site.server.make_bucket("other")
        await site.driver.put("source", content(4500), PutOptions(content_type="text/x"))
        await site.driver.copy(KEY, "copy", mode)

        assert site.bucket.objects["copy"].body == content(4500)
        assert (await site.driver.head("copy")).content_type == "text/x"
        assert site.server.requests["objects.rewrite"] == 5


async def test_a_source_that_is_replaced_while_it_is_copied_is_told_so() -> None:
    async with open_site(rewrite_bytes=1000) as site:
        await site.driver.put("source", content(2000), PutOptions())

        def hook(head: RequestHead) -> Fault | None:
            if head.operation == "objects.rewrite" and "rewriteToken" in head.query:
                site.bucket.objects["source"].generation += 1
            return None

        site.server.hook = hook
        with pytest.raises(VersionMismatch):
            await site.driver.copy(KEY, "copy", PutOptions())

        assert "copy" not in site.bucket.objects


async def test_a_copy_from_another_bucket_is_made_by_the_store() -> None:
    async with open_site() as site:
        other = site.server.make_bucket("other")
        await site.driver.put("source", b"bytes", PutOptions())
        there = other.insert("source", b"others", {}, Conditions())

        await site.driver.copy(BlobUrl("gs", "other", "source"), "copy", PutOptions())

        assert site.bucket.objects["copy"].body == there.body


# Refusals


@pytest.mark.parametrize(
    ("status", "reason", "kind", "hint"),
    [
        (403, "forbidden", PermissionDenied, "roles/storage"),
        (403, "accountDisabled", PermissionDenied, "billing"),
        (403, "userProjectAccessDenied", PermissionDenied, "user_project"),
        (400, "userProjectMissing", PermissionDenied, "user_project"),
        (403, "retentionPolicyNotMet", PermissionDenied, "retention"),
        (404, "notFound", NotFound, "404"),
        (400, "invalid", RequestFailed, "400"),
        (501, "notImplemented", RequestFailed, "501"),
    ],
)
async def test_a_refusal_is_one_clear_error_and_one_request(
    status: int, reason: str, kind: type[BlobError], hint: str
) -> None:
    async with open_site() as site:
        fault = Fault(Strike.REFUSE, status=status, code=reason)
        striking(site.server, "objects.insert", [fault] * 100)

        with pytest.raises(kind, match=hint) as caught:
            await site.driver.put("blob", b"bytes", PutOptions())

        assert (caught.value.status, caught.value.code) == (status, reason)
        assert "gs://bucket/blob" in str(caught.value)
        assert site.server.requests["objects.insert"] == 1


@pytest.mark.parametrize(
    ("status", "reason"),
    [(429, "rateLimitExceeded"), (503, "backendError"), (403, "rateLimitExceeded")],
)
async def test_what_may_pass_is_tried_again_within_limits(status: int, reason: str) -> None:
    async with open_site() as site:
        fault = Fault(Strike.REFUSE, status=status, code=reason)
        striking(site.server, "objects.insert", [fault] * 3)
        await site.driver.put("blob", b"bytes", PutOptions())
        assert site.server.requests["objects.insert"] == 4

        striking(site.server, "objects.insert", [fault] * 100)
        with pytest.raises((RateLimited, RequestFailed)) as caught:
            await site.driver.put("blob", b"bytes", PutOptions())

        assert caught.value.retryable
        assert site.server.requests["objects.insert"] == 4 + 8


async def test_a_bucket_that_is_not_there_is_named() -> None:
    async with open_site() as site:
        del site.server._service.buckets["bucket"]
        for call in (
            site.driver.head("blob"),
            site.driver.get("blob", GetOptions()),
            site.driver.put("blob", b"bytes", PutOptions()),
            site.driver.list_page("", ListOptions(), None),
        ):
            with pytest.raises(NotFound, match="bucket"):
                await call


async def test_a_token_that_was_taken_back_is_replaced_once() -> None:
    async with open_site() as site:
        await site.driver.put("blob", b"bytes", PutOptions())
        site.server.account.valid.clear()

        outcomes = await asyncio.gather(*(read(site.driver, "blob") for _ in range(20)))

        assert outcomes == [b"bytes"] * 20
        assert site.server.requests["token"] == 2


async def test_a_wrong_token_is_refused_without_a_storm() -> None:
    async with open_site(tune=with_token("canary")) as site:
        with pytest.raises(Unauthenticated) as caught:
            await site.driver.head("blob")

        assert "canary" not in f"{caught.value!r} {caught.value}"
        assert site.server.requests["objects.get"] == 2


async def test_an_anonymous_request_carries_no_token() -> None:
    seen: list[bool] = []

    def hook(head: RequestHead) -> None:
        seen.append("authorization" in head.headers)

    async with open_site(
        tune=lambda gcs: replace(gcs, credentials_file=None, anonymous=True)
    ) as site:
        site.server.hook = hook
        with pytest.raises(Unauthenticated):
            await site.driver.head("blob")

    assert seen
    assert not any(seen)


async def test_who_pays_is_said_in_every_request() -> None:
    payers: list[str | None] = []

    def hook(head: RequestHead) -> None:
        if head.operation != "token":
            payers.append(head.headers.get("x-goog-user-project"))

    async with open_site(tune=lambda gcs: replace(gcs, user_project="payer")) as site:
        site.server.hook = hook
        await site.driver.put("blob", b"bytes", PutOptions())
        await upload(site, 2, PutOptions())
        await read(site.driver, "blob")
        await site.driver.patch("blob", MetaPatch(mtime=1.0))
        await site.driver.copy(BlobUrl("gs", "bucket", "blob"), "copy", PutOptions())
        await site.driver.list_page("", ListOptions(), None)
        await site.driver.delete(["blob"])

    assert set(payers) == {"payer"}


async def test_a_signed_url_needs_a_service_account() -> None:
    async with open_site(tune=with_token("token")) as site:
        with pytest.raises(Unsupported, match="service account"):
            await site.driver.sign_url("blob", "GET", 60)


def test_a_page_that_moved_is_not_followed() -> None:
    request = Request(method="GET", url="https://storage.googleapis.com/")
    moved = Response(status=302, headers={"location": "https://elsewhere.example/"})

    assert judge(request, moved) is Verdict.DONE
