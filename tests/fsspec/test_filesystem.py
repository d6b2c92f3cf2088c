"""What fsspec's own suites leave out: ranges, errors, files, pickles, loops and forks."""

from __future__ import annotations

import _thread
import asyncio
import gc
import multiprocessing
import pickle
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import fsspec
import pytest
from fsspec.callbacks import Callback

from blobio import BlobPath
from blobio.errors import AlreadyExists, InvalidConfig, NotFound, Unsupported
from blobio.fsspec import MemoryFileSystem, S3FileSystem, register, unregister
from blobio.testing.emulators import S3Server
from tests.fsspec.conftest import BUCKET, Place, options_of

DATA = bytes(range(256)) * 40


class Progress(Callback):
    """Keeps what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[int] = []

    def call(self, *args: Any, **kwargs: Any) -> None:
        self.steps.append(self.value)


class Stopped(Exception):
    """The body of a `with` block gives up."""


# Questions


def test_info_tells_name_size_type_times_and_version(place: Place) -> None:
    place.fs.pipe_file(place.at("d/a"), DATA)

    info = place.fs.info(place.at("d/a"))

    assert (info["name"], info["size"], info["type"]) == (place.at("d/a"), len(DATA), "file")
    assert info["ETag"]
    assert abs(datetime.now(UTC) - info["LastModified"]) < timedelta(minutes=5)
    assert place.fs.modified(place.at("d/a")) == info["LastModified"]
    assert place.fs.created(place.at("d/a")) <= datetime.now(UTC) + timedelta(minutes=5)
    assert place.fs.info(place.at("d"))["type"] == "directory"


def test_blob_path_stands_for_its_url(make_place: Callable[[str], Place]) -> None:
    place = make_place("moto")
    path = BlobPath(f"s3://{place.at('a')}")

    place.fs.pipe_file(path, b"x")
    with place.fs.open(path) as file:
        assert file.read() == b"x"

    assert place.fs.info(path)["name"] == place.at("a")
    assert place.fs.exists(path)


def test_ukey_and_checksum_follow_the_content(place: Place) -> None:
    path = place.at("a")
    place.fs.pipe_file(path, b"1")
    before = place.fs.ukey(path), place.fs.checksum(path)
    assert (place.fs.ukey(path), place.fs.checksum(path)) == before

    place.fs.pipe_file(path, b"22")

    assert place.fs.ukey(path) != before[0]
    assert place.fs.checksum(path) != before[1]


def test_ls_of_directory_of_file_and_of_nothing(place: Place) -> None:
    place.fs.pipe({place.at("d/a"): b"1", place.at("d/e/b"): b"22"})

    found = {entry["name"]: entry["type"] for entry in place.fs.ls(place.at("d"))}

    assert found == {place.at("d/a"): "file", place.at("d/e"): "directory"}
    assert place.fs.ls(place.at("d/a"), detail=False) == [place.at("d/a")]
    with pytest.raises(FileNotFoundError):
        place.fs.ls(place.at("none"))


def test_nothing_is_remembered(place: Place) -> None:
    place.fs.pipe_file(place.at("a"), b"1")
    assert len(place.fs.ls(place.path)) == 1
    other = type(place.fs)(**place.options, skip_instance_cache=True)

    other.pipe_file(place.at("b"), b"2")

    assert len(place.fs.ls(place.path)) == 2


def test_find_is_flat_and_knows_depth_and_directories(place: Place) -> None:
    names = [place.at(name) for name in ("a", "d/b", "d/e/c")]
    place.fs.pipe(dict.fromkeys(names, b"x"))

    assert place.fs.find(place.path) == names
    assert place.fs.find(place.path, maxdepth=2) == names[:2]
    everything = place.fs.find(place.path, withdirs=True, detail=True)
    assert everything.keys() == {*names, place.path, place.at("d"), place.at("d/e")}
    assert place.fs.find(place.at("a")) == [place.at("a")]
    assert place.fs.find(place.at("none")) == []
    assert place.fs.du(place.path) == 3


def test_names_are_exact(make_place: Callable[[str], Place]) -> None:
    place = make_place("moto")
    names = [place.at(name) for name in ("a b+c%20d", "ä#?=&", "x//y")]
    place.fs.pipe(dict.fromkeys(names, b"x"))

    assert place.fs.find(place.path) == sorted(names)
    assert [place.fs.cat_file(name) for name in names] == [b"x"] * 3


# Content


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (None, None), (0, None), (5, None), (None, 7), (3, 9), (9, 3), (-4, None), (-20_000, None),
        (None, -1), (-9, -2), (2, -2), (10_000, 10_300), (20_000, 20_001),
    ],
)  # fmt: skip
def test_cat_file_slices_as_bytes_do(place: Place, start: int | None, end: int | None) -> None:
    place.fs.pipe_file(place.at("a"), DATA)

    assert place.fs.cat_file(place.at("a"), start=start, end=end) == DATA[start:end]


def test_cat_file_of_nothing_is_empty(place: Place) -> None:
    place.fs.pipe_file(place.at("a"), b"")

    assert place.fs.cat_file(place.at("a"), start=-4) == b""


def test_cat_ranges_over_blobs_with_errors_in_their_place(place: Place) -> None:
    a, b, none = place.at("a"), place.at("b"), place.at("none")
    place.fs.pipe({a: DATA, b: DATA[::-1]})
    paths, starts, ends = [a, b, none, a, a], [0, 5, 0, -3, 100], [4, 9, 1, None, 200]

    found = place.fs.cat_ranges(paths, starts, ends)

    assert found[:2] == [DATA[:4], DATA[::-1][5:9]]
    assert isinstance(found[2], FileNotFoundError)
    assert found[3:] == [DATA[-3:], DATA[100:200]]
    assert place.fs.cat_ranges([a, b], 1, 3) == [DATA[1:3], DATA[::-1][1:3]]
    with pytest.raises(FileNotFoundError):
        place.fs.cat_ranges([none], 0, 1, on_error="raise")


def test_pipe_that_creates_does_not_replace(place: Place) -> None:
    place.fs.pipe_file(place.at("a"), b"first", mode="create")

    with pytest.raises(AlreadyExists):
        place.fs.pipe_file(place.at("a"), b"second", mode="create")
    assert place.fs.cat_file(place.at("a")) == b"first"


def test_put_and_get_tell_their_progress(place: Place, tmp_path: Any) -> None:
    (tmp_path / "in").write_bytes(DATA)
    up, down = Progress(), Progress()

    place.fs.put_file(str(tmp_path / "in"), place.at("a"), callback=up)
    place.fs.get_file(place.at("a"), str(tmp_path / "new" / "out"), callback=down)

    assert (tmp_path / "new" / "out").read_bytes() == DATA
    for progress in (up, down):
        assert (progress.size, progress.value) == (len(DATA), len(DATA))


def test_get_into_an_open_file(place: Place, tmp_path: Any) -> None:
    place.fs.pipe_file(place.at("a"), DATA)

    with open(tmp_path / "out", "wb") as target:
        place.fs.get_file(place.at("a"), target)

    assert (tmp_path / "out").read_bytes() == DATA


# Files


def test_file_reads_seeks_and_tells(place: Place) -> None:
    place.fs.pipe_file(place.at("a"), DATA)

    with place.fs.open(place.at("a")) as file:
        assert (file.size, file.mode, file.path, file.loc) == (len(DATA), "rb", place.at("a"), 0)
        assert file.read(3) == DATA[:3]
        assert file.seek(-4, 2) == len(DATA) - 4
        assert file.read() == DATA[-4:]
        file.seek(0)
        assert file.readuntil(b"\x10", blocks=7) == DATA[:17]
        assert file.tell() == 17
        buffer = bytearray(9)
        assert file.readinto(buffer) == 9
        assert bytes(buffer) == DATA[17:26]
        assert file.details["size"] == len(DATA)
    assert file.closed


def test_text_goes_in_and_comes_out(place: Place) -> None:
    with place.fs.open(place.at("t"), "w", encoding="utf-16", newline="\n") as file:
        file.write("ä\nb\n")
    with place.fs.open(place.at("t"), "r", encoding="utf-16") as file:
        assert file.readlines() == ["ä\n", "b\n"]


@pytest.mark.parametrize("name", ["gzip", "bz2", "xz", "infer"])
@pytest.mark.parametrize("mode", ["wb", "w"])
def test_compressed_file_is_published_when_it_is_closed(place: Place, name: str, mode: str) -> None:
    path = place.at("a.gz")
    with place.fs.open(path, mode, compression=name) as file:
        file.write("data" if mode == "w" else b"data")

    assert place.fs.cat_file(path) != b"data"
    with place.fs.open(path, compression=name) as file:
        assert file.read() == b"data"


def test_unknown_compression_is_refused_and_nothing_is_left_open(place: Place) -> None:
    with pytest.raises(ValueError, match="brotli"):
        place.fs.open(place.at("a"), "wb", compression="brotli")

    assert not place.fs.exists(place.at("a"))


@pytest.mark.parametrize("compression", [None, "gzip", "bz2", "xz"])
@pytest.mark.parametrize("mode", ["wb", "w"])
def test_block_that_raises_publishes_nothing(
    place: Place, mode: str, compression: str | None
) -> None:
    place.fs.pipe_file(place.at("a"), b"old")

    opened = place.fs.open(place.at("a"), mode, compression=compression)
    with pytest.raises(Stopped), opened as file:
        file.write("new" if mode == "w" else b"new")
        raise Stopped

    assert place.fs.cat_file(place.at("a")) == b"old"


@pytest.mark.parametrize("mode", ["wb", "w"])
@pytest.mark.parametrize("compression", [None, "gzip"])
def test_block_of_fsspec_open_that_raises_publishes_nothing(
    place: Place, mode: str, compression: str | None
) -> None:
    path = place.at("a")
    place.fs.pipe_file(path, b"old")
    opened = fsspec.core.OpenFile(place.fs, path, mode, compression)

    with pytest.raises(Stopped), opened as file:
        file.write("new" if mode == "w" else b"new")
        raise Stopped

    assert place.fs.cat_file(path) == b"old"


def test_block_inside_a_handler_publishes(place: Place) -> None:
    """An error that is being handled outside is none of the block's."""
    try:
        raise Stopped
    except Stopped:
        with fsspec.core.OpenFile(place.fs, place.at("a"), "wb") as file:
            file.write(b"new")

    assert place.fs.cat_file(place.at("a")) == b"new"


