"""A cache that is verified while others use it, and one whose clock was wrong."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from blobio.dataset import Cache, cachechecks
from blobio.dataset.cachemeta import digest_of

if TYPE_CHECKING:
    import pytest

    from tests.dataset.conftest import Place


def _put(place: Place, name: str, data: bytes) -> tuple[str, str]:
    url = place.put(name, data)
    version = place.context.stat(url).version
    assert version is not None
    return url, version


def test_copy_that_others_renew_while_it_is_read_is_sound(
    memory: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was evicted between two looks, and fetched again: what came was called damaged."""
    cache, other = (Cache(tmp_path, config=memory.config) for _ in range(2))
    blob = _put(memory, "data", b"content")
    path = cache.get(*blob)

    def renew(at: str) -> str:
        if other.trim(0):
            other.get(*blob)
            raise FileNotFoundError(at)  # as for who looked in between
        return digest_of(at)

    monkeypatch.setattr(cachechecks, "digest_of", renew)

    assert cache.verify() == ()
    assert cache.get(*blob) == path
    assert (cache.stats().entries, other.stats().misses) == (1, 0)


def test_copy_that_goes_while_others_are_read_is_not_told_of(
    memory: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, other = (Cache(tmp_path, config=memory.config) for _ in range(2))
    for number in range(3):
        cache.get(*_put(memory, str(number), b"content"))

    def remove(at: str) -> str:
        other.trim(0)
        return digest_of(at)

    monkeypatch.setattr(cachechecks, "digest_of", remove)

    assert cache.verify() == ()
    assert cache.stats().entries == 1


def test_copy_without_its_description_is_damaged(memory: Place, tmp_path: Path) -> None:
    """As who tidies up directories of old files may leave it."""
    cache = Cache(tmp_path, wait_s=0.1, config=memory.config)
    blob = _put(memory, "data", b"content")
    path = Path(cache.get(*blob))
    about = path.parent / "meta.json"

    about.unlink()
    assert cache.stats().bytes == len(b"content") + (tmp_path / "lock").stat().st_size
    assert cache.verify() == (str(path.parent),)
    assert not path.exists()

    cache.get(*blob)
    about.unlink()
    assert Path(cache.get(*blob)).read_bytes() == b"content"
    assert cache.verify() == ()


def test_damaged_copy_that_is_in_use_is_told_of_and_stays(memory: Place, tmp_path: Path) -> None:
    cache = Cache(tmp_path, config=memory.config)
    blob = _put(memory, "data", b"content")

    with cache.lease(*blob) as path:
        os.chmod(path, 0o600)
        Path(path).write_bytes(b"CONTENT")
        assert cache.verify() == (blob[0],)
        assert os.path.exists(path)

    assert cache.verify() == (blob[0],)
    assert not os.path.exists(path)


def test_copy_that_was_used_in_the_future_goes_first(memory: Place, tmp_path: Path) -> None:
    """The clock was set back since, and nobody has used it since: else it would stay for ever."""
    cache = Cache(tmp_path, max_bytes=35_000, config=memory.config)
    blobs = [_put(memory, str(number), bytes(10_000)) for number in range(4)]
    paths = [cache.get(*blob) for blob in blobs[:3]]
    later = time.time_ns() + 10**9 * 86_400
    os.utime(Path(paths[1]).with_name("meta.json"), ns=(later, later))

    cache.get(*blobs[3])

    assert [os.path.exists(path) for path in paths] == [True, False, True]
