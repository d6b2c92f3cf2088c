"""A tour of blobio on two real S3 servers that this script starts itself.

Run it with `tox -e demo`, or after `pip install -e '.[s3]' --group demo` with
`python examples/quickstart.py`. It needs no account and no network: moto and rclone, two S3 servers
that share no code, run on free ports of the loopback interface until the script ends.

Every step checks what came out; one that is wrong ends the script with an error. The table says how
long each step took and what it asked of the servers.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import hashlib
import importlib.resources
import os
import random
import resource
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final, TextIO

import blobio as bf
from blobio.aio import AsyncContext
from blobio.testing.emulators import S3Server, moto_server, rclone_server

MOTO: Final = "s3://on-moto"  # a bucket of the first server
RCLONE: Final = "s3://on-rclone"  # a bucket of the second
MIB: Final = 1 << 20
MEMORY_LIMIT: Final = 128 * MIB  # for parts in flight, the HTTP client and the allocator


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What the steps share.

    Attributes:
        config: Settings that reach both stores; those of the functions of `bf`, too.
        airports: Local path of a table: the CSV file of the package `airportsdata`.
        sources: Local path of each source file of blobio, by its name below the package.
        stream_bytes: Size of the blob that is streamed, a multiple of 1 MiB.
        stream_md5: Its hex MD5.
        memory_bytes: Peak memory of this process before the first step.
    """

    config: bf.Config
    airports: str
    sources: dict[str, str]
    stream_bytes: int
    stream_md5: str
    memory_bytes: int


@dataclass(frozen=True)
class Outcome:
    """What a step reports: a few words, and the bytes it moved if it is about speed."""

    words: str
    moved_bytes: int = 0


class WrongResultError(Exception):
    """A step did not get what it must get."""


def check(is_right: bool, what: str) -> None:  # noqa: FBT001 - reads as an assertion
    """Raise `WrongResultError` unless `is_right`."""
    if not is_right:
        raise WrongResultError(what)


# Files


def text_files(scene: Scene) -> Outcome:
    """Copy and read a table: `open` became `bf.BlobFile`, and the csv module cannot tell."""
    with (
        open(scene.airports, encoding="utf-8", newline="") as source,
        bf.BlobFile(f"{MOTO}/airports.csv", "w", newline="") as target,
    ):
        csv.writer(target).writerows(csv.reader(source))

    with open(scene.airports, encoding="utf-8", newline="") as file:
        expected = airports_by_country(file)
    with bf.BlobFile(f"{MOTO}/airports.csv", newline="") as file:
        found = airports_by_country(file)

    check(found == expected, "the rows read are those written")
    return Outcome(f"{found.total():,} airports, {found['US']:,} in the US")


def airports_by_country(file: TextIO) -> Counter[str]:
    """Count the rows of a table by one of its columns."""
    return Counter(row["country"] for row in csv.DictReader(file))