def test_file_closed_by_a_thread_that_no_python_called_is_published() -> None:
    """As the threads of pyarrow and duckdb do it: `close` is all there is on their stack."""
    fs = MemoryFileSystem()
    file = fs.open("b/foreign", "wb")
    file.write(b"new")

    _thread.start_new_thread(file.close, ())

    give_up = time.monotonic() + 10
    while not fs.exists("b/foreign"):
        assert time.monotonic() < give_up
    assert fs.cat_file("b/foreign") == b"new"


def test_exclusive_file_is_decided_again_when_it_is_closed(place: Place) -> None:
    file = place.fs.open(place.at("a"), "xb")
    file.write(b"mine")
    place.fs.pipe_file(place.at("a"), b"theirs")

    with pytest.raises(AlreadyExists):
        file.close()
    assert place.fs.cat_file(place.at("a")) == b"theirs"


def test_append_adds(place: Place) -> None:
    place.fs.pipe_file(place.at("a"), b"1")

    with place.fs.open(place.at("a"), "ab") as file:
        file.write(b"2")

    assert place.fs.cat_file(place.at("a")) == b"12"


def test_transaction_publishes_all_at_its_end_or_none(place: Place) -> None:
    a, b = place.at("a"), place.at("b")
    with place.fs.transaction:
        for path in (a, b):
            with place.fs.open(path, "wb") as file:
                file.write(b"x")
        assert not place.fs.exists(a)
    assert place.fs.cat([a, b]) == {a: b"x", b: b"x"}

    with pytest.raises(Stopped), place.fs.transaction:
        with place.fs.open(a, "wb") as file:
            file.write(b"y")
        raise Stopped
    assert place.fs.cat_file(a) == b"x"


