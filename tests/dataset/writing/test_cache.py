"""The cache: what it holds is what was stored, within its limit, whatever happens to processes."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from blobio import NotFound, PermissionDenied, Unsupported, VersionMismatch
from blobio.dataset import Cache, CacheFull, DatasetConfig
from blobio.dataset.cachefiles import CacheFiles, Partial
from blobio.dataset.cacheledger import opened_ledger
from blobio.dataset.cachelocks import _kind_of, exclusive
from blobio.dataset.cachemeta import Identity, Meta
from tests.dataset.conftest import Make, Place


def _bytes_below(directory: Path) -> int:
    """Count all bytes, in a moment in which nothing comes or goes."""
    with exclusive(str(directory / "lock")):
        return sum(file.stat().st_size for file in directory.rglob("*") if file.is_file())


def _offline(place: Place) -> Place:
    return replace(place, config=replace(place.config, dataset=DatasetConfig(offline=True)))


def _put(place: Place, name: str, data: bytes) -> tuple[str, str]:
    """Store a blob; return its URL and version."""
    url = place.at(name)
    place.context.write_bytes(url, data)
    version = place.context.stat(url).version
    assert version is not None
    return url, version


@pytest.fixture(params=["memory", "moto", "rclone", "gcs", "azurite"])
def remote(request: pytest.FixtureRequest, make_place: Make) -> Place:
    """A place in each store that is not the disk."""
    return make_place(request.param)


def test_copy_is_fetched_once(remote: Place, tmp_path: Path) -> None:
    cache = Cache(tmp_path, config=remote.config)
    url, version = _put(remote, "data/0.parquet", b"content")

    path = cache.get(url, version)

    assert Path(path).read_bytes() == b"content"
    assert path.endswith("/0.parquet")
    remote.methods()
    assert cache.get(url, version) == path
    assert remote.methods() == []
    assert cache.get(url) == path
    assert remote.methods() in (["HEAD"], ["GET"], [])
    assert (cache.stats().hits, cache.stats().misses, cache.stats().entries) == (2, 1, 1)


def test_range_is_fetched_once(remote: Place, tmp_path: Path) -> None:
    cache = Cache(tmp_path, config=remote.config)
    url, version = _put(remote, "data", b"0123456789")

    assert cache.read(url, 2, 5, version) == b"234"
    assert cache.read(url, 8, 99, version) == b"89"
    remote.methods()

    assert cache.read(url, 2, 5, version) == b"234"
    assert cache.read(url, 8, 99, version) == b"89"
    assert remote.methods() == []


def test_range_is_served_from_the_whole(memory: Place, tmp_path: Path) -> None:
    cache = Cache(tmp_path, config=memory.config)
    url, version = _put(memory, "data", b"0123456789")
    cache.get(url, version)

    assert cache.read(url, 2, 5, version) == b"234"
    assert cache.read(url, 2, 5) == b"234"
    assert (cache.stats().misses, cache.stats().entries) == (1, 1)


def test_versions_do_not_mix(memory: Place, tmp_path: Path) -> None:
    cache = Cache(tmp_path, config=memory.config)
    url, old = _put(memory, "data", b"old")
    cache.get(url)
    _, new = _put(memory, "data", b"new")

    assert Path(cache.get(url)).read_bytes() == b"new"
    assert Path(cache.get(url, old)).read_bytes() == b"old"
    assert cache.read(url, 0, 9, new) == b"new"
    with pytest.raises(VersionMismatch):
        cache.get(url, "other")


def test_file_of_this_machine_is_not_copied(make_place: Make, tmp_path: Path) -> None:
    place = make_place("local")
    cache = Cache(tmp_path, config=place.config)
    url, _ = _put(place, "data", b"content")

    assert cache.get(url) == url
    assert cache.read(url, 3, 5) == b"te"
    assert cache.stats().entries == 0
    with pytest.raises(NotFound):
        cache.get(place.at("nothing"))


def _fill(place: Place, count: int, size: int = 10_000) -> list[tuple[str, str]]:
    return [_put(place, f"data/{n:02d}", bytes([n]) * size) for n in range(count)]


def test_least_recently_used_copies_go_first(memory: Place, tmp_path: Path) -> None:
    cache = Cache(tmp_path, max_bytes=35_000, config=memory.config)
    blobs = _fill(memory, 4)
    paths = [cache.get(*blob) for blob in blobs[:3]]
    for number, path in enumerate(paths):  # clocks of files may be coarse
        os.utime(Path(path).with_name("meta.json"), ns=(number, number))
    cache.get(*blobs[0])

    cache.get(*blobs[3])

    assert [os.path.exists(path) for path in paths] == [True, False, True]
    assert _bytes_below(tmp_path) <= 35_000
    assert cache.stats().evicted_bytes >= 10_000


def test_copy_in_use_stays(memory: Place, tmp_path: Path) -> None:
    cache = Cache(tmp_path, max_bytes=25_000, wait_s=0.1, config=memory.config)
    blobs = _fill(memory, 3)

    with cache.lease(*blobs[0]) as one, cache.lease(*blobs[1]) as other:
        assert cache.stats().held == 2
        with pytest.raises(CacheFull, match="are of copies in use"):
            cache.get(*blobs[2])
        assert Path(one).exists()
        assert Path(other).exists()

    assert Path(cache.get(*blobs[2])).read_bytes() == b"\2" * 10_000
    assert cache.stats().held == 0


def test_copy_larger_than_the_cache_is_refused_at_once(memory: Place, tmp_path: Path) -> None:
    cache = Cache(tmp_path, max_bytes=10_100, config=memory.config)
    small, large = _put(memory, "small", b"x"), _put(memory, "large", b"x" * 10_000)
    cache.get(*small)

    with pytest.raises(CacheFull, match="its limit is 10100 bytes"):
        cache.get(*large)

    assert cache.stats().entries == 1


def test_what_could_not_be_fetched_again_stays(remote: Place, tmp_path: Path) -> None:
    cache = Cache(tmp_path, max_bytes=35_000, wait_s=0.1, config=remote.config)
    blobs = _fill(remote, 5)
    for blob in blobs[:3]:
        cache.get(*blob)
    remote.context.remove(blobs[0][0])
    remote.context.write_bytes(blobs[1][0], b"changed")

    cache.get(*blobs[3])

    assert cache.read(blobs[0][0], 0, 1, blobs[0][1]) == b"\0"
    assert cache.read(blobs[1][0], 0, 1, blobs[1][1]) == b"\1"
    remote.context.remove(blobs[3][0])
    with pytest.raises(CacheFull, match="could not be fetched again"):
        cache.get(*blobs[4])
    assert cache.stats().kept == 3
    assert cache.clear() > 30_000
    assert cache.stats().entries == 0


def test_offline_serves_the_version_that_was_asked_for(memory: Place, tmp_path: Path) -> None:
    cache = Cache(tmp_path, config=memory.config)
    url, old = _put(memory, "data", b"old")
    cache.get(url)
    _, new = _put(memory, "data", b"new")
    cache.get(url)
    cache.read(memory.at("data"), 1, 2, new)
    memory.context.remove(url)

    offline = Cache(tmp_path, config=_offline(memory).config)

    assert Path(offline.get(url, old)).read_bytes() == b"old"
    assert Path(offline.get(url)).read_bytes() == b"new"
    assert offline.read(url, 1, 2, old) == b"l"
    with pytest.raises(NotFound, match=r"offline.* no copy of version 7"):
        offline.get(url, "7")
    with pytest.raises(NotFound, match="offline"):
        offline.get(memory.at("other"))
    with pytest.raises(Unsupported, match="offline"):
        offline.trim(0)


@pytest.mark.parametrize("name", ["BLOBIO_OFFLINE", "HF_DATASETS_OFFLINE"])
def test_environment_takes_the_cache_offline(
    memory: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "1")
    monkeypatch.setenv("BLOBIO_CACHE_DIR", str(tmp_path / "there"))
    url, version = _put(memory, "data", b"x")

    cache = Cache()

    assert cache.directory == str(tmp_path / "there")
    with pytest.raises(NotFound, match="offline"):
        cache.get(url, version)


def test_damage_is_seen_and_fetched_anew(memory: Place, tmp_path: Path) -> None:
    cache = Cache(tmp_path, config=memory.config)
    url, version = _put(memory, "data", b"content")
    path = Path(cache.get(url, version))

    path.chmod(0o600)
    path.write_bytes(b"damaged")

    assert Path(cache.get(url, version)).read_bytes() == b"content"
    assert cache.stats().misses == 2


def test_damage_that_leaves_no_trace_is_found_by_verify(memory: Place, tmp_path: Path) -> None:
    cache = Cache(tmp_path, config=memory.config)
    blobs = _fill(memory, 2)
    path, other = (Path(cache.get(*blob)) for blob in blobs)
    assert cache.verify() == ()
    times = path.stat()
    path.chmod(0o600)
    path.write_bytes(b"?" * 10_000)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    assert cache.verify() == (blobs[0][0],)

    assert not path.exists()
    assert other.exists()
    assert Path(cache.get(*blobs[0])).read_bytes() == b"\0" * 10_000


@pytest.mark.parametrize("text", ["", "{", "[]", '{"blobio_cache": 1}'])
def test_damaged_description_is_fetched_anew(memory: Place, tmp_path: Path, text: str) -> None:
    cache = Cache(tmp_path, config=memory.config)
    url, version = _put(memory, "data", b"content")
    path = Path(cache.get(url, version))

    path.with_name("meta.json").write_text(text)

    assert Path(cache.get(url, version)).read_bytes() == b"content"


def test_trim_leaves_as_many_bytes(memory: Place, tmp_path: Path) -> None:
    cache = Cache(tmp_path, config=memory.config)
    for blob in _fill(memory, 4):
        cache.get(*blob)

    freed = cache.trim(25_000)

    assert freed >= 15_000
    assert _bytes_below(tmp_path) <= 25_000
    assert cache.stats().entries == 2
    assert cache.trim(25_000) == 0


def test_failed_download_leaves_nothing(memory: Place, tmp_path: Path) -> None:
    cache = Cache(tmp_path, max_bytes=20_000, config=memory.config)
    url, version = _put(memory, "data", b"x" * 10_000)

    with pytest.raises(VersionMismatch):
        cache.read(url, 0, 5, "no such version")

    assert sorted(os.listdir(tmp_path)) == ["lock"]
    assert len(cache.read(url, 0, 10_000, version)) == 10_000


def test_threads_share_one_download(make_place: Make, tmp_path: Path) -> None:
    place = make_place("moto")
    cache = Cache(tmp_path, config=place.config)
    url, version = _put(place, "data", b"x" * 100_000)
    paths: list[str] = []

    threads = [
        threading.Thread(target=lambda: paths.append(cache.get(url, version))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(paths)) == 1
    assert len(paths) == 4
    assert cache.stats().misses == 1


def test_what_a_killed_process_was_fetching_is_swept(memory: Place, tmp_path: Path) -> None:
    """Its lock has ended with it, so its room can be had at once."""
    cache = Cache(tmp_path, max_bytes=15_000, wait_s=0.1, config=memory.config)
    url, version = _put(memory, "data", b"x" * 10_000)
    key = Identity(url=url, version=version).key
    dead = tmp_path / f"p-{key}"
    dead.mkdir()
    (dead / "meta.json").write_text('{"reserved": 10000}')
    (dead / "data").write_bytes(b"half")
    (tmp_path / "t-0000").mkdir()
    (tmp_path / "t-0000" / "data").write_bytes(b"x" * 10_000)

    assert Path(cache.get(url, version)).stat().st_size == 10_000

    assert sorted(name[:2] for name in os.listdir(tmp_path)) == ["e-", "lo"]


def test_room_of_a_download_under_way_is_taken(memory: Place, tmp_path: Path) -> None:
    cache = Cache(tmp_path, max_bytes=15_000, wait_s=0.1, config=memory.config)
    url, version = _put(memory, "data", b"x" * 10_000)
    other = Meta(identity=Identity(url="memory://b/other", version="1"), size=9_000)
    files = CacheFiles(str(tmp_path))
    partial = files.reserve(other, None)
    assert isinstance(partial, Partial)

    with pytest.raises(CacheFull):
        cache.get(url, version)
    assert 9_000 < cache.stats().bytes < 10_000

    files.drop(partial)
    assert cache.get(url, version)


def test_number_that_was_left_too_high_is_put_right(memory: Place, tmp_path: Path) -> None:
    """As a process leaves it that is killed when it has reserved and begun nothing."""
    cache = Cache(tmp_path, max_bytes=15_000, wait_s=0.1, config=memory.config)
    url, version = _put(memory, "data", b"x" * 10_000)
    with opened_ledger(str(tmp_path / "lock")) as ledger:
        ledger.set(14_000)

    cache.get(url, version)

    with opened_ledger(str(tmp_path / "lock")) as ledger:
        assert ledger.total == _total(tmp_path)
    assert cache.stats().bytes == _bytes_below(tmp_path)


def _total(directory: Path) -> int:
    return sum(file.stat().st_size for file in directory.rglob("*") if file.is_file())


def test_number_keeps_step_with_what_comes_and_goes(memory: Place, tmp_path: Path) -> None:
    cache = Cache(tmp_path, max_bytes=35_000, config=memory.config)
    for url, version in _fill(memory, 8):
        cache.read(url, 0, 5_000, version)
        cache.get(url, version)
        with opened_ledger(str(tmp_path / "lock")) as ledger:
            assert ledger.total in (None, _total(tmp_path))
    cache.clear()
    with opened_ledger(str(tmp_path / "lock")) as ledger:
        assert ledger.total == _total(tmp_path) == 20


def test_bytes_that_somebody_put_there_are_not_taken_off_twice(
    memory: Place, tmp_path: Path
) -> None:
    cache = Cache(tmp_path, max_bytes=35_000, config=memory.config)
    blobs = _fill(memory, 5)
    paths = [Path(cache.get(*blob)) for blob in blobs[:3]]
    paths[0].chmod(0o600)
    paths[0].write_bytes(b"x" * 500_000)

    for blob in (blobs[0], *blobs[3:]):
        cache.get(*blob)
        assert _bytes_below(tmp_path) <= 35_000


def test_small_copies_make_room_ahead_and_large_ones_do_not(memory: Place, tmp_path: Path) -> None:
    url, version = _put(memory, "data", b"x" * 100_000)
    small = Cache(tmp_path / "small", max_bytes=100_000, config=memory.config)
    for start in range(0, 100_000, 100):
        small.read(url, start, start + 100, version)
    large = Cache(tmp_path / "large", max_bytes=45_000, config=memory.config)
    for blob in _fill(memory, 5):
        large.get(*blob)

    assert 90_000 < small.stats().bytes <= 100_000
    assert large.stats().entries == 4


def test_cache_travels_to_other_processes(memory: Place, tmp_path: Path) -> None:
    url, version = _put(memory, "data", b"content")
    cache = pickle.loads(pickle.dumps(Cache(tmp_path, max_bytes=99_000)))  # noqa: S301 - our own

    assert cache.read(url, 0, 3, version) == b"con"
    assert cache.stats().max_bytes == 99_000


def test_planted_copy_is_refused(memory: Place, tmp_path: Path) -> None:
    cache = Cache(tmp_path, config=memory.config)
    url, version = _put(memory, "data", b"content")
    path = Path(cache.get(url, version))
    (tmp_path / "theirs").write_bytes(b"content")
    path.unlink()
    path.symlink_to(tmp_path / "theirs")

    with pytest.raises(PermissionDenied, match="is a link"):
        cache.get(url, version)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/user/cache", "ext4"),
        ("/mnt/shared/cache", "nfs4"),
        ("/mnt/shared dir/x", "fuse.sshfs"),
        ("/mnt/sharedness", "ext4"),
    ],
)
def test_network_file_systems_are_told_apart(path: str, kind: str) -> None:
    mounts = (
        "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n"
        "2 1 0:5 / /mnt/shared rw,relatime shared:3 - nfs4 server:/x rw\n"
        "3 1 0:6 / /mnt/shared\\040dir rw - fuse.sshfs a:/ rw\n"
    )

    assert _kind_of(path, mounts) == kind


def test_network_file_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = "1 0 0:5 / / rw - nfs server:/x rw\n"
    monkeypatch.setattr("blobio.dataset.cachelocks._read_mounts", lambda: line)

    with pytest.raises(Unsupported, match=r"network file system \(nfs\)"):
        Cache(tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_impossible_wishes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="max_bytes"):
        Cache(tmp_path, max_bytes=0)
    with pytest.raises(Unsupported, match="directory of this machine"):
        Cache("s3://bucket/cache")
    with pytest.raises(ValueError, match="0 <= start <= stop"):
        Cache(tmp_path).read("memory://b/k", 5, 4)


_READER = """
import random, sys
from blobio import Config, S3Config
from blobio.dataset import Cache
endpoint, key, secret, region, directory, limit, seed, *urls = sys.argv[1:]
config = Config(s3=S3Config(endpoint_url=endpoint, access_key_id=key, secret_access_key=secret,
                            region=region, addressing="path"))
