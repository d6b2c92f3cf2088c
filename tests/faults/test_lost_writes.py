"""Rows 14, 15 and 17, and rules 7 and 8: writes that were done, and whose reply was lost."""

from __future__ import annotations

import pytest

from blobio import Context
from blobio.errors import (
    AlreadyExists,
    TransportFailed,
)
from blobio.testing.faultproxy import Action, FaultProxy, drop_reply
from blobio.testing.strict_s3 import strict_s3
from tests.faults.sites import DATA, Store
from tests.faults.writes import (
    LOST,
    OLD,
    SIZES,
    SMALL,
    breaks_commit,
    version,
    write,
)


@LOST
@SIZES
@pytest.mark.parametrize("times", [1, 2])
def test_row_14_committed_write_whose_reply_is_lost_is_a_success(
    s3: Store, data: bytes, lost: Action, times: int
) -> None:
    s3.put(OLD)
    breaks_commit(s3, lost, times=times)

    write(s3, data)

    assert s3.stored() == data


def test_rule_08_write_on_a_dropped_connection_is_sent_as_often_as_is_told(s3: Store) -> None:
    """No pool in between adds a try of its own, which would turn a success into a conflict."""
    with Context(s3.config) as context:
        context.exists(s3.url())  # leaves a connection in the pool
        breaks_commit(s3, drop_reply(), times=None)
        with pytest.raises(TransportFailed) as caught:
            context.write_bytes(s3.url(), SMALL)
    assert s3.count("PUT") == caught.value.attempts
    assert caught.value.ambiguous


@LOST
@SIZES
@pytest.mark.parametrize("times", [1, 2])
def test_row_15_own_create_only_write_whose_reply_is_lost_is_no_conflict(
    s3: Store, data: bytes, lost: Action, times: int
) -> None:
    breaks_commit(s3, lost, times=times)

    write(s3, data, overwrite=False)

    assert s3.stored() == data


@LOST
@SIZES
def test_row_15_own_replacement_whose_reply_is_lost_is_no_conflict(
    s3: Store, data: bytes, lost: Action
) -> None:
    s3.put(OLD)
    old = version(s3)
    breaks_commit(s3, lost)

    write(s3, data, version=old)

    assert s3.stored() == data


@LOST
@SIZES
def test_row_15_reply_lost_of_a_create_only_write_that_lost_is_a_conflict(
    s3: Store, data: bytes, lost: Action
) -> None:
    s3.put(OLD)
    breaks_commit(s3, lost)

    with pytest.raises(AlreadyExists):
        write(s3, data, overwrite=False)

    assert s3.stored() == OLD


@SIZES
def test_row_15_reply_that_is_never_there_is_a_success_once_the_object_is_seen(
    s3: Store, data: bytes
) -> None:
    breaks_commit(s3, drop_reply(), times=None)

    write(s3, data, overwrite=False)

    assert s3.stored() == data


@LOST
@pytest.mark.parametrize("repeats", [True, False], ids=["as S3", "as MinIO"])
@pytest.mark.usefixtures("small_parts")
def test_row_17_completion_whose_reply_is_lost_is_a_success(lost: Action, repeats: bool) -> None:
    """Sent again, S3 repeats its success; other stores do not know the upload any more."""
    with (
        strict_s3(min_part_bytes=1, repeats_completion=repeats) as server,
        FaultProxy(server.url) as proxy,
    ):
        store = Store.make(server, proxy)
        store.breaks(lost, method="POST", path="uploadId=")

        write(store, DATA)

        assert store.stored() == DATA
        assert store.orphans == []


def test_rule_07_start_of_an_upload_whose_reply_is_lost_is_repeated(s3: Store) -> None:
    """The first one stays at the store, empty and unknown to us: no request could name it."""
    s3.breaks(drop_reply(), method="POST", path="uploads")

    write(s3, DATA)

    assert s3.stored() == DATA
    (unknown,) = s3.server.make_bucket(s3.bucket).uploads.values()
    assert unknown.parts == {}
    unknown.is_known = False  # the proxy kept it from us, and so the bucket may be left like that


@LOST
def test_rule_07_delete_whose_reply_is_lost_is_a_success(s3: Store, lost: Action) -> None:
    s3.put(OLD)
    s3.breaks(lost, method="DELETE", times=2)

    with Context(s3.config) as context:
        context.remove(s3.url())

    assert s3.stored() is None


@LOST
@pytest.mark.parametrize("overwrite", [True, False])
def test_rule_07_copy_whose_reply_is_lost_is_a_success(
    s3: Store, lost: Action, overwrite: bool
) -> None:
    s3.put(DATA)
    s3.breaks(lost, method="PUT", path="/copy")

    with Context(s3.config) as context:
        context.copy(s3.url(), s3.url("copy"), overwrite=overwrite)

    assert s3.stored("copy") == DATA


@LOST
def test_rule_07_tree_that_is_removed_with_lost_replies_is_gone(s3: Store, lost: Action) -> None:
    for number in range(5):
        s3.put(OLD, f"tree/{number}")
    s3.breaks(lost, method="POST", path="delete", times=2)

    with Context(s3.config) as context:
        context.rmtree(s3.url("tree"))

    assert s3.server.make_bucket(s3.bucket).objects == {}
