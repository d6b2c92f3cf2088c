"""A bucket of Google Cloud Storage, or a container of Azure, whose writes are broken by a proxy.

Each is behind a server of ours that enforces what the real service does, or behind an emulator.
Google's store has two ways of writing in parts: components that are composed, and a session.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, final

from blobio import Context
from blobio.config import Config
from blobio.testing.emulators import AzureServer, GcsServer
from blobio.testing.faultproxy import Action, FaultProxy, Rule
from blobio.testing.scripted import Received
from blobio.testing.strict_azure import StoredBlob, StrictAzure
from blobio.testing.strict_gcs import StrictGcs
from blobio.testing.strict_gcs.store import Conditions
from tests.faults.sites import KIB, QUICK, pattern

__all__ = [
    "DATA",
    "OTHER",
    "Cloud",
    "azurite_cloud",
    "fake_gcs_cloud",
    "strict_azure_cloud",
    "strict_gcs_cloud",
]

DATA: Final = pattern(700 * KIB + 17)
"""Many parts, and more than two granules of a session."""

OTHER: Final = pattern(len(DATA), seed=1 << 30)
_numbers: Final = itertools.count(1)

_COMMITS: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "composed": (("POST", r"uploadType=multipart&name=blob(?:&|$)"), ("POST", r"/o/blob/compose")),
    "session": (("POST", r"uploadType=multipart&name=blob(?:&|$)"), ("PUT", r"upload_id=")),
    "blocks": (("PUT", r"/blob-\d+(?:$|\?comp=blocklist)"),),
}
_PARTS: Final = {
    "composed": ("POST", r"name=\.blobio-components%2F[0-9a-f]+%2F\d+"),
    "session": ("PUT", r"upload_id="),
    "blocks": ("PUT", r"comp=block&"),
}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """Where one blob is written.

    Attributes:
        name: What stands behind the proxy.
        kind: How parts are written: `"composed"`, `"session"` or `"blocks"`.
        proxy: Stands in between.
        config: Reaches the proxy, with little patience.
        url: The blob.
        put: Stores bytes there past the proxy.
        stored: Returns what is there, looking past the proxy.
        left: Returns what unfinished writes have left: components, sessions or blocks.
    """

    name: str
    kind: str
    proxy: FaultProxy
    config: Config
    url: str
    put: Callable[[bytes], None]
    stored: Callable[[], bytes | None]
    left: Callable[[], list[str]]

    def breaks(
        self, action: Action, *, method: str, path: str, times: int | None = 1, skip: int = 0
    ) -> None:
        """Break so many of the requests that match."""
        self.proxy.add(Rule(action, method=method, path=path, times=times, skip=skip))

    def breaks_commit(self, action: Action, *, times: int | None = 1, skip: int = 0) -> None:
        """Break the request that publishes: that of all bytes, or that which joins the parts."""
        for method, path in _COMMITS[self.kind]:
            self.breaks(action, method=method, path=path, times=times, skip=skip)

    def breaks_part(self, action: Action, *, times: int | None = 1, skip: int = 0) -> None:
        """Break a part that is sent by itself."""
        method, path = _PARTS[self.kind]
        self.breaks(action, method=method, path=path, times=times, skip=skip)

    def commits(self) -> list[Received]:
        """Return the publishing requests that have come."""
        return [
            request
            for request in list(self.proxy.requests)
            for method, path in _COMMITS[self.kind]
            if request.method == method and re.search(path, request.target)
        ]

    def write(self, data: bytes, **condition: bool | str) -> None:
        """Write as a program does."""
        with Context(self.config) as context:
            context.write_bytes(self.url, data, **condition)  # type: ignore[arg-type]  # as named

    def version(self) -> str:
        """Return the version that is there."""
        with Context(self.config) as context:
            found = context.stat(self.url).version
        assert found is not None
        return found


def strict_gcs_cloud(server: StrictGcs, proxy: FaultProxy, *, parallel: bool) -> Cloud:
    """Make a bucket of a strict Google store."""
    bucket = server.make_bucket(f"writes-{next(_numbers)}")
    proxy.clear()

    def put(data: bytes) -> None:
        bucket.insert("blob", data, {}, Conditions())

    def stored() -> bytes | None:
        found = bucket.objects.get("blob")
        return None if found is None else found.body

    def left() -> list[str]:
        components = [key for key in bucket.objects if key.startswith(".blobio-components/")]
        open_ones = [f"session {id_}" for id_, one in bucket.sessions.items() if one.made is None]
        return components + open_ones

    gcs = replace(server.config().gcs, endpoint_url=proxy.url, parallel_uploads=parallel)
    return Cloud(
        name="gcs",
        kind="composed" if parallel else "session",
        proxy=proxy,
        config=replace(QUICK, gcs=gcs),
        url=f"gs://{bucket.name}/blob",
        put=put,
        stored=stored,
        left=left,
    )


def strict_azure_cloud(server: StrictAzure, proxy: FaultProxy) -> Cloud:
    """Name a blob that no other test uses, in a container of a strict Azure server."""
    container = server.make_container("writes")
    key = f"blob-{next(_numbers)}"
    proxy.clear()

    def put(data: bytes) -> None:
        headers = {"content-type": "application/octet-stream"}
        container.store(key, StoredBlob(body=data, headers=headers))

    def stored() -> bytes | None:
        found = container.blobs.get(key)
        return None if found is None else found.body

    azure = replace(server.config().azure, endpoint_url=proxy.url + "/{account}")
    return Cloud(
        name="azure",
        kind="blocks",
        proxy=proxy,
        config=replace(QUICK, azure=azure),
        url=f"az://{server.account}/writes/{key}",
        put=put,
        stored=stored,
        left=list,  # nothing can take blocks back; they expire, and `abort` says so
    )


def fake_gcs_cloud(server: GcsServer, proxy: FaultProxy) -> Cloud:
    """Make a bucket of fake-gcs-server, which takes sessions but deletes nothing it composes."""
    name = f"writes-{next(_numbers)}"
    server.make_bucket(name)
    proxy.clear()
    direct = replace(QUICK, gcs=server.config().gcs)

    def left() -> list[str]:
        with Context(direct) as context:
            return list(context.glob(f"gs://{name}/.blobio-components/**"))

    gcs = replace(server.config().gcs, endpoint_url=proxy.url)
    return _emulated(
        Cloud(
            name="fake-gcs",
            kind="composed",
            proxy=proxy,
            config=replace(QUICK, gcs=gcs),
            url=f"gs://{name}/blob",
            put=_nothing,
            stored=lambda: None,
            left=left,
        ),
        direct,
    )


def azurite_cloud(server: AzureServer, proxy: FaultProxy) -> Cloud:
    """Name a blob that no other test uses, in a container of Azurite."""
    server.make_container("writes")
    proxy.clear()
    direct = replace(QUICK, azure=server.config().azure)
    url = f"az://{server.account}/writes/blob-{next(_numbers)}"
    azure = replace(server.config().azure, endpoint_url=proxy.url + "/{account}")
    return _emulated(
        Cloud(
            name="azurite",
            kind="blocks",
            proxy=proxy,
            config=replace(QUICK, azure=azure),
            url=url,
            put=_nothing,
            stored=lambda: None,
            left=list,
        ),
        direct,
    )


def _nothing(data: bytes) -> None:
    del data


def _emulated(cloud: Cloud, direct: Config) -> Cloud:
    """Let a cloud look past the proxy by the settings `direct`."""
    url = cloud.url

    def put(data: bytes) -> None:
        with Context(direct) as context:
            context.write_bytes(url, data)

    def stored() -> bytes | None:
        with Context(direct) as context:
            return context.read_bytes(url) if context.exists(url) else None

    return replace(cloud, put=put, stored=stored)