def test_row_33_transaction_whose_commit_fails_is_over_and_loud(place: Place) -> None:
    with pytest.raises(AlreadyExists), place.fs.transaction:
        with place.fs.open(place.at("a"), "xb") as file:
            file.write(b"mine")
        place.fs.pipe_file(place.at("a"), b"theirs")

    with place.fs.open(place.at("b"), "wb") as file:
        file.write(b"at once")
    assert place.fs.cat([place.at("a"), place.at("b")]) == {
        place.at("a"): b"theirs",
        place.at("b"): b"at once",
    }


# Changes


def test_rm_needs_recursive_and_takes_patterns(place: Place) -> None:
    place.fs.pipe({place.at(f"d/{name}"): b"x" for name in ("a1", "a2", "b", "e/c")})

    place.fs.rm(place.at("d/a*"))
    assert place.fs.find(place.path) == [place.at("d/b"), place.at("d/e/c")]
    place.fs.rm(place.at("d"), recursive=True)
    assert place.fs.find(place.path) == []
    with pytest.raises(FileNotFoundError):
        place.fs.rm(place.at("d"), recursive=True)


def test_mv_and_touch(place: Place) -> None:
    place.fs.pipe_file(place.at("a"), b"x")

    place.fs.mv(place.at("a"), place.at("b"))
    place.fs.touch(place.at("b"), truncate=False)
    place.fs.touch(place.at("c"))

    assert not place.fs.exists(place.at("a"))
    assert place.fs.cat([place.at("b"), place.at("c")]) == {
        place.at("b"): b"x",
        place.at("c"): b"",
    }


