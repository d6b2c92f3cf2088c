"""`blobio doctor`: what a bug report needs, and whether each store can be reached."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Mapping

from blobio.cli.diagnosis import Finding, machine, places, probe
from blobio.cli.exits import Exit
from blobio.cli.session import Session
from blobio.core.flow import ordered_map

__all__ = ["configure", "run"]

_AT_ONCE = 8
_WIDTH = 100
_WORDS = {"done": "reachable", "skipped": "not set up", "failed": "NOT REACHABLE"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Describe the command and add its options."""
    parser.description = (
        "Print versions, and of each store its endpoint, where the credentials come from (never "
        "what they are), the clock, and one list call. Without URLs: all stores. Exit 0 if all "
        "that are set up can be reached. Paste it into a bug report."
    )
    parser.add_argument("urls", nargs="*", metavar="URL", help="a bucket, or s3://, gs://, az://")


async def run(args: argparse.Namespace, session: Session) -> Exit:
    """Look at all stores side by side and print them in order."""
    config = session.context.config
    facts = machine(config)
    session.output.record("entry", *_lines(facts), kind="machine", **facts)
    findings = await places(args.urls, config)

    async def look(finding: Finding) -> Finding:
        return await probe(finding, config, is_named=bool(args.urls))

    async for finding in ordered_map(look, findings, window=_AT_ONCE):
        _show(finding, session)
        session.output.flush()
    account = session.account
    return account.code if account.done or account.failed else Exit.DENIED


def _show(finding: Finding, session: Session) -> None:
    reason = None if finding.error is None else str(finding.error) or type(finding.error).__name__
    facts = finding.facts | ({} if reason is None else {"reason": reason})
    lines = ["", f"{finding.place}  {_WORDS[finding.status]}", *_lines(facts, indent="  ")]
    session.output.record(
        "entry",
        *lines,
        kind="store",
        src=finding.place,
        status=finding.status,
        skew_s=finding.skew_s,
        ms=finding.ms,
        **facts,
    )
    if finding.status == "done":
        session.account.add(0)
    elif finding.error is not None and finding.is_set_up:
        session.account.fail(finding.error)


def _lines(facts: Mapping[str, str], indent: str = "") -> list[str]:
    """Write facts under each other, the second column aligned and not too wide."""
    width = max(map(len, facts), default=0)
    return [
        line
        for name, fact in facts.items()
        for line in textwrap.wrap(
            fact,
            _WIDTH,
            initial_indent=f"{indent}{name:{width}}  ",
            subsequent_indent=" " * (len(indent) + width + 2),
            break_long_words=False,  # nor names: they are copied from here
            break_on_hyphens=False,
        )
    ]
