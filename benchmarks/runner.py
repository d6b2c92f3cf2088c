"""Start the servers, then measure: each job of each library in a fresh process, in mixed order.

A run that only checks does all jobs of a library in one process.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final, final
from urllib.parse import urlsplit

import trustme

from benchmarks import data, emulators
from benchmarks.client import Task
from benchmarks.jobs import JOBS
from benchmarks.meter import Reading
from benchmarks.peers.base import Place
from benchmarks.scale import Scale
from benchmarks.server import nginx
from benchmarks.server.__main__ import Settings
from benchmarks.server.faults import CALM, Conditions
from benchmarks.stores import STORES

__all__ = ["Readings", "Rounds", "Servers", "emulate", "environment", "measure_all", "serve"]

_JOB_S: Final = 600.0
_SLOW_ROUNDS: Final = 3
_ROOMY: Final = "/dev/shm"  # noqa: S108 - memory, so that no disk is measured
_FOREIGN: Final = ("AWS_", "AZURE_", "BLOBFILE_", "GCSFS_", "GOOGLE_", "STORAGE_EMULATOR_")

Readings = dict[tuple[str, str], list[Reading]]
"""By job and library, one a round."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Rounds:
    """How often to measure.

    Attributes:
        count: Rounds in all, with the first, which does not count.
        slow_s: A library that took longer for a job in the first round does only `_SLOW_ROUNDS`
            more of it.
    """

    count: int
    slow_s: float = math.inf

    def has(self, number: int, found: Sequence[Reading]) -> bool:
        """Tell if a library takes part in a round, by its readings in those before."""
        return number <= _SLOW_ROUNDS or found[0].wall_s <= self.slow_s


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """The servers that run.

    Attributes:
        store: Whose API they speak.
        reads: Ports of the server for the jobs that only read, by scheme.
        others: Ports for all other jobs.
        directory: Its files are the objects.
        ca_file: Authority of their certificates.
        title: What they are.
        is_emulator: They are the emulator of the tests, which cannot do every job.
    """

    store: str
    reads: dict[str, int]
    others: dict[str, int]
    ca_file: str
    title: str
    directory: str = ""
    is_emulator: bool = False

    def able(self, job: str) -> list[str]:
        """Return the libraries that can do a job here."""
        if self.store not in JOBS[job].stores or (self.is_emulator and JOBS[job].tls):
            return []
        return [
            peer
            for peer in STORES[self.store].peers
            if peer not in JOBS[job].unable
            and not (self.is_emulator and emulators.unable(self.store, job, peer))
        ]

    def place(self, job: str) -> Place:
        """Return where a job finds its objects."""
        scheme = "https" if JOBS[job].tls else "http"
        ports = self.reads if JOBS[job].reads else self.others
        return Place(
            store=self.store,
            endpoint_url=f"{scheme}://127.0.0.1:{ports[scheme]}",
            ca_file=self.ca_file,
        )


@contextlib.contextmanager
def serve(
    store: str,
    scale: Scale,
    *,
    use_nginx: bool,
    keep: bool,
    checksums: bool = True,
    more: Mapping[str, bytes] = {},
    conditions: Conditions = CALM,
) -> Iterator[Servers]:
    """Make the objects and serve them until the block ends.

    Args:
        store: Whose API the servers speak.
        scale: Sizes.
        use_nginx: Let nginx serve the reads, if it is installed.
        keep: Keep what is uploaded, so that it can be read back.
        checksums: Tell the checksum of an object, as the store does.
        more: Other objects, by key.
        conditions: How far away and how troubled the raw server is.
    """
    # Azure's clients ask for ranges by a header that nginx does not know.
    program = nginx.find() if use_nginx and store in nginx.STORES else None
    with contextlib.ExitStack() as stack:
        room = _ROOMY if os.path.isdir(_ROOMY) else None
        top = stack.enter_context(tempfile.TemporaryDirectory(prefix="blobio-bench-", dir=room))
        os.chmod(top, 0o755)  # noqa: S103 - nginx drops its rights before it reads
        directory, state = os.path.join(top, "data"), os.path.join(top, "state")
        os.mkdir(directory)
        os.mkdir(state)
        sums = data.prepare(directory, scale, more)
        if not checksums:
            sums = data.Checksums()
        certificate, ca_file = os.path.join(top, "server.pem"), os.path.join(top, "ca.pem")
        _certify(certificate, ca_file)
        settings = Settings(
            store=store,
            directory=directory,
            certificate=certificate,
            key_count=scale.key_count,
            keep=keep,
            crc32c=sums.crc32c,
            md5=sums.md5,
            conditions=conditions,
        )
        others = stack.enter_context(_raw_server(settings))
        reads, title = others, "the raw server of benchmarks/server"
        if program is not None:
            site = nginx.Site(
                store=store,
                directory=directory,
                certificate=certificate,
                crc32c=sums.crc32c,
                behind=others["http"],
            )
            reads = stack.enter_context(nginx.serve(program, site, state))
            title = f"{nginx.version(program)} for reads, {title} for the rest"
        yield Servers(
            store=store,
            reads=reads,
            others=others,
            ca_file=ca_file,
            title=title,
            directory=directory,
        )


