"""Secrets that nobody else has, and a witness who looks for them in all that a program tells."""

from __future__ import annotations

import base64
import logging
import pickle
import re
import secrets
import traceback
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final
from urllib.parse import quote

from blobio.config import Config
from blobio.transport.observe import Event

__all__ = ["Canaries", "Witness", "told_by_error", "witness"]

_LOGGERS: Final = ("", "blobio", "blobio.transport", "aiohttp", "aiohttp.client", "asyncio")


@dataclass(frozen=True)
class Canaries:
    """Random secrets, one for each place a secret can be configured in."""

    secret_key: str = field(default_factory=lambda: f"sk{secrets.token_hex(16)}/+")
    session_token: str = field(default_factory=lambda: f"st{secrets.token_hex(16)}==")
    customer_key: bytes = field(default_factory=lambda: secrets.token_hex(16).encode())
    proxy_password: str = field(default_factory=lambda: f"pp{secrets.token_hex(8)}")
    user_info: str = field(default_factory=lambda: f"ui{secrets.token_hex(8)}")
    header: str = field(default_factory=lambda: f"Bearer hv{secrets.token_hex(16)}")
    query: str = field(default_factory=lambda: f"qs{secrets.token_hex(16)}")

    def spellings(self) -> Iterator[str]:
        """Yield each secret in every form in which it could come to light."""
        customer = (self.customer_key.decode(), base64.b64encode(self.customer_key).decode())
        proxy = base64.b64encode(f"user:{self.proxy_password}".encode()).decode()
        plain = (
            *(self.secret_key, self.session_token, *customer, self.proxy_password, proxy),
            *(self.user_info, self.header, self.header.removeprefix("Bearer "), self.query),
        )
        for secret in plain:
            yield secret
            yield repr(secret)[1:-1]
            yield quote(secret, safe="")

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile("|".join(map(re.escape, self.spellings())))

    def in_text(self, text: str) -> list[str]:
        """Return the spellings that `text` holds."""
        return self._pattern.findall(text)


def told_by_error(error: BaseException) -> Mapping[str, str]:
    """Return all that an exception tells to whoever prints, logs, or sends it."""
    told = {"traceback": "".join(traceback.format_exception(error))}
    told["pickle"] = pickle.dumps(error).decode("latin-1")
    link: BaseException | None = error
    depth = 0
    while link is not None:  # what a traceback shows of the chain, and what an error service sends
        told[f"str {depth}"] = str(link)
        told[f"repr {depth}"] = repr(link)
        told[f"args {depth}"] = repr(link.args)
        told[f"fields {depth}"] = repr(vars(link))
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
        depth += 1
    return told


class Witness(logging.Handler):
    """Hears every log record, event, log line and warning of a program."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.heard: list[str] = []
        self.events: list[Event] = []
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.heard.append(logging.Formatter().format(record))
        self.heard.append(repr(vars(record)))

    def on_event(self, event: Event) -> None:
        self.events.append(event)
        self.heard.append(repr(event))
        self.heard.append(pickle.dumps(event).decode("latin-1"))

    def log_callback(self, line: str) -> None:
        self.lines.append(line)
        self.heard.append(line)

    def see(self, error: BaseException) -> None:
        """Keep what an exception tells."""
        self.heard.extend(f"{where}: {text}" for where, text in told_by_error(error).items())

    def hears(self, config: Config) -> Config:
        """Return `config` with both callbacks set to this."""
        return replace(config, on_event=self.on_event, log_callback=self.log_callback)

    def heard_of(self, canaries: Canaries) -> list[tuple[list[str], str]]:
        """Return what was told that should not have been."""
        return [(found, text) for text in self.heard if (found := canaries.in_text(text))]


@contextmanager
def witness(level: int) -> Iterator[Witness]:
    """Listen to everything that is logged at `level` and above while the block runs."""
    listener = Witness()
    before = {name: logging.getLogger(name).level for name in _LOGGERS}
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(level)
    logging.getLogger().addHandler(listener)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield listener
        listener.heard.extend(str(each.message) for each in caught)
    finally:
        logging.getLogger().removeHandler(listener)
        for name, old in before.items():
            logging.getLogger(name).setLevel(old)
