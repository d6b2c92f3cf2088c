"""`python -m blobio`: the same command as `blobio`."""

from __future__ import annotations

import sys

from blobio.cli import main

if __name__ == "__main__":
    sys.exit(main())
