"""Run a program in a fresh interpreter, as a user would."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, final

from blobio.testing.emulators import S3Server

__all__ = ["Ended", "environment", "run"]

_LIMIT_S: Final = 45  # a hang ends here; a loaded machine takes seconds to import botocore


@final
@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended.

    Attributes:
        code: Exit status.
        out: What it printed.
        err: What it printed to stderr.
        ended_at: When it had ended, on the clock of `time.monotonic`, which processes share.
    """

    code: int
    out: str
    err: str
    ended_at: float

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def exit_s(self) -> float:
        """Seconds that the exit took: since the time that the program printed last."""
        return self.ended_at - float(self.lines[-1])


def environment(server: S3Server) -> dict[str, str]:
    """Return the variables that make `s3://` mean this server."""
    return {
        "AWS_ENDPOINT_URL": server.url,
        "AWS_ACCESS_KEY_ID": server.access_key,
        "AWS_SECRET_ACCESS_KEY": server.secret_key,
        "AWS_REGION": server.region,
    }


def run(
    program: str,
    *arguments: str,
    options: tuple[str, ...] = (),
    environ: Mapping[str, str] | None = None,
) -> Ended:
    """Run `program`, which must end by itself."""
    done = subprocess.run(  # noqa: S603 - our own interpreter and code
        [sys.executable, *options, "-c", textwrap.dedent(program), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=_LIMIT_S,
        env={**os.environ, **(environ or {})},
    )
    return Ended(done.returncode, done.stdout, done.stderr, time.monotonic())
