"""Files that others could have made, or could make at the wrong moment (rows 7, 19 and 20)."""

from __future__ import annotations

import ast
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from blobio.blocking.context import Context
from blobio.config import Config, RetryConfig, S3Config
from blobio.drivers.local.staging import stage
from blobio.errors import AlreadyExists, BlobError, PermissionDenied
from blobio.testing.scripted import Received, Reply, ScriptedServer, serving
from blobio.values import CreateOnly, Overwrite
from tests.test_architecture import FILES, PACKAGE

BLOB: Final = "s3://bucket/dir/blob.bin"
CONTENT: Final = b"what the store has"


@contextmanager
def _store() -> Iterator[tuple[Context, ScriptedServer]]:
    with ScriptedServer(serving(CONTENT)) as server:
        s3 = S3Config(
            endpoint_url=server.url, region="us-east-1", anonymous=True, etag_is_md5=False
        )
        with Context(Config(s3=s3, retry=RetryConfig(attempts=1))) as context:
            yield context, server


def _read(context: Context, cache: Path) -> bytes:
    with context.BlobFile(BLOB, "rb", streaming=False, cache_dir=str(cache)) as file:
        return file.read()


def _copies(cache: Path) -> list[Path]:
    return sorted(path for path in cache.rglob("*") if path.is_file() and path.suffix != ".lock")


LOADERS: Final = {
    # messages of processes that a command begins, through pipes that nobody else has
    "blobio/cli/trade.py": {"pickle"},
    # writes one, as what tells filters apart, and loads none
    "blobio/dataset/filtering.py": {"pickle"},
    # its safe loader, which makes plain values
    "blobio/dataset/hubcard.py": {"yaml"},
}


