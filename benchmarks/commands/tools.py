"""The tools: what each one is told for each job, and the settings it is started with."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final, final

from benchmarks.scale import BUCKET

__all__ = ["TOOLS", "Ask", "Tool"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What a command is asked to work on.

    Attributes:
        local: A directory of this machine, without a slash at its end.
        prefix: A directory of the bucket, ending in `/`.
    """

    local: str = ""
    prefix: str = ""

    @property
    def url(self) -> str:
        """The directory of the bucket, as an S3 URL."""
        return f"s3://{BUCKET}/{self.prefix}"

    @property
    def remote(self) -> str:
        """The same as rclone calls it."""
        return f"bench:{BUCKET}/{self.prefix}"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """One command line tool.

    Attributes:
        program: Words that start it.
        version: Words that make it print its version.
        words: By job, what it is told; a job that is missing is one that it cannot do.
    """

    program: Sequence[str]
    version: Sequence[str]
    words: Mapping[str, Callable[[Ask], Sequence[str]]]

    @staticmethod
    def environment(endpoint_url: str, home: str) -> dict[str, str]:
        """Return the whole environment of a tool: nothing of this machine's accounts is in it."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": home,
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "bench-secret",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL": endpoint_url,
            "AWS_ENDPOINT_URL_S3": endpoint_url,
            "S3_ENDPOINT_URL": endpoint_url,
            "AWS_PAGER": "",
            # The AWS CLI sends what this server, as many, does not decode: bodies in signed chunks.
            "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
            "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
            "RCLONE_CONFIG": os.devnull,
            "RCLONE_CONFIG_BENCH_TYPE": "s3",
            "RCLONE_CONFIG_BENCH_PROVIDER": "Other",
            "RCLONE_CONFIG_BENCH_ENV_AUTH": "true",
            "RCLONE_CONFIG_BENCH_REGION": "us-east-1",
            "RCLONE_CONFIG_BENCH_ENDPOINT": endpoint_url,
            "RCLONE_CONFIG_BENCH_NO_CHECK_BUCKET": "true",
            "RCLONE_CONFIG_BENCH_LIST_VERSION": "2",
        }


def _script(name: str) -> str:
    """Return the path of a program that was installed beside this interpreter."""
    return os.path.join(os.path.dirname(sys.executable), name)


def _binary(package: str) -> str:
    """Return the program inside a package, whose script starts an interpreter first."""
    spec = find_spec(package)
    for place in (spec.submodule_search_locations or []) if spec else []:
        for top, _, names in os.walk(place):
            if package in names:
                return os.path.join(top, package)
    return shutil.which(package) or _script(package)


TOOLS: Final = {
    "blobio": Tool(
        program=[_script("blobio")],
        version=["--version"],
        words={
            "start": lambda _ask: ["--help"],
            "ls": lambda ask: ["ls", "-l", ask.url],
            "small-down": lambda ask: ["cp", "-q", "-r", ask.url, f"{ask.local}/"],
            "small-up": lambda ask: ["cp", "-q", "-r", f"{ask.local}/", ask.url],
            "large-down": lambda ask: ["cp", "-q", "-r", ask.url, f"{ask.local}/"],
            "large-up": lambda ask: ["cp", "-q", "-r", f"{ask.local}/", ask.url],
            "sync": lambda ask: ["sync", "-q", f"{ask.local}/", ask.url],
            "rm": lambda ask: ["rm", "-q", "-y", "-r", ask.url],
        },
    ),
    "s5cmd": Tool(
        program=[_binary("s5cmd")],
        version=["version"],
        words={
            "start": lambda _ask: ["--help"],
            "ls": lambda ask: ["ls", f"{ask.url}*"],
            "small-down": lambda ask: ["--log", "error", "cp", f"{ask.url}*", f"{ask.local}/"],
            "small-up": lambda ask: ["--log", "error", "cp", f"{ask.local}/", ask.url],
            "large-down": lambda ask: ["--log", "error", "cp", f"{ask.url}*", f"{ask.local}/"],
            "large-up": lambda ask: ["--log", "error", "cp", f"{ask.local}/", ask.url],
            "sync": lambda ask: ["--log", "error", "sync", f"{ask.local}/", ask.url],
            "rm": lambda ask: ["--log", "error", "rm", f"{ask.url}*"],
        },
    ),
    "rclone": Tool(
        program=[_binary("rclone")],
        version=["version"],
        words={
            "start": lambda _ask: ["--help"],
            # lsl would ask for the time of each object by a request of its own.
            "ls": lambda ask: ["lsf", "--format", "ps", ask.remote],
            "small-down": lambda ask: ["copy", "--transfers", "32", ask.remote, ask.local],
            "small-up": lambda ask: ["copy", "--transfers", "32", ask.local, ask.remote],
            "large-down": lambda ask: ["copy", ask.remote, ask.local],
            "large-up": lambda ask: ["copy", ask.local, ask.remote],
            # As its documentation advises for S3, or else it asks for each object's metadata.
            "sync": lambda ask: ["sync", "--update", "--use-server-modtime", ask.local, ask.remote],
            "rm": lambda ask: ["delete", "--checkers", "32", ask.remote],
        },
    ),
    "aws": Tool(
        program=[_script("aws")],
        version=["--version"],
        words={
            "start": lambda _ask: ["--version"],  # its help is a pager's
            "ls": lambda ask: ["s3", "ls", ask.url],
            "small-down": lambda ask: _aws("cp", ask.url, ask.local),
            "small-up": lambda ask: _aws("cp", ask.local, ask.url),
            "large-down": lambda ask: _aws("cp", ask.url, ask.local),
            "large-up": lambda ask: _aws("cp", ask.local, ask.url),
            "sync": lambda ask: ["s3", "sync", "--only-show-errors", ask.local, ask.url],
            "rm": lambda ask: ["s3", "rm", "--only-show-errors", "--recursive", ask.url],
        },
    ),
}
"""By name; the first is ours."""


def _aws(verb: str, source: str, target: str) -> list[str]:
    return ["s3", verb, "--only-show-errors", "--recursive", source, target]
