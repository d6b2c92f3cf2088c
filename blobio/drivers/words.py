"""Metadata values in headers: what is not ASCII becomes RFC 2047 encoded words. Pure."""

from __future__ import annotations

import base64
import quopri
import re
from typing import Final

from blobio.errors import Unsupported

__all__ = ["decode", "encode"]

_PLAIN: Final = re.compile(r"[!-~](?:[ -~]*[!-~])?")
_ENCODED_WORD: Final = re.compile(r"=\?utf-8\?([bq])\?([!->@-~]*)\?=", re.IGNORECASE)
_WORD_BYTES: Final = 45  # 60 characters of base64: an encoded word has at most 75


def encode(name: str, value: str) -> str:
    """Return the header that carries the value of the metadata `name`.

    Raises:
        Unsupported: It holds CR, LF or NUL.
    """
    if not value:
        return ""
    if not {"\r", "\n", "\0"}.isdisjoint(value):
        message = f"the metadata value of {name!r} holds a line break or NUL"
        raise Unsupported(message)
    if _PLAIN.fullmatch(value) and "=?" not in value:
        return value
    words = []
    piece = b""
    for character in value:
        octets = character.encode("utf-8", "strict")
        if len(piece) + len(octets) > _WORD_BYTES:
            words.append(piece)
            piece = b""
        piece += octets
    words.append(piece)
    return " ".join(f"=?UTF-8?B?{base64.b64encode(word).decode()}?=" for word in words)


def decode(value: str) -> str:
    """Decode encoded words of UTF-8, which is all that S3 and blobio write.

    `email` would let a stranger's header choose among all of Python's codecs, and drops what it
    cannot read. What is no encoded word, or a wrong one, stays as it is.
    """
    if "=?" not in value:
        return value
    pieces: list[bytes] = []
    end = 0
    try:
        for match in _ENCODED_WORD.finditer(value):
            between = value[end : match.start()]
            if not (end and between.isspace()):  # white space between two words is not part of it
                pieces.append(between.encode("utf-8", "surrogateescape"))
            pieces.append(_word(*match.groups()))
            end = match.end()
        pieces.append(value[end:].encode("utf-8", "surrogateescape"))
        return b"".join(pieces).decode() if end else value
    except ValueError:  # binascii's error and that of UTF-8 among them
        return value


def _word(encoding: str, text: str) -> bytes:
    if encoding in "bB":
        return base64.b64decode(text, validate=True)
    return quopri.decodestring(text.replace("_", " ").encode())
