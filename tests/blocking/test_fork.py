"""A forked child, or a worker of `multiprocessing`, just works; so does its parent afterwards."""

from __future__ import annotations

import itertools
from typing import Final

import pytest

from blobio.testing.emulators import S3Server
from tests.blocking.scripts import Ended, environment, run

pytestmark = pytest.mark.timeout(60)  # a loaded machine takes seconds to start a program

_numbers: Final = itertools.count(1)


def on_s3(bucket: S3Server, program: str) -> Ended:
    """Run a program whose first argument is a directory of the S3 server."""
    root = f"s3://blocking/fork/{next(_numbers)}"
    return run(program, root, environ=environment(bucket))


def test_child_and_parent_use_the_server_after_a_fork(bucket: S3Server) -> None:
    ended = on_s3(
        bucket,
        """
        import os, sys
        import blobio as bf
        root = sys.argv[1]
        bf.write_bytes(root + "/parent", b"from the parent")
        pid = os.fork()
        if pid == 0:
            try:
                assert bf.read_bytes(root + "/parent") == b"from the parent"
                with bf.BlobFile(root + "/child", "w") as file:
                    file.write("from the child")
                assert sorted(bf.listdir(root)) == ["child", "parent"]
                os._exit(0)
            except BaseException:
                import traceback
                traceback.print_exc()
                os._exit(1)
        assert os.waitpid(pid, 0)[1] == 0
        print(bf.read_text(root + "/child"))
        bf.write_bytes(root + "/after", b"")
        print(sorted(bf.listdir(root)))
        """,
    )

    assert ended.err == ""
    assert ended.lines == ["from the child", "['after', 'child', 'parent']"]


def test_open_reader_goes_on_in_parent_and_child(bucket: S3Server) -> None:
    ended = on_s3(
        bucket,
        """
        import os, sys
        import blobio as bf
        path = sys.argv[1] + "/blob"
        data = bytes(range(256)) * 4096
        bf.write_bytes(path, data)
        file = bf.BlobFile(path, "rb", buffer_size=4096)
        assert file.read(5000) == data[:5000]
        pid = os.fork()
        if pid == 0:
            ok = file.read(5000) == data[5000:10000] and file.readline(7) == data[10000:10007]
            file.close()
            os._exit(0 if ok else 1)
        assert os.waitpid(pid, 0)[1] == 0
        assert file.read() == data[5000:]
        print("whole")
        """,
    )

    assert (ended.out, ended.err) == ("whole\n", "")


def test_reader_in_a_child_stays_on_the_version_of_the_parent() -> None:
    ended = run(
        """
        import os
        import blobio as bf
        path = "memory://b/k"
        bf.write_bytes(path, b"old " * 1000)
        file = bf.BlobFile(path, "rb", buffer_size=16, file_size=4000)
        assert file.read(16) == b"old " * 4
        pid = os.fork()
        if pid == 0:
            bf.write_bytes(path, b"new " * 1000)
            try:
                file.read(16)
            except bf.VersionMismatch:
                os._exit(0)
            os._exit(1)
        assert os.waitpid(pid, 0)[1] == 0
        """
    )

    assert (ended.code, ended.err) == (0, "")


@pytest.mark.parametrize("streaming", [True, False])
def test_open_writer_belongs_to_the_parent(streaming: bool) -> None:
    ended = run(
        f"""
        import gc, os
        import blobio as bf
        path = "memory://b/k"
        file = bf.BlobFile(path, "wb", streaming={streaming})
        file.write(b"parent")
        pid = os.fork()
        if pid == 0:
            try:
                file.close()
            except ValueError as error:
                print(error, flush=True)
            file = None
            gc.collect()
            os._exit(bf.exists(path))
        assert os.waitpid(pid, 0)[1] == 0
        file.write(b" only")
        file.close()
        print(bf.read_text(path))
        """
    )

    assert ended.err == ""
    first, second = ended.lines
    assert "memory://b/k was opened for writing before a fork" in first
    assert second == "parent only"


