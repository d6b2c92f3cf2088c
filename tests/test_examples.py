"""The examples run, on real servers, and notice when something is wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

EXAMPLES: Final = Path(__file__).parent.parent / "examples"
QUICKSTART: Final = EXAMPLES / "quickstart.py"
TRAINING: Final = EXAMPLES / "training.py"
WRONG_STEP: Final = """
import sys
import quickstart

quickstart.STEPS = (("wrong", lambda scene: quickstart.check(False, "one is two")),)
sys.argv[1:] = ["--mib", "1"]
quickstart.main()
"""


def _python(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in the directory of the examples; a warning is an error there, too."""
    command = [sys.executable, "-W", "error", *arguments]
    return subprocess.run(  # noqa: S603 - our own arguments
        command, cwd=EXAMPLES, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
@pytest.mark.timeout(120)  # starts two servers and moves 100 MB
def test_quickstart_finds_every_result_right() -> None:
    # three parts: large enough for an upload in parts
    result = _python(str(QUICKSTART), "--mib", "24")

    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("step"))
    table, closing = lines[start + 1 : -2], lines[-1]
    assert all(" = " in line for line in table), result.stdout
    assert closing.startswith(f"All {len(table)} steps right")


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_quickstart_ends_with_an_error_on_a_wrong_result() -> None:
    result = _python("-c", WRONG_STEP)

    assert result.returncode == 1
    assert "WrongResultError: one is two" in result.stderr
    assert "steps right" not in result.stdout


@pytest.mark.slow
def test_quickstart_explains_itself() -> None:
    result = _python(str(QUICKSTART), "--help")

    assert result.returncode == 0, result.stderr
    assert "--mib" in result.stdout


@pytest.mark.slow
@pytest.mark.timeout(120)  # starts a server and five processes
def test_training_goes_on_after_a_kill() -> None:
    result = _python(str(TRAINING))

    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stderr == ""
    assert "each once and in order" in result.stdout