def test_no_bucket_is_made_or_removed_by_accident(make_place: Callable[[str], Place]) -> None:
    fs = make_place("moto").fs

    with pytest.raises(NotFound):
        fs.mkdir("no-such-bucket")
    with pytest.raises(FileExistsError):
        fs.mkdir(BUCKET)
    with pytest.raises(Unsupported):
        fs.rm(BUCKET, recursive=True)
    with pytest.raises(Unsupported):
        fs.ls("")
    with pytest.raises(FileNotFoundError):
        fs.pipe_file("no-such-bucket/a", b"x")
    assert not fs.exists("no-such-bucket")


def test_sign_gives_a_url(make_place: Callable[[str], Place]) -> None:
    place = make_place("moto")

    assert "X-Amz-Signature=" in place.fs.sign(place.at("a"), expiration=60)


# Where it runs


def test_pickles_and_json_come_back_equal(place: Place) -> None:
    place.fs.pipe_file(place.at("a"), b"x")

    again = pickle.loads(pickle.dumps(place.fs))  # noqa: S301 - our own bytes
    parsed = fsspec.AbstractFileSystem.from_json(place.fs.to_json(include_password=True))

    assert again == place.fs
    assert again.cat_file(place.at("a")) == b"x"
    assert parsed.cat_file(place.at("a")) == b"x"


async def test_verbs_are_coroutines_on_the_loop_of_the_caller(moto: S3Server, place: Place) -> None:
    del place  # makes the bucket
    fs = S3FileSystem(**options_of(moto), asynchronous=True, skip_instance_cache=True)
    path = f"{BUCKET}/async/a"

    await fs._pipe_file(path, DATA)
    assert await fs._cat_file(path, start=-3) == DATA[-3:]
    assert (await fs._info(path))["size"] == len(DATA)
    async with await fs.open_async(path, "rb") as file:
        assert await file.read(4) == DATA[:4]
    async with await fs.open_async(path, "wb") as file:
        await file.write(b"new")
    assert await fs._cat_ranges([path], [0], [2]) == [b"ne"]
    await fs._rm(path)
    assert not await fs._exists(path)
    await fs.aclose()


