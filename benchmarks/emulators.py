"""The emulators that the tests use, in the place of our own server: slow, but made by others.

They need what the tests need: fake-gcs-server of the dependency group `servers`, and Azurite, on
the path or where the tests install it.
"""

from __future__ import annotations

import contextlib
import http.client
import importlib
import shutil
from collections.abc import Iterator
from typing import Final

from benchmarks.data import BIG_KEY, WARM_KEY, blocks, small_body
from benchmarks.peers.base import Peer, Place
from benchmarks.scale import BUCKET, Scale
from blobio.testing.emulators import gcs_server
from blobio.testing.emulators.process import server_process

__all__ = ["NAMES", "serve", "unable"]

NAMES: Final = {"gcs": "fake-gcs-server", "azure": "Azurite"}
"""The emulators, by store."""

_FILLERS: Final = {"gcs": "google_cloud_storage", "azure": "azure_storage_blob"}
_PROGRAM: Final = "azurite-blob"
_CHECKOUT: Final = "tests/servers/node_modules/.bin"


def unable(store: str, job: str, peer: str) -> bool:
    """Tell if a job of a library has to be left out.

    Listings always: the keys would have to be made one by one, and the time of fake-gcs-server
    grows with the square of their number. It has no uploads by the XML API, which obstore uses.
    blobfile signs for Azure's own host names only.
    """
    if job == "list":
        return True
    if store == "gcs":
        return peer == "obstore" and job.startswith("upload")
    return store == "azure" and peer == "blobfile"


@contextlib.contextmanager
def serve(store: str, scale: Scale, ca_file: str) -> Iterator[tuple[str, str]]:
    """Start the emulator of a store and put the objects into it; yield its URL and its name.

    Args:
        store: Whose emulator.
        scale: Sizes of the objects.
        ca_file: An authority to trust, for the client that writes them; nothing is over TLS.
    """
    with _azurite() if store == "azure" else _fake_gcs_server() as endpoint_url:
        filler = importlib.import_module(f"benchmarks.peers.{_FILLERS[store]}")
        place = Place(store=store, endpoint_url=endpoint_url, ca_file=ca_file)
        _fill(filler.open_peer(place), scale)
        yield endpoint_url, NAMES[store]


def _fill(peer: Peer, scale: Scale) -> None:
    peer.write_bytes(WARM_KEY, bytes(scale.small_bytes))
    peer.write_bytes(BIG_KEY, b"".join(blocks(scale.big_bytes, scale.block_bytes)))
    for index, key in enumerate(scale.small_keys):
        peer.write_bytes(key, small_body(scale, index))
    peer.close()


@contextlib.contextmanager
def _fake_gcs_server() -> Iterator[str]:
    with gcs_server() as server:
        server.make_bucket(BUCKET)
        yield server.url


@contextlib.contextmanager
def _azurite() -> Iterator[str]:
    """Run Azurite with its own account and a container that anybody may read.

    It must not mind the API version: those of the SDKs are often newer than it knows.
    """
    program = shutil.which(_PROGRAM) or shutil.which(_PROGRAM, path=_CHECKOUT)
    if program is None:
        raise RuntimeError("azurite-blob is missing: run  npm install --global azurite")
    command = [
        *(program, "--silent", "--disableTelemetry", "--skipApiVersionCheck"),
        *("--inMemoryPersistence", "--blobHost", "127.0.0.1", "--blobPort", "0"),
    ]
    with server_process("azurite", lambda _: command, _answers) as (_, port):
        endpoint_url = f"http://127.0.0.1:{port}"
        place = Place(store="azure", endpoint_url=endpoint_url, ca_file="")
        from azure.storage.blob import BlobServiceClient, PublicAccess

        with BlobServiceClient.from_connection_string(place.connection_string) as client:
            client.create_container(BUCKET, public_access=PublicAccess.CONTAINER)
        yield endpoint_url


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/")
        connection.getresponse().read()
    except OSError:
        return False
    finally:
        connection.close()
    return True
