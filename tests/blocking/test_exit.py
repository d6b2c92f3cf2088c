"""How programs that use blobio end: soon, quietly, and with nothing published by accident."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from blobio.testing.emulators import S3Server
from tests.blocking.scripts import environment, run

pytestmark = pytest.mark.timeout(60)  # a loaded machine takes seconds to start a program

QUICK_S: Final = 2.0


def test_program_that_used_blobio_ends_at_once(tmp_path: Path) -> None:
    ended = run(
        """
        import sys
        import blobio as bf
        bf.write_bytes("memory://b/k", b"x")
        bf.write_bytes(sys.argv[1], b"x")
        print(len(list(bf.listdir("memory://b/"))))
        import time; print(time.monotonic())
        """,
        str(tmp_path / "file"),
        options=("-W", "always"),
    )

    assert (ended.code, ended.lines[0], ended.err) == (0, "1", "")
    assert ended.exit_s < QUICK_S


@pytest.mark.slow
def test_program_with_open_connections_ends_at_once(bucket: S3Server) -> None:
    ended = run(
        """
        import blobio as bf
        bf.write_bytes("s3://blocking/exit/a", b"x")
        bf.write_bytes("s3://blocking/exit/b", b"x")
        file = bf.BlobFile("s3://blocking/exit/a", "rb")
        file.read()
        names = bf.listdir("s3://blocking/exit")
        next(names)
        steps = bf.walk("s3://blocking/exit")
        next(steps)
        import time; print(time.monotonic())
        """,
        environ=environment(bucket),
    )

    assert (ended.code, ended.err) == (0, "")
    assert ended.exit_s < QUICK_S


@pytest.mark.slow
def test_unclosed_writer_publishes_nothing_and_leaves_no_parts(bucket: S3Server) -> None:
    ended = run(
        """
        import blobio as bf
        keep = bf.BlobFile("s3://blocking/unclosed/blob", "wb")
        keep.write(bytes(17 << 20))
        import time; print(time.monotonic())
        """,
        options=("-W", "always::ResourceWarning"),
        environ=environment(bucket),
    )
    found = run(
        """
        import blobio as bf, urllib.request, os
        print(list(bf.glob("s3://blocking/unclosed/**")))
        import botocore.session
        client = botocore.session.Session().create_client("s3")
        print(client.list_multipart_uploads(Bucket="blocking", Prefix="unclosed/").get("Uploads"))
        """,
        environ=environment(bucket),
    )

    assert ended.code == 0
    assert "ResourceWarning: s3://blocking/unclosed/blob was opened for writing" in ended.err
    assert ended.exit_s < QUICK_S
    assert found.lines == ["[]", "None"]


@pytest.mark.parametrize("mode", ["wb", "w"])
@pytest.mark.parametrize("where", ["global", "cycle", "function"])
def test_unclosed_writer_warns_and_publishes_nothing(tmp_path: Path, mode: str, where: str) -> None:
    data = repr("text" if mode == "w" else b"bytes")
    hold = {
        "global": f"keep = bf.BlobFile(path, {mode!r}); keep.write({data})",
        "cycle": f"keep = [bf.BlobFile(path, {mode!r})]; keep.append(keep); keep[0].write({data})",
        "function": f"(lambda file: file.write({data}))(bf.BlobFile(path, {mode!r}))",
    }[where]

    ended = run(
        f"""
        import sys
        import blobio as bf
        path = sys.argv[1]
        {hold}
        import time; print(time.monotonic())
        """,
        str(tmp_path / "file"),
        options=("-W", "always::ResourceWarning"),
    )

    assert ended.code == 0
    assert "never closed: nothing was published" in ended.err
    assert "Exception ignored" not in ended.err
    assert ended.exit_s < QUICK_S
    assert list(tmp_path.iterdir()) == []


def test_exception_at_top_level_publishes_nothing(tmp_path: Path) -> None:
    ended = run(
        """
        import sys
        import blobio as bf
        with bf.BlobFile(sys.argv[1], "w") as file:
            file.write("half")
            sys.exit(3)
        """,
        str(tmp_path / "file"),
    )

    assert (ended.code, ended.err) == (3, "")
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_at_top_level_publishes_nothing() -> None:
    ended = run(
        """
        import asyncio, os, signal
        import blobio as bf
        from blobio.drivers.memory.driver import MemoryUpload

        context = bf.Context(bf.Config(write=bf.WriteConfig(part_bytes=4, window=1)))

        async def put_part(self, index, offset, body):
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.Event().wait()

        MemoryUpload.put_part = put_part
        try:
            with context.BlobFile("memory://b/k", "wb") as file:
                file.write(b"0123456789" * 10)
        except KeyboardInterrupt:
            print("interrupted", context.exists("memory://b/k"))
        import time; print(time.monotonic())
        """
    )

    assert (ended.lines[0], ended.err) == ("interrupted False", "")
    assert ended.exit_s < QUICK_S


def test_clean_up_that_hangs_does_not_hold_the_exit() -> None:
    ended = run(
        """
        import asyncio
        import blobio as bf
        from blobio.drivers.memory.driver import MemoryUpload

        async def abort(self):
            await asyncio.Event().wait()

        MemoryUpload.abort = abort
        context = bf.Context(bf.Config(write=bf.WriteConfig(part_bytes=4)))
        file = context.BlobFile("memory://b/k", "wb")
        file.write(b"0123456789" * 10)
        import time; print(time.monotonic())
        """
    )

    assert ended.code == 0
    assert ended.exit_s < QUICK_S


def test_daemon_thread_that_is_still_working_does_not_hold_the_exit() -> None:
    ended = run(
        """
        import threading
        import blobio as bf
        started = threading.Event()

        def work():
            while True:
                bf.write_bytes("memory://b/k", b"x")
                started.set()

        threading.Thread(target=work, daemon=True).start()
        started.wait()
        import time; print(time.monotonic())
        """
    )

    assert (ended.code, ended.err) == (0, "")
    assert ended.exit_s < QUICK_S


def test_use_in_an_exit_handler_works_if_it_was_registered_after_the_first_use() -> None:
    ended = run(
        """
        import atexit
        import blobio as bf
        bf.write_bytes("memory://b/k", b"saved")
        atexit.register(lambda: print(bf.read_text("memory://b/k")))
        """
    )

    assert (ended.out, ended.err) == ("saved\n", "")
