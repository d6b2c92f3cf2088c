"""The file API over a strict Azure server: what programs written for blobfile do there."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

import blobio as bf
from blobio.config import WriteConfig
from blobio.testing.emulators import AzureServer
from blobio.testing.strict_azure import StoredBlob, StrictAzure, strict_azure

ROOT = "az://account/container"


@pytest.fixture
def server() -> Iterator[StrictAzure]:
    with strict_azure() as running:
        running.make_container("container")
        yield running


@pytest.fixture
def context(server: StrictAzure) -> Iterator[bf.Context]:
    with bf.Context(replace(server.config(), write=WriteConfig(part_bytes=10))) as opened:
        yield opened


def test_spellings_of_a_url_name_one_blob(context: bf.Context) -> None:
    context.write_bytes(f"{ROOT}/key", b"data")

    assert context.read_bytes("az://container@account/key") == b"data"
    assert context.read_bytes("https://account.blob.core.windows.net/container/key") == b"data"


def test_large_blob_goes_in_blocks_and_keeps_its_md5(
    context: bf.Context, server: StrictAzure
) -> None:
    data = bytes(range(95))
    with context.BlobFile(f"{ROOT}/key", "wb") as file:
        file.write(data)

    assert server.requests["PutBlock"] == 10
    assert context.read_bytes(f"{ROOT}/key") == data
    assert context.stat(f"{ROOT}/key").md5 == hashlib.md5(data).hexdigest()  # noqa: S324


def test_first_writer_to_close_wins_and_the_other_is_told(context: bf.Context) -> None:
    first = context.BlobFile(f"{ROOT}/key", "wb")
    second = context.BlobFile(f"{ROOT}/key", "wb")
    first.write(b"1" * 35)
    second.write(b"2" * 35)
    second.close()

    with pytest.raises(bf.ConcurrentWriteFailure):
        first.close()

    assert context.read_bytes(f"{ROOT}/key") == b"2" * 35


def test_replacement_of_a_version_that_is_gone_is_refused(context: bf.Context) -> None:
    context.write_bytes(f"{ROOT}/key", b"old")
    version = context.stat(f"{ROOT}/key").version
    context.write_bytes(f"{ROOT}/key", b"theirs")

    with (
        pytest.raises(bf.VersionMismatch),
        context.BlobFile(f"{ROOT}/key", "wb", version=version) as file,
    ):
        file.write(b"ours" * 10)

    assert context.read_bytes(f"{ROOT}/key") == b"theirs"


def test_md5_that_the_store_lacks_is_computed_once(
    context: bf.Context, server: StrictAzure
) -> None:
    container = server.make_container("container")
    container.store("key", StoredBlob(body=b"data"))

    found = [context.md5(f"{ROOT}/key") for _ in range(2)]

    assert found == ["8d777f385d3dfec8815d20f7496026dc"] * 2
    assert container.blobs["key"].metadata == {"md5": found[0]}
    assert server.requests["GetBlob"] == 1


def test_mtime_is_kept_under_blobfiles_name(context: bf.Context, server: StrictAzure) -> None:
    context.write_bytes(f"{ROOT}/dir/key", b"data")

    context.set_mtime(f"{ROOT}/dir/key", 1234.5)

    assert context.stat(f"{ROOT}/dir/key").mtime == 1234.5
    blobs = server.make_container("container").blobs
    assert blobs["dir/key"].metadata == {"blobfilemtime": "1234.5"}
    (entry,) = context.scandir(f"{ROOT}/dir")
    assert entry.stat is not None
    assert entry.stat.mtime == 1234.5


def test_get_url_tells_a_unix_time(context: bf.Context) -> None:
    context.write_bytes(f"{ROOT}/key", b"data")

    url, expires_at = context.get_url(f"{ROOT}/key")

    assert "sig=" in url
    assert expires_at is not None
    assert expires_at > time.time()


def test_folders_of_hadoop_are_directories(context: bf.Context, server: StrictAzure) -> None:
    container = server.make_container("container")
    for key in ("dir", "dir/sub"):
        container.store(key, StoredBlob(body=b"", metadata={"hdi_isfolder": "true"}))
    container.store("dir/sub/blob", StoredBlob(body=b"data"))

    assert list(context.listdir(ROOT)) == ["dir"]
    assert context.isdir(f"{ROOT}/dir/sub")
    assert not context.isfile(f"{ROOT}/dir")
    context.rmtree(f"{ROOT}/dir")

    assert set(container.blobs) <= {"dir"}  # the mark of the directory itself lies outside of it


def test_tree_of_a_hierarchical_account_is_removed(
    context: bf.Context, server: StrictAzure
) -> None:
    container = server.make_container("container")
    container.is_hierarchical = True
    for key in ("dir/sub", "dir/sub/deep"):
        container.store(key, StoredBlob(body=b"", metadata={"hdi_isfolder": "true"}))
    for number in range(300):  # more than a batch
        container.store(f"dir/sub/deep/{number}", StoredBlob(body=b"x"))

    context.rmtree(f"{ROOT}/dir")

    assert not container.blobs


def test_copy_between_accounts_streams_where_the_store_cannot(azurite: AzureServer) -> None:
    azurite.make_container("blocking")
    azurite.make_container("blocking", account=azurite.second_account)
    source = f"az://{azurite.account}/blocking/source"
    target = f"az://{azurite.second_account}/blocking/target"
    with bf.Context(azurite.config()) as context:
        context.write_bytes(source, b"data" * 1000)

        md5 = context.copy(source, target, overwrite=True, return_md5=True)

        assert context.read_bytes(target) == b"data" * 1000
        assert md5 == context.md5(source)


def test_paths_are_spelled_as_https_if_the_settings_say_so(server: StrictAzure) -> None:
    root = "https://account.blob.core.windows.net/container"
    with bf.Context(replace(server.config(), output_az_paths=False)) as context:
        for key in ("a/b.txt", "a/50%?#.txt", "c.txt"):
            context.write_bytes(f"{ROOT}/{key}", key.encode())

        assert {e.path for e in context.scandir(f"{ROOT}/")} == {f"{root}/a", f"{root}/c.txt"}
        assert sorted(context.listdir(f"{ROOT}/")) == ["a", "c.txt"]
        assert list(context.glob(f"{ROOT}/*.txt")) == [f"{root}/c.txt"]
        assert max(context.glob(f"{ROOT}/**/*.txt")) == f"{root}/c.txt"
        assert list(context.glob(f"{ROOT}/c.txt")) == [f"{root}/c.txt"]
        assert [top for top, _, _ in context.walk(ROOT)] == [root, f"{root}/a"]
        for path in context.glob(f"{ROOT}/a/*"):
            assert path == f"{root}/{context.read_bytes(path).decode()}"