@pytest.mark.slow
def test_nothing_from_elsewhere_is_ever_unpickled() -> None:
    """Row 7: no module can load what could run code."""
    forbidden = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "yaml", "_pickle"}
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text())):
            names: set[str] = set()
            if isinstance(node, ast.Import):
                names = {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names = {str(node.module).split(".")[0]}
            elif isinstance(node, ast.Call):
                assert ast.unparse(node.func) not in ("eval", "exec", "compile"), file
            known = LOADERS.get(str(file.relative_to(PACKAGE.parent)), set())
            assert not names & forbidden - known, file


def test_cache_is_for_its_owner(tmp_path: Path) -> None:
    """Row 19: directories 0700, and nothing in them that others may read or write."""
    cache = tmp_path / "cache"
    old = os.umask(0)
    try:
        with _store() as (context, _):
            assert _read(context, cache) == CONTENT
    finally:
        os.umask(old)

    assert stat.S_IMODE(cache.stat().st_mode) == 0o700
    for path in cache.rglob("*"):
        if path.is_dir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o700
        elif path.suffix == ".lock":
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [path.read_bytes() for path in _copies(cache)] == [CONTENT]


def test_names_in_the_cache_come_from_no_key(tmp_path: Path) -> None:
    """Row 19: an entry is named by a hash of URL and version; a key cannot lead out of it."""
    cache = tmp_path / "cache"
    with _store() as (context, _):
        for key in ("..", "a/../../../escape", "x/.blobio-aa.tmp", "n" * 300, "/etc/passwd"):
            path = f"s3://bucket/{key}"
            with context.BlobFile(path, "rb", streaming=False, cache_dir=str(cache)) as file:
                assert file.read() == CONTENT

    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache"]
    for copy in _copies(cache):
        assert re.fullmatch(r"[0-9a-f]{64}", copy.parent.name)
        assert copy.parent.parent == cache


def test_other_version_has_another_entry(tmp_path: Path) -> None:
    """Row 19: what was fetched before a change is not served after it."""
    contents = [b"old content", b"new content"]

    def store(request: Received) -> Reply:
        return serving(contents[0])(request)

    with ScriptedServer(store) as server:
        s3 = S3Config(
            endpoint_url=server.url, region="us-east-1", anonymous=True, etag_is_md5=False
        )
        with Context(Config(s3=s3)) as context:
            assert _read(context, tmp_path / "cache") == b"old content"
            contents.reverse()
            assert _read(context, tmp_path / "cache") == b"new content"
            contents.reverse()
            assert _read(context, tmp_path / "cache") == b"old content"


def _link_to_file(entry: Path, secret: Path) -> None:
    (entry / "blob.bin").unlink()
    (entry / "blob.bin").symlink_to(secret)


def _link_to_directory(entry: Path, secret: Path) -> None:
    (entry / "blob.bin").unlink()
    entry.rmdir()
    entry.symlink_to(secret.parent)


def _link_for_the_lock(entry: Path, secret: Path) -> None:
    lock = entry.with_name(f"{entry.name}.lock")
    lock.unlink()
    lock.symlink_to(secret)


@pytest.mark.parametrize("plant", [_link_to_file, _link_to_directory, _link_for_the_lock])
def test_link_in_the_cache_is_not_followed(
    plant: Callable[[Path, Path], None], tmp_path: Path
) -> None:
    """Rows 19 and 20: neither to read what it leads to, nor to write there."""
    cache, secret = tmp_path / "cache", tmp_path / "else" / "blob.bin"
    secret.parent.mkdir()
    secret.write_bytes(b"x" * len(CONTENT))
    with _store() as (context, _):
        assert _read(context, cache) == CONTENT
        plant(_copies(cache)[0].parent, secret)

        with pytest.raises(OSError, match=r"link|symbolic"):
            _read(context, cache)

    assert secret.read_bytes() == b"x" * len(CONTENT)


def _planted(entry: Path) -> None:
    (entry / "blob.bin").write_bytes(b"y" * len(CONTENT))


def _emptied(entry: Path) -> None:
    (entry / "blob.bin").unlink()


@pytest.mark.parametrize("prepare", [_planted, _emptied])
def test_entry_of_another_user_is_refused_where_everybody_may_write(
    prepare: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows 19 and 20: names can be foreseen, and in `/tmp` somebody may have been there first."""
    cache = tmp_path / "shared"
    cache.mkdir()
    cache.chmod(0o1777)
    with _store() as (context, server):
        assert _read(context, cache) == CONTENT
        prepare(_copies(cache)[0].parent)
        us = os.geteuid()
        monkeypatch.setattr(os, "geteuid", lambda: us + 1)  # so that the entry is not ours
        server.requests.clear()

        with pytest.raises(PermissionDenied, match="belongs to user"):
            _read(context, cache)

        assert {request.method for request in server.requests} == {"HEAD"}


def test_file_system_that_changes_owners_can_hold_a_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 19: as NFS does for root; the directory's owner is believed if only he may write."""
    cache = tmp_path / "cache"
    us = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: us + 1)
    with _store() as (context, _):
        assert _read(context, cache) == CONTENT
        assert _read(context, cache) == CONTENT


def test_new_file_is_made_exclusively_and_under_a_random_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 20: `O_EXCL`, which follows no link, where files cannot be made without a name."""
    monkeypatch.setattr("blobio.drivers.local.staging._UNNAMED", 0)
    names: list[str] = []
    flags: list[int] = []
    real = os.open

    def spy(path: str, flag: int, mode: int = 0o777, **options: int) -> int:
        if flag & os.O_CREAT:
            names.append(os.path.basename(path))
            flags.append(flag)
        return real(path, flag, mode, **options)

    monkeypatch.setattr(os, "open", spy)
    for _ in range(20):
        with stage(str(tmp_path / "file"), Overwrite()) as staged:
            staged.write(b"x")
            staged.publish()

    assert len(set(names)) == 20
    assert all(re.fullmatch(r"\.blobio-[0-9a-f]{16,}\.tmp", name) for name in names)
    assert all(flag & os.O_EXCL and flag & os.O_CLOEXEC for flag in flags)


@pytest.mark.parametrize("unnamed", [True, False])
def test_file_on_its_way_has_the_permissions_of_the_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, unnamed: bool
) -> None:
    """Row 20: never more, not for a moment."""
    if not unnamed:
        monkeypatch.setattr("blobio.drivers.local.staging._UNNAMED", 0)
    target = tmp_path / "secret"
    target.write_bytes(b"old")
    target.chmod(0o600)

    with stage(str(target), Overwrite()) as staged:
        assert stat.S_IMODE(os.fstat(staged.fileno()).st_mode) == 0o600
        staged.write(b"new")
        staged.publish()

    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def _create(path: Path) -> None:
    with stage(str(path), CreateOnly()) as staged:
        staged.write(b"ours")
        staged.publish()


@pytest.mark.parametrize("there", ["file", "link", "broken link"])
def test_creating_takes_no_link_for_nothing(there: str, tmp_path: Path) -> None:
    """Row 20: nor does it write through one."""
    victim, name = tmp_path / "victim", tmp_path / "name"
    if there == "file":
        name.write_bytes(b"theirs")
    else:
        if there == "link":
            victim.write_bytes(b"theirs")
        name.symlink_to(victim)

    with pytest.raises(AlreadyExists):
        _create(name)

    assert not victim.exists() or victim.read_bytes() == b"theirs"


def test_temporary_directories_are_for_their_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 20: those of a download and of a write that is staged."""
    modes: list[int] = []
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def look(request: Received) -> Reply:
        modes.extend(stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir())
        return serving(CONTENT)(request)

    with ScriptedServer(look) as server:
        s3 = S3Config(
            endpoint_url=server.url, region="us-east-1", anonymous=True, etag_is_md5=False
        )
        with Context(Config(s3=s3)) as context:
            context.BlobFile(BLOB, "rb", streaming=False).close()
            with context.BlobFile(BLOB, "wb", streaming=False) as file:
                file.write(b"x")

    assert modes
    assert set(modes) == {0o700}
    assert list(tmp_path.iterdir()) == []


def test_no_name_can_be_foreseen_or_comes_from_a_weak_source() -> None:
    """Row 20: the only weak random numbers are those of waiting times."""
    weak = {}
    for file in FILES:
        text = file.read_text()
        if re.search(r"^\s*(import random|from random import)", text, re.MULTILINE):
            weak[str(file.relative_to(PACKAGE))] = re.findall(r"\brandom\.\w+", text)
        assert "tempfile.mktemp(" not in text, file
    waits = {"core/reader.py", "drivers/gcs/resumable.py", "transport/retry.py"}
    assert set(weak) <= waits | {name for name in weak if name.startswith("testing/")}


@pytest.mark.parametrize("path", ["file\0name", "\0", "dir/\0/x"])
def test_nul_in_a_local_path_is_an_error_of_ours(path: str) -> None:
    """Row 16: not the `ValueError` of the system call."""
    with Context(Config()) as context, pytest.raises(BlobError):
        context.BlobFile(path, "rb")