def test_file_system_of_another_loop_closes_when_it_is_dropped(
    make_place: Callable[[str], Place],
) -> None:
    """zarr awaits it on a loop of its own, and drops it without a word."""
    options = make_place("moto").options
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="blobio-test-loop")
    thread.start()
    fs = S3FileSystem(**options, asynchronous=True, skip_instance_cache=True)
    asyncio.run_coroutine_threadsafe(fs._exists(f"{BUCKET}/none"), loop).result(10)
    (context,) = fs._contexts.values()

    del fs
    gc.collect()
    asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result(10)

    assert context.stores._shared is None
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


def test_blocking_verbs_work_inside_a_running_loop() -> None:
    fs = MemoryFileSystem()

    async def main() -> bytes:
        fs.pipe_file("b/inside", b"x")
        content: bytes = fs.cat_file("b/inside")
        return content

    assert asyncio.run(main()) == b"x"


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_other_processes_go_on_with_it(make_place: Callable[[str], Place], method: str) -> None:
    place = make_place("moto")
    place.fs.pipe_file(place.at("a"), b"parent")
    context: Any = multiprocessing.get_context(method)
    process = context.Process(target=_in_child, args=(place.fs, place.at("a"), place.at("b")))

    process.start()
    process.join(15)

    assert process.exitcode == 0
    assert place.fs.cat_file(place.at("b")) == b"parent, child"


def _in_child(fs: S3FileSystem, source: str, target: str) -> None:
    with fs.open(target, "wb") as file:
        file.write(fs.cat_file(source) + b", child")


# Names


def test_protocols_are_known_once_blobio_is_installed() -> None:
    for name in (
        "blobios3",
        "blobiogs",
        "blobioaz",
        "blobiohttps",
        "blobiohttp",
        "blobiohf",
        "blobiomemory",
        "blobiofile",
    ):
        assert fsspec.get_filesystem_class(name).__module__ == "blobio.fsspec.schemes"


def test_urls_open_files() -> None:
    with fsspec.open("blobiomemory://b/url", "wb") as file:
        file.write(b"x")
    with fsspec.open("blobiomemory://b/url") as file:
        assert file.read() == b"x"


def test_plain_names_are_taken_and_given_back() -> None:
    before = fsspec.get_filesystem_class("memory")
    register("memory", "s3")
    try:
        assert fsspec.get_filesystem_class("memory") is MemoryFileSystem
        assert fsspec.get_filesystem_class("s3") is S3FileSystem
        assert fsspec.filesystem("memory")._strip_protocol("memory://b/k/") == "b/k"
    finally:
        unregister()
    assert fsspec.get_filesystem_class("memory") is before


def test_urls_of_adlfs_name_container_and_account() -> None:
    register("abfs")
    try:
        fs, path = fsspec.core.url_to_fs(
            "abfs://box@account.dfs.core.windows.net/a/b", anon=True, skip_instance_cache=True
        )
    finally:
        unregister("abfs")

    assert (path, fs.url_prefix) == ("box/a/b", "az://account/")
    assert fs.config.azure.anonymous


def test_unknown_protocol_is_refused_and_none_is_taken() -> None:
    before = fsspec.get_filesystem_class("memory")

    with pytest.raises(InvalidConfig, match="'ftp'"):
        register("memory", "ftp")
    assert fsspec.get_filesystem_class("memory") is before


def test_unknown_storage_option_is_refused_by_name() -> None:
    with pytest.raises(InvalidConfig, match="'colour'"):
        fsspec.filesystem("blobios3", colour="red")