def binary_files(scene: Scene) -> Outcome:
    """Write a zip file straight into the store, and read one member of it without the others."""
    with (
        bf.BlobFile(f"{MOTO}/sources.zip", "wb") as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name, path in scene.sources.items():
            archive.write(path, name)

    with bf.BlobFile(f"{MOTO}/sources.zip", "rb") as file, zipfile.ZipFile(file) as archive:
        check(set(archive.namelist()) == set(scene.sources), "the zip file is complete")
        member = archive.read("url.py")

    check(member == bf.read_bytes(scene.sources["url.py"]), "the member is the file")
    return Outcome(f"1 of {len(scene.sources)} members of a zip read")


def stream_out(scene: Scene) -> Outcome:
    """Write a blob that is never in memory as a whole: full parts leave while others fill."""
    with bf.BlobFile(f"{RCLONE}/large", "wb") as file:
        for block in blocks(scene.stream_bytes):
            file.write(block)

    check(bf.stat(f"{RCLONE}/large").size == scene.stream_bytes, "all bytes are there")
    return streamed(scene)


def stream_in(scene: Scene) -> Outcome:
    """Read that blob back, a few blocks ahead of their use."""
    digest = hashlib.md5(usedforsecurity=False)
    with bf.BlobFile(f"{RCLONE}/large", "rb") as file:
        while block := file.read(MIB):
            digest.update(block)

    check(digest.hexdigest() == scene.stream_md5, "the bytes read are those written")
    return streamed(scene)


def streamed(scene: Scene) -> Outcome:
    """Report how far memory grew, whatever the size of the blob, and check that it is not far."""
    grown = peak_memory_bytes() - scene.memory_bytes
    check(grown <= MEMORY_LIMIT, f"memory grew by {grown // MIB} MiB, more than the limit")
    words = f"{scene.stream_bytes // MIB} MiB, peak memory +{grown // MIB} MiB"
    return Outcome(words, scene.stream_bytes)


# Trees


def copy_tree(scene: Scene) -> Outcome:
    """Copy local files into the store."""
    for name, path in scene.sources.items():
        bf.copy(path, bf.join(MOTO, "blobio", name))
    size = sum(bf.stat(path).size for path in scene.sources.values())
    return Outcome(f"{len(scene.sources)} files, {size // 1024:,} KiB")


def globs(scene: Scene) -> Outcome:
    """Find blobs by pattern: only what lies below the pattern's fixed part is listed."""
    found = list(bf.glob(f"{MOTO}/blobio/drivers/**/{{wire,driver}}.py"))
    expected = [
        bf.join(MOTO, "blobio", name)
        for name in scene.sources
        if name.startswith("drivers/") and bf.basename(name) in {"wire.py", "driver.py"}
    ]
    check(sorted(found) == sorted(expected), "the pattern finds what the local tree has")
    return Outcome(f"{len(found)} match **/{{wire,driver}}.py")


def walks(scene: Scene) -> Outcome:
    """Walk the tree, as `os.walk` does."""
    steps = list(bf.walk(f"{MOTO}/blobio"))
    found = {bf.join(directory, name) for directory, _, names in steps for name in names}
    expected = {bf.join(MOTO, "blobio", name) for name in scene.sources}
    check(found == expected, "the walk meets every file")
    return Outcome(f"{len(found)} files in {len(steps)} directories")


# Between stores


def copy_between_stores(scene: Scene) -> Outcome:
    """Copy from one store to the other; the bytes pass through here, part by part."""
    md5 = bf.copy(f"{RCLONE}/large", f"{MOTO}/large", return_md5=True)
    check(md5 == scene.stream_md5, "the bytes copied are those written")
    return Outcome(f"{scene.stream_bytes // MIB} MiB from rclone to moto", scene.stream_bytes)


def md5s(scene: Scene) -> Outcome:
    """Ask the disk and both stores for the MD5 of one file; a store that knows it reads nothing."""
    bf.copy(scene.airports, f"{MOTO}/copy.csv")
    bf.copy(f"{MOTO}/copy.csv", f"{RCLONE}/copy.csv")
    paths = (scene.airports, f"{MOTO}/copy.csv", f"{RCLONE}/copy.csv")
    found = [bf.md5(path) for path in paths]
    check(found[0] == found[1] == found[2], f"the MD5s are equal: {found}")
    return Outcome(f"{found[0][:8]}... on disk, moto, rclone")


# Races that are lost, and noticed


def lost_update(_: Scene) -> Outcome:
    """Replace a blob only if it is still the version that was read; somebody was faster."""
    path = f"{MOTO}/counter"
    bf.write_text(path, "1")
    with bf.BlobFile(path) as file:
        count = int(file.read())
        version = bf.last_version_seen(file)
    bf.write_text(path, "100")  # somebody else
    try:
        with bf.BlobFile(path, "w", version=version) as file:
            file.write(str(count + 1))
    except bf.VersionMismatch as error:
        check(bf.read_text(path) == "100", "what the other wrote is there")
        return Outcome(f"{type(error).__name__}, theirs stays")
    raise WrongResultError("a write over another version must fail")


def lost_creation(_: Scene) -> Outcome:
    """Create a blob that somebody else creates meanwhile: the store lets one of them win."""
    path = f"{MOTO}/lock"
    try:
        with bf.BlobFile(path, "x") as mine:
            mine.write("mine")
            with bf.BlobFile(path, "x") as theirs:
                theirs.write("theirs")
    except FileExistsError as error:
        check(bf.read_text(path) == "theirs", "the first to finish has it")
        return Outcome(f"{type(error).__name__} is a FileExistsError")
    raise WrongResultError("the second creation must fail")


def changed_underneath(_: Scene) -> Outcome:
    """Read a blob that is replaced meanwhile: never the bytes of two versions in one read."""
    path = f"{MOTO}/copy.csv"
    with bf.BlobFile(path, "rb") as file:
        file.readline()
        bf.write_text(path, "something else")
        try:
            file.read()
        except bf.VersionMismatch as error:
            return Outcome(f"{type(error).__name__}, nothing mixed")
    raise WrongResultError("a read across two versions must fail")


# The same in async programs


def async_words(scene: Scene) -> Outcome:
    """Run `async_tour` on an event loop of its own."""
    return asyncio.run(async_tour(scene))


async def async_tour(scene: Scene) -> Outcome:
    """Use the same words as coroutines and async iterators."""
    async with AsyncContext(scene.config) as context:
        paths = [path async for path in context.glob(f"{MOTO}/blobio/**/*.py")]
        contents = await asyncio.gather(*(context.read_bytes(path) for path in paths))

        async with context.open(f"{MOTO}/joined", "wb") as writer:
            for content in contents:
                await writer.write(content)
        async with context.open(f"{MOTO}/joined", "rb") as reader:
            joined = await reader.read()
        check(joined == b"".join(contents), "the bytes read are those written")
        try:
            await context.write_bytes(f"{MOTO}/joined", b"", overwrite=False)
        except FileExistsError:
            return Outcome(f"{len(paths)} files read at once, joined")
    raise WrongResultError("a write without overwriting must fail")


def remove_trees(_: Scene) -> Outcome:
    """Remove everything, a thousand keys a request where the store has such a request."""
    for bucket in (MOTO, RCLONE):
        bf.rmtree(bucket)
        check(not list(bf.scandir(bucket)), f"{bucket} is empty")
    return Outcome("both buckets are empty")


STEPS: Final[tuple[tuple[str, Callable[[Scene], Outcome]], ...]] = (
    ("BlobFile, text", text_files),
    ("BlobFile, binary", binary_files),
    ("stream out", stream_out),
    ("stream in", stream_in),
    ("copy a tree", copy_tree),
    ("glob", globs),
    ("walk", walks),
    ("copy across", copy_between_stores),
    ("md5", md5s),
    ("lost race: update", lost_update),
    ("lost race: create", lost_creation),
    ("lost race: read", changed_underneath),
    ("async", async_words),
    ("rmtree", remove_trees),
)


# What it takes to run them


def blocks(total_bytes: int) -> Iterator[bytes]:
    """Yield blocks of 1 MiB, each different, the same in every run."""
    noise = random.Random(0).randbytes(MIB - 8)  # noqa: S311 - no secret
    for index in range(total_bytes // MIB):
        yield index.to_bytes(8, "big") + noise


def peak_memory_bytes() -> int:
    """Return the most memory that this process ever held."""
    if os.path.exists("/proc/self/status"):  # Linux, whose getrusage includes the parent's peak
        with open("/proc/self/status", "rb") as file:
            for line in file:
                if line.startswith(b"VmHWM:"):
                    return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def source_files() -> dict[str, str]:
    """Return the local paths of blobio's own modules, by their names below its directory."""
    package = bf.dirname(os.path.abspath(bf.__file__))
    paths = (bf.join(place, name) for place, _, names in bf.walk(package) for name in names)
    return {os.path.relpath(path, package): path for path in paths if path.endswith(".py")}


def set_scene(moto: S3Server, rclone: S3Server, stream_bytes: int, requests: Counter[str]) -> Scene:
    """Make a bucket in each store and one `Config` that reaches both and counts in `requests`.

    A program with one store needs no `Config`: `AWS_ENDPOINT_URL_S3` and the credentials of the AWS
    tools are found by themselves.
    """
    moto.make_bucket("on-moto")
    rclone.make_bucket("on-rclone")
    config = bf.Config(
        s3=replace(moto.config().s3, buckets={"on-rclone": rclone.config().s3}),
        read=bf.ReadConfig(window=4),  # at most 4 parts of 8 MiB in flight
        write=bf.WriteConfig(window=4),
        on_event=lambda event: requests.update([event.method]),
    )
    digest = hashlib.md5(usedforsecurity=False)
    for block in blocks(stream_bytes):
        digest.update(block)
    return Scene(
        config=config,
        airports=str(importlib.resources.files("airportsdata") / "airports.csv"),
        sources=source_files(),
        stream_bytes=stream_bytes,
        stream_md5=digest.hexdigest(),
        memory_bytes=peak_memory_bytes(),
    )


def run(title: str, step: Callable[[Scene], Outcome], scene: Scene, requests: Counter[str]) -> None:
    """Run one step and print its line."""
    requests.clear()
    started = time.perf_counter()
    outcome = step(scene)
    seconds = time.perf_counter() - started
    speed = f"{outcome.moved_bytes / seconds / 1e6:,.0f} MB/s" if outcome.moved_bytes else ""
    methods = " + ".join(f"{count} {method}" for method, count in requests.most_common())
    sent = f"{requests.total():4} = {methods}"
    print(f"{title:<17}  {outcome.words:<34}  {seconds:5.2f} s  {speed:>8}  {sent}", flush=True)


def main() -> None:
    """Start the servers, run all steps, print a line for each."""
    parser = argparse.ArgumentParser(
        description="A tour of blobio on two S3 servers, moto and rclone, that it starts itself."
    )
    parser.add_argument(
        "--mib",
        type=int,
        choices=range(1, 4097),
        default=256,
        metavar="N",
        help="size of the blob that is streamed, in MiB (default: %(default)s)",
    )
    stream_bytes = parser.parse_args().mib * MIB

    started = time.perf_counter()
    requests: Counter[str] = Counter()
    with moto_server() as moto, rclone_server() as rclone:
        scene = set_scene(moto, rclone, stream_bytes, requests)
        bf.configure(config=scene.config)
        print(f"moto serves {moto.url}, rclone {rclone.url}\n")
        print(f"{'step':<17}  {'result':<34}  {'time':>7}  {'speed':>8}  requests")
        for title, step in STEPS:
            run(title, step, scene, requests)
    seconds = time.perf_counter() - started
    print(f"\nAll {len(STEPS)} steps right, in {seconds:.0f} s with the start of the servers.")


if __name__ == "__main__":
    main()
