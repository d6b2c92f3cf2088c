"""`-v`, `--log-level` and `--color`: what is said on stderr, how loud, and never a secret."""

from __future__ import annotations

import argparse
import logging
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from blobio.cli.logs import logged
from blobio.cli.output import Output
from blobio.errors import redact
from blobio.testing.scripted import Received, Reply, ScriptedServer, failing, serving
from tests.cli.conftest import Run, make_tree

local = pytest.mark.parametrize("store", ["local"])
moto_only = pytest.mark.parametrize("store", ["moto"])
SECRET = "c4n4rySECRETc4n4ry"


@pytest.fixture
def flaky() -> Iterator[str]:
    """A web server that fails once; the URL of its file is signed."""
    with ScriptedServer(failing(serving(b"content"), times=1)) as server:
        yield f"{server.url}/f?X-Amz-Signature={SECRET}&sig={SECRET}&se=2030"


@moto_only
def test_nothing_is_logged_unasked(run: Run, root: str) -> None:
    make_tree()

    assert run("cp", "-r", "d/", root).err == ""


@local
@pytest.mark.usefixtures("root")
def test_one_retry_is_no_news(run: Run, flaky: str) -> None:
    ran = run("cat", flaky)

    assert (ran.code, ran.out, ran.err) == (0, "content", "")


@local
@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("words", [["-v"], ["--log-level", "info"], ["-q", "--log-level", "info"]])
def test_verbose_tells_of_a_retry_but_of_no_request(run: Run, flaky: str, words: list[str]) -> None:
    ran = run("cat", *words, flaky)

    assert (ran.code, ran.out) == (0, "content")
    (line,) = ran.err.splitlines()
    assert line.startswith("blobio cat: warning: head of http://127.0.0.1:")
    assert "HTTP status 503; trying again in" in line


@local
@pytest.mark.usefixtures("root")
def test_many_retries_of_one_request_are_told_unasked(run: Run) -> None:
    with ScriptedServer(failing(serving(b"content"), times=3)) as server:
        ran = run("cat", f"{server.url}/f")

    assert ran.out == "content"
    assert ran.err.count("trying again") == 1


@moto_only
def test_very_verbose_tells_of_each_request(run: Run, root: str) -> None:
    make_tree()

    ran = run("cp", "-vv", "d/a.txt", f"{root}x")

    (line,) = [line for line in ran.err.splitlines() if " debug: " in line]
    assert line.startswith("blobio cp: debug: PUT http://127.0.0.1:")
    assert "/x (put): 200 in " in line
    assert line.endswith(" ms")
    assert f"blobio cp: info: copy of d/a.txt to {root}x passes through here" in ran.err


@local
@pytest.mark.usefixtures("root")
def test_no_secret_of_a_url_is_told(run: Run, flaky: str) -> None:
    for words in (["-vv"], ["--log-level", "debug", "--json", "--stats"]):
        ran = run("cat", *words, flaky, f"{flaky}&x={'y' * 10}")

        assert "REDACTED" in ran.err
        assert SECRET not in ran.err + ran.out


@moto_only
def test_no_signature_is_told(run: Run, root: str) -> None:
    make_tree()
    run("cp", "d/a.txt", f"{root}x")

    signed = run("sign", "-vv", f"{root}x")
    ran = run("cp", "-vv", signed.out.strip(), "copy")

    assert ran.code == 0
    (signature,) = [p for p in signed.out.strip().split("&") if p.startswith("X-Amz-Signature=")]
    assert signature.partition("=")[2] not in ran.err + signed.err


