"""What holds for every test: no outside settings, nothing left open, one hypothesis profile."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Final

import pytest
from hypothesis import settings

pytest.register_assert_rewrite("blobio.testing.conformance")

from blobio.testing.emulators import (  # noqa: E402 - after the rewriting of its asserts
    AzureServer,
    GcsServer,
    S3Server,
    azure_server,
    gcs_server,
    moto_server,
    rclone_server,
)

settings.register_profile("ci", derandomize=True, deadline=None, database=None)
settings.register_profile("dev", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "dev")

_FOREIGN: Final = (
    "AWS_", "AZURE_", "CLOUDSDK_", "GOOGLE_", "STORAGE_EMULATOR_", "BLOBIO_", "BLOBFILE_",
    "HF_", "HUGGING_FACE_", "TRANSFORMERS_", "XDG_",
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY",
)  # fmt: skip
_OPEN_FILES: Final = "/proc/self/fd"
_LINGER_S: Final = 2.0


@pytest.fixture(scope="session", autouse=True)
def interrupts_interrupt() -> None:
    """Let Ctrl-C be one: a shell starts what runs in its background with SIGINT ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def isolated_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Hide credentials, proxies and the home directory of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.upper().startswith(_FOREIGN)]:
            patch.delenv(name)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("NO_GCE_CHECK", "true")
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(autouse=True)
def nothing_left_open() -> Iterator[None]:
    """Fail a test that leaves a file, a socket or a thread behind.

    The loop thread of the sync API lives as long as the process, and so do the connections of the
    contexts on it: while it runs, sockets and threads are not counted.
    """
    files, threads = _open_files(), set(threading.enumerate())
    yield
    if not _left_files(files) and not _left_threads(threads):
        return
    gc.collect()
    left: list[object] = [*_left_files(files), *_left_threads(threads)]
    # A server on a thread of this process closes its end a moment after the client has.
    give_up = time.monotonic() + _LINGER_S
    while left and time.monotonic() < give_up:
        time.sleep(0.01)
        left = [*_left_files(files), *_left_threads(threads)]
    if left:
        pytest.fail(f"the test left open: {left}")


def _open_files() -> dict[str, str]:
    """Return what each open file descriptor of this process is; empty where /proc is missing."""
    files: dict[str, str] = {}
    for number in os.listdir(_OPEN_FILES) if os.path.isdir(_OPEN_FILES) else ():
        try:
            files[number] = os.readlink(f"{_OPEN_FILES}/{number}")
        except FileNotFoundError:  # that of the listing itself
            continue
    return files


def _left_files(before: dict[str, str]) -> list[str]:
    present = set(before.values())
    left = [name for name in _open_files().values() if name not in present]
    if _loop_thread_runs():
        return [name for name in left if not name.startswith(("socket:", "anon_inode:", "pipe:"))]
    return left


def _left_threads(before: set[threading.Thread]) -> list[threading.Thread]:
    if _loop_thread_runs():
        return []
    return [thread for thread in threading.enumerate() if thread not in before]


def _loop_thread_runs() -> bool:
    return any(thread.name.startswith("blobio") for thread in threading.enumerate())


@pytest.fixture(scope="session")
def moto() -> Iterator[S3Server]:
    """An S3 server that is strict about conditions."""
    with moto_server() as server:
        yield server


@pytest.fixture(scope="session")
def rclone() -> Iterator[S3Server]:
    """An S3 server over a file tree."""
    with rclone_server() as server:
        yield server


@pytest.fixture(scope="session")
def gcs() -> Iterator[GcsServer]:
    """A Google Cloud Storage server over a file tree."""
    with gcs_server() as server:
        yield server


@pytest.fixture(scope="session")
def azurite() -> Iterator[AzureServer]:
    """An Azure Blob server in memory."""
    with azure_server() as server:
        yield server


@pytest.fixture(scope="session")
def azurite_oauth() -> Iterator[AzureServer]:
    """An Azure Blob server over TLS that takes bearer tokens too."""
    with azure_server(tls=True, oauth=True) as server:
        yield server