def test_listing_under_way_belongs_to_the_parent() -> None:
    ended = run(
        """
        import os
        import blobio as bf
        for name in "abc":
            bf.write_bytes("memory://b/d/" + name, b"")
        names = bf.listdir("memory://b/d")
        first = next(names)
        steps = bf.walk("memory://b/d")
        next(steps)
        pid = os.fork()
        if pid == 0:
            try:
                list(steps)
            except RuntimeError as error:
                print(error, flush=True)
            del names, steps
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        print(first, *names, *steps)
        """
    )

    assert ended.err == ""
    assert ended.lines == [
        "this listing was begun before a fork and belongs to the parent",
        "a b c",
    ]


def test_things_of_the_parent_are_dropped_quietly_in_the_child(bucket: S3Server) -> None:
    ended = on_s3(
        bucket,
        """
        import gc, os, sys
        import blobio as bf
        root = sys.argv[1]
        parts = {"part_bytes": 1000}
        config = bf.Config(read=bf.ReadConfig(**parts), write=bf.WriteConfig(**parts))
        context = bf.Context(config)
        bf.write_bytes(root + "/blob", bytes(100_000))
        reader = bf.BlobFile(root + "/blob", "rb", buffer_size=1000)
        reader.read(10_000)
        listing = bf.scandir(root)
        next(listing)
        writer = bf.BlobFile(root + "/w", "wb")
        pid = os.fork()
        if pid == 0:
            del reader, listing, context
            writer.abort()
            writer = None
            gc.collect()
            sys.exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        writer.abort()
        print(len(reader.read()), *listing)
        """,
    )

    assert (ended.out, ended.err) == ("90000\n", "")


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_share_a_pickled_context(bucket: S3Server, method: str) -> None:
    ended = on_s3(
        bucket,
        f"""
        import multiprocessing, os, pickle, sys, tempfile
        source = '''
        import blobio as bf

        def work(job):
            context, root, number = job
            context.write_text(root + "/" + str(number), "worker " + str(number))
            return context.read_text(root + "/first")
        '''
        with tempfile.TemporaryDirectory() as directory:
            import textwrap
            with open(os.path.join(directory, "worker_of_test.py"), "w") as file:
                file.write(textwrap.dedent(source))
            sys.path.insert(0, directory)
            from worker_of_test import work
            import blobio as bf
            root = sys.argv[1]
            context = bf.create_context(config=bf.Config.from_env(), default_buffer_size=4096)
            context.write_text(root + "/first", "parent")
            with multiprocessing.get_context({method!r}).Pool(2) as pool:
                found = pool.map(work, [(context, root, n) for n in range(4)])
                pool.close()
                pool.join()
            print(found)
            print(sorted(context.listdir(root)))
        """,
    )

    assert ended.err == ""
    assert ended.lines == [str(["parent"] * 4), str(["0", "1", "2", "3", "first"])]


BUSY: Final = """
    import os, threading
    import blobio as bf
    {first}
    stop = threading.Event()

    def busy(number):
        while not stop.is_set():
            with bf.Context() as context:
                context.write_bytes(f"memory://b/{{number}}", b"x")
                bf.read_bytes(f"memory://b/{{number}}")

    threads = [threading.Thread(target=busy, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        pid = os.fork()
        if pid == 0:
            bf.write_bytes("memory://b/child", b"x")
            os._exit(0 if bf.read_bytes("memory://b/child") == b"x" else 1)
        assert os.waitpid(pid, 0)[1] == 0
    stop.set()
    for thread in threads:
        thread.join()
    print("done")
"""
NO_ADVICE: Final = ("-W", "ignore::DeprecationWarning")  # Python 3.12 warns of threads and fork


def test_fork_while_other_threads_are_busy_does_not_hang() -> None:
    ended = run(BUSY.format(first='bf.exists("memory://b/k")'), options=NO_ADVICE)

    assert (ended.out, ended.err) == ("done\n", "")


def test_fork_while_other_threads_use_blobio_for_the_first_time_does_not_hang() -> None:
    """A child must not find a module that a thread of its parent was importing."""
    ended = run(BUSY.format(first=""), options=NO_ADVICE)

    assert ended.out == "done\n"