cache = Cache(directory, max_bytes=int(limit), config=config)
chance = random.Random(int(seed))
corrupt = 0
for turn in range(40):
    name = chance.randrange(len(urls))
    url, version = urls[name].split("#")
    if chance.random() < 0.5:
        with cache.lease(url, version) as path, open(path, "rb") as file:
            data = file.read()
        corrupt += data != bytes([name]) * 200_000
    else:
        start = chance.randrange(150_000)
        corrupt += cache.read(url, start, start + 50_000, version) != bytes([name]) * 50_000
    print(turn, flush=True)
assert corrupt == 0, corrupt
"""


@pytest.fixture
def sixteen(make_place: Make) -> tuple[Place, list[str]]:
    place = make_place("moto")
    return place, ["#".join(blob) for blob in _fill(place, 16, 200_000)]


def _readers(
    sixteen: tuple[Place, list[str]], directory: Path, seeds: range
) -> Iterator[subprocess.Popen[str]]:
    place, urls = sixteen
    s3 = place.config.s3
    access = [s3.endpoint_url, s3.access_key_id, s3.secret_access_key, s3.region]
    for seed in seeds:
        limit = str(16 * 200_000 // 4)
        arguments = [*map(str, access), str(directory), limit, str(seed), *urls]
        yield subprocess.Popen(  # noqa: S603 - our own interpreter and code
            [sys.executable, "-c", _READER, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.mark.slow
def test_two_processes_share_a_cache_of_a_quarter(
    sixteen: tuple[Place, list[str]], tmp_path: Path
) -> None:
    readers = list(_readers(sixteen, tmp_path, range(2)))
    most = 0
    while any(reader.poll() is None for reader in readers):
        most = max(most, _bytes_below(tmp_path))

    for reader in readers:
        _, errors = reader.communicate()
        assert reader.returncode == 0, errors
    assert 400_000 < most <= 800_000


@pytest.mark.slow
def test_killed_process_leaves_nothing_wrong(
    sixteen: tuple[Place, list[str]], tmp_path: Path
) -> None:
    """Three are killed at different moments, while another one goes on."""
    place, _ = sixteen
    (steady,) = _readers(sixteen, tmp_path, range(9, 10))
    for number, reader in enumerate(_readers(sixteen, tmp_path, range(3))):
        assert reader.stdout is not None
        for _ in range(3 + 4 * number):
            reader.stdout.readline()
            assert _bytes_below(tmp_path) <= 800_000
        reader.send_signal(signal.SIGKILL)
        reader.communicate()

    _, errors = steady.communicate()

    assert steady.returncode == 0, errors
    cache = Cache(tmp_path, max_bytes=800_000, config=place.config)
    assert cache.stats().held == 0
    assert cache.verify() == ()
    assert not [name for name in os.listdir(tmp_path) if name.startswith(("p-", "t-"))]
    assert cache.stats().bytes == _bytes_below(tmp_path) <= 800_000
