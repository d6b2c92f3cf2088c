"""Row 29: no room for the file: an error, and neither a part of it nor a cached one.

The system refuses files above a size of its choice (`RLIMIT_FSIZE`, errno EFBIG), which a program
meets at the same calls as a full disk (ENOSPC).
"""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from blobio import Context
from tests.faults.programs import finish
from tests.faults.sites import DATA, KIB, OTHER, QUICK, Site, Store
from tests.faults.ways import each_protocol

OLD = OTHER[:500]
LIMITED = f"""
import resource, tempfile
resource.setrlimit(resource.RLIMIT_FSIZE, ({100 * KIB}, {100 * KIB}))

def refused(action):
    try:
        action()
    except OSError as error:
        print(error.errno)
    else:
        print("written")
"""
WRITE = """
def by_file(path, mode, data, **options):
    with context.BlobFile(path, mode, **options) as file:
        for start in range(0, len(data), 1000):
            file.write(data[start : start + 1000])

def with_a_hole(path):
    with context.BlobFile(path, "wb", streaming=False) as file:
        file.seek(200_000)
        file.write(b"end")

for path in arguments[:2]:
    refused(lambda: context.write_bytes(path, bytes(300_000)))
    refused(lambda: context.copy(arguments[2], path, overwrite=True))
    refused(lambda: by_file(path, "wb", bytes(300_000)))
    refused(lambda: by_file(path, "w", "x" * 300_000))
    refused(lambda: with_a_hole(path))
"""
FETCH = """
url, new, old, cache_dir, tempfile.tempdir = arguments
for path in (new, old):
    refused(lambda: context.copy(url, path, overwrite=True))
refused(lambda: context.BlobFile(url, "rb", streaming=False, cache_dir=cache_dir))
refused(lambda: context.BlobFile(url, "rb", streaming=False))
"""
STAGE = """
url, tempfile.tempdir = arguments
for mode in ("wb", "ab"):
    def write():
        with context.BlobFile(url, mode, streaming=False) as file:
            for _ in range(300):
                file.write(bytes(1000))
    refused(write)
"""


def tree(directory: Path) -> list[str]:
    """Return the files below a directory, locks of a cache left out."""
    found = [path for path in directory.rglob("*") if path.is_file()]
    return sorted(str(path.relative_to(directory)) for path in found if path.suffix != ".lock")


@pytest.mark.slow
def test_row_29_write_without_room_publishes_nothing(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(DATA)
    (tmp_path / "old").write_bytes(OLD)

    told = finish(LIMITED + WRITE, QUICK, *[str(tmp_path / n) for n in ("new", "old", "source")])

    assert told == [str(errno.EFBIG)] * 10
    assert tree(tmp_path) == ["old", "source"]
    assert (tmp_path / "old").read_bytes() == OLD


@pytest.mark.slow
@each_protocol
def test_row_29_download_without_room_publishes_and_caches_nothing(
    site: Site, tmp_path: Path
) -> None:
    site.proxy.clear()
    (tmp_path / "old").write_bytes(OLD)
    (tmp_path / "temporary").mkdir()
    names = ("new", "old", "cache", "temporary")

    told = finish(LIMITED + FETCH, site.config, site.url, *[str(tmp_path / n) for n in names])

    assert told == [str(errno.EFBIG)] * 4
    assert tree(tmp_path) == ["old"]
    assert (tmp_path / "old").read_bytes() == OLD
    with (
        Context(site.config) as context,
        context.BlobFile(
            site.url, "rb", streaming=False, cache_dir=str(tmp_path / "cache")
        ) as file,
    ):
        assert file.read() == DATA


@pytest.mark.slow
def test_row_29_staging_without_room_publishes_nothing(s3: Store, tmp_path: Path) -> None:
    """What is written to a temporary file first, or copied there to be extended."""
    s3.put(DATA)

    told = finish(LIMITED + STAGE, s3.config, s3.url(), str(tmp_path))

    assert told == [str(errno.EFBIG)] * 2
    assert s3.stored() == DATA
    assert list(tmp_path.iterdir()) == []