@local
@pytest.mark.usefixtures("root")
def test_no_header_that_a_server_repeats_is_told(run: Run) -> None:
    def repeat(_: Received) -> Reply:
        body = f"<Error><Message>Authorization: Bearer {SECRET}</Message></Error>".encode()
        return Reply(status=403, body=body)

    with ScriptedServer(repeat) as server:
        ran = run("cat", "-vv", f"{server.url}/f")

    assert ran.code == 4
    assert SECRET not in ran.err


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Bearer {SECRET}",
        f"authorization: AWS4-HMAC-SHA256 Credential=A/x, SignedHeaders=host, Signature={SECRET}",
        f"{{'Authorization': 'SharedKey account:{SECRET}='}}",
        f'"x-amz-security-token": "{SECRET}"',
        f"got Bearer {SECRET} back",
        f"https://a.blob.core.windows.net/c/k?sv=2023&sig={SECRET}%3D&se=2030",
        f"https://s3/k?X-Amz-Credential={SECRET}&X-Amz-Signature={SECRET}",
        f"https://user:{SECRET}@host/k",
    ],
)
def test_redaction_knows_headers_and_signed_urls(text: str) -> None:
    assert SECRET not in redact(text)
    assert redact(redact(text)) == redact(text)


@local
def test_lines_of_a_log_stay_lines(run: Run, root: str) -> None:
    with open("two\nlines", "wb"):
        pass

    ran = run("cp", "-v", "two\nlines", root)

    assert ran.code == 0
    assert ran.err.count("\n") == 1
    assert "two\\nlines" in ran.err


@local
def test_loggers_are_as_they_were(run: Run, root: str) -> None:
    logger = logging.getLogger("blobio")
    before = (logger.level, logger.propagate, list(logger.handlers))

    run("ls", "-vv", root)

    assert (logger.level, logger.propagate, list(logger.handlers)) == before


@local
@pytest.mark.parametrize(
    ("words", "variables", "is_colored"),
    [
        ([], {}, True),
        ([], {"NO_COLOR": "1"}, False),
        ([], {"NO_COLOR": ""}, True),
        ([], {"TERM": "dumb"}, False),
        (["--color", "never"], {}, False),
        (["--color", "always"], {"NO_COLOR": "1"}, True),
    ],
)
@pytest.mark.usefixtures("root")
def test_a_terminal_gets_colours_unless_unwanted(
    words: list[str], variables: dict[str, str], *, is_colored: bool
) -> None:
    ours, theirs = pty.openpty()
    kept = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    try:
        process = subprocess.run(  # noqa: S603 - our own words
            [sys.executable, "-m", "blobio", "ls", *words, "missing"],
            check=False,
            stderr=theirs,
            stdout=subprocess.DEVNULL,
            env={**kept, "TERM": "xterm", **variables},
            timeout=60,
        )
        said = os.read(ours, 65_536)
    finally:
        os.close(theirs)
        os.close(ours)

    assert process.returncode == 3
    assert (b"\x1b[31m" in said) == is_colored
    assert b"missing" in said


@local
@pytest.mark.usefixtures("root")
def test_a_pipe_gets_colours_only_on_demand(run: Run) -> None:
    assert "\x1b" not in run("ls", "missing").err
    assert run("ls", "--color", "always", "missing").err.startswith("\x1b[31mblobio ls:\x1b[0m ")


@local
def test_sync_tells_what_it_decides(run: Run, root: str) -> None:
    make_tree()
    run("sync", "d", root)
    (Path(root) / "a.txt").write_text("other")
    (Path(root) / "extra").touch()

    ran = run("sync", "-vn", "--delete", "d", root)

    decided = [line.partition(" info: ")[2] for line in ran.err.splitlines() if " info: " in line]
    assert decided == ["a.txt: copy", "b.csv: skip", "extra: delete", "sub/c.txt: skip"]


def test_what_any_part_of_the_package_logs_is_shown_without_secrets(
    capsys: pytest.CaptureFixture[str],
) -> None:
    args = argparse.Namespace(log_level=None, quiet=False, verbose=2)
    with logged(args, Output("ls")):
        logging.getLogger("blobio.somewhere").debug("GET https://h/k?sig=%s", SECRET)
        logging.getLogger("elsewhere").warning("not ours: %s", SECRET)
        logging.getLogger("blobio").info("sent 'Authorization: Basic %s'", SECRET)

    shown = capsys.readouterr().err
    assert "blobio ls: debug: GET https://h/k?sig=REDACTED\n" in shown
    assert "'Authorization: REDACTED'" in shown
    assert SECRET not in shown
