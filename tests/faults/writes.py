"""What the tests of writes have in common."""

from __future__ import annotations

import pytest

from blobio import Context
from blobio.testing.faultproxy import Action, Forward, drop_reply
from blobio.testing.scripted import End, Received, Reply
from tests.faults.sites import DATA, OTHER, Store

SMALL, OLD = DATA[:1000], OTHER[:500]
SIZES = pytest.mark.parametrize("data", [SMALL, DATA], ids=["one put", "parts"])


def failing_after(status: int) -> Action:
    """Let the store act, and answer with a failure."""

    def act(request: Received, forward: Forward) -> Reply:
        forward(request)
        return Reply(status=status)

    return act


LOST = pytest.mark.parametrize(
    "lost",
    [
        pytest.param(drop_reply(End.FIN), id="FIN"),
        pytest.param(drop_reply(End.RST), id="RST"),
        pytest.param(failing_after(500), id="500"),
        pytest.param(failing_after(503), id="503"),
    ],
)


def breaks_commit(store: Store, action: Action, *, times: int | None = 1) -> None:
    """Break the request that publishes: the PUT of all, or the POST that completes."""
    store.breaks(action, method="PUT", path=r"/blob$", times=times)
    store.breaks(action, method="POST", path="uploadId=", times=times)


def write(store: Store, data: bytes, **condition: bool | str) -> None:
    with Context(store.config) as context:
        context.write_bytes(store.url(), data, **condition)  # type: ignore[arg-type]  # as named


def version(store: Store) -> str:
    with Context(store.config) as context:
        found = context.stat(store.url()).version
    assert found is not None
    return found
