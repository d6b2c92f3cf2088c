"""Installs the servers that come from npm, unless the ones in place are those of the lock file."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
STAMP: Final = HERE / "node_modules/.installed"


def main() -> None:
    wanted = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
    if STAMP.exists() and STAMP.read_text() == wanted:
        return
    npm = shutil.which("npm")
    if npm is None:
        sys.exit("npm is missing: the tests of Azure need Node 20 or later")
    # No script of a package runs: none of them needs to.
    command = [npm, "ci", "--prefix", str(HERE), "--ignore-scripts", "--no-audit", "--no-fund"]
    subprocess.run(command, check=True)  # noqa: S603 - the command above
    STAMP.write_text(wanted)


if __name__ == "__main__":
    main()