@contextlib.contextmanager
def emulate(store: str, scale: Scale) -> Iterator[Servers]:
    """Run the emulator that the tests use until the block ends.

    Args:
        store: Whose emulator.
        scale: Sizes.
    """
    with tempfile.TemporaryDirectory(prefix="blobio-bench-") as top:
        ca_file = os.path.join(top, "ca.pem")
        _certify(os.path.join(top, "server.pem"), ca_file)
        with emulators.serve(store, scale, ca_file) as (url, title):
            port = urlsplit(url).port
            assert port is not None
            ports = {"http": port}
            yield Servers(
                store=store,
                reads=ports,
                others=ports,
                ca_file=ca_file,
                title=title,
                is_emulator=True,
            )


def measure_all(
    servers: Servers,
    scale: Scale,
    jobs: Sequence[str],
    peers: Sequence[str],
    *,
    rounds: Rounds,
    seed: int,
    check: bool,
) -> Readings:
    """Run every job with every library, as often as `rounds` says.

    Raises:
        RuntimeError: A library failed, or did something else than its job.
    """
    readings: Readings = {}
    order = random.Random(seed)  # noqa: S311 - an order, no secret
    able = {job: [peer for peer in servers.able(job) if peer in peers] for job in jobs}
    for number in range(rounds.count):
        if check:
            runs = [(peer, [job for job in able if peer in able[job]]) for peer in peers]
        else:
            runs = [
                (peer, [job])
                for job in able
                for peer in order.sample(able[job], len(able[job]))
                if rounds.has(number, readings.get((job, peer), []))
            ]
        for peer, together in runs:
            tasks = [
                Task(peer=peer, job=job, place=servers.place(job), scale=scale, check=check)
                for job in together
            ]
            for job, reading in zip(together, _measure(tasks), strict=True):
                readings.setdefault((job, peer), []).append(reading)
                print(
                    f"{number + 1}/{rounds.count} {servers.store} {job} {peer}: "
                    f"{reading.wall_s:.3f} s, CPU {reading.cpu_s:.3f} s, "
                    f"{reading.peak_bytes >> 20} MiB",
                    file=sys.stderr,
                    flush=True,
                )
    return readings


def _measure(tasks: Sequence[Task]) -> list[Reading]:
    """Run the tasks of one library in one process."""
    if not tasks:
        return []
    command = [sys.executable, "-m", "benchmarks.client", *(task.to_json() for task in tasks)]
    done = subprocess.run(  # noqa: S603 - this interpreter
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=_JOB_S,
        env=environment(),
    )
    lines = done.stdout.splitlines()
    if done.returncode:
        message = f"{tasks[0].peer} failed at {tasks[len(lines)].job}:\n{done.stderr}"
        raise RuntimeError(message)
    return [Reading(**json.loads(line)) for line in lines]


def environment() -> dict[str, str]:
    """Return what clients run in: nothing of this machine's accounts or proxies reaches them."""
    kept = {name: value for name, value in os.environ.items() if not _is_foreign(name)}
    return kept | {
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "NO_GCE_CHECK": "true",
        # gcsfs asks what kind of bucket this is by gRPC, which the server does not speak, and asks
        # again before each operation until it is told.
        "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",
    }


def _is_foreign(name: str) -> bool:
    return name.startswith(_FOREIGN) or name.lower().endswith("_proxy")


def _certify(certificate: str, ca_file: str) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(ca_file)
    authority.issue_cert("127.0.0.1", "localhost").private_key_and_cert_chain_pem.write_to_path(
        certificate
    )
    os.chmod(certificate, 0o644)


@contextlib.contextmanager
def _raw_server(settings: Settings) -> Iterator[dict[str, int]]:
    command = [sys.executable, "-m", "benchmarks.server"]
    with subprocess.Popen(  # noqa: S603 - this interpreter
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(asdict(settings)) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        if not line:
            raise RuntimeError("the raw server did not start")
        try:
            yield json.loads(line)
        finally:
            if process.poll() is not None:
                print(f"the raw server ended with code {process.returncode}", file=sys.stderr)
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
