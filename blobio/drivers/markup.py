"""Read and write the small XML of a store's replies and requests. No DTD, entities, namespaces.

Listings have readers of their own, which must be fast.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final, final
from xml.etree import ElementTree as ET
from xml.etree.ElementTree import Element

from blobio.errors import RequestFailed

__all__ = [
    "MAX_DEPTH",
    "Element",
    "child",
    "children",
    "escape",
    "is_cut",
    "is_legal",
    "local_name",
    "parse",
    "refuse_dtd",
    "root_name",
]

# Possessive: a reply of white space alone would otherwise be cut in two in every way there is.
_ROOT: Final = re.compile(rb"\s*+(?:<\?xml[^>]*+>)?\s*+<([A-Za-z]+)[\s/>]")
_EMPTY_ROOT: Final = re.compile(rb"\s*+(?:<\?xml[^>]*+>)?\s*+<[^<>]*/>\s*+")
MAX_DEPTH: Final = 32  # of the stores' own documents none has more than six levels
# What XML 1.0 can carry at all, even escaped.
_ILLEGAL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def is_legal(text: str) -> bool:
    """Tell if `text` can be written in XML 1.0."""
    return _ILLEGAL.search(text) is None


def escape(text: str) -> str:
    """Escape text for an element; line breaks too, which a parser would otherwise normalise."""
    return (
        text.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace('"', "&quot;")
        .replace("\r", "&#13;")
        .replace("\n", "&#10;")
        .replace("\t", "&#9;")
    )


def root_name(body: bytes) -> str | None:
    """Return the name of the root element, or None if `body` does not start like XML.

    S3 may send white space before the document while it works, to keep the connection alive.
    """
    match = _ROOT.match(body)
    return match.group(1).decode() if match else None


def is_cut(body: bytes) -> bool:
    """Tell if a document starts like XML and then breaks off before its root element is closed.

    A reply whose end is marked by closing the connection can be cut without anybody noticing.
    """
    match = _ROOT.match(body)
    if match is None or _EMPTY_ROOT.fullmatch(body):
        return False
    return not body.rstrip().endswith(b"</%b>" % match.group(1))


def refuse_dtd(body: bytes, subject: str) -> None:
    """Refuse a document that declares anything, or hides it in another encoding.

    Raises:
        RequestFailed: It has a DOCTYPE, or is not in an ASCII-compatible encoding.
    """
    declares = b"<!" in body and (b"<!DOCTYPE" in body or b"<!ENTITY" in body)
    if declares or b"\0" in body:
        message = f"the XML that came back for {subject} declares entities; refused"
        raise RequestFailed(message, url=subject)


def parse(body: bytes, expected: str | Collection[str], subject: str) -> Element:
    """Parse a reply whose root must be `expected`, or one of them.

    Raises:
        RequestFailed: It is something else, or not well-formed.
    """
    refuse_dtd(body, subject)
    try:
        # No DTD can be in there, so no entity can be defined, expanded or fetched.
        parser = ET.XMLParser(target=_ShallowBuilder())  # noqa: S314
        root = ET.fromstring(body.strip(), parser)  # noqa: S314
    except (ET.ParseError, ValueError, LookupError) as error:
        # the latter two for a declared encoding that Python does not have, or not as expat wants it
        message = f"the reply for {subject} is not XML: {error}"
        raise RequestFailed(message, url=subject, retryable=True) from error
    names = (expected,) if isinstance(expected, str) else tuple(expected)
    if local_name(root) not in names:
        message = f"the reply for {subject} is <{local_name(root)[:80]}>, not <{names[0]}>"
        raise RequestFailed(message, url=subject)
    return root


@final
class _ShallowBuilder(ET.TreeBuilder):
    """Builds a tree of bounded depth: ElementTree, and who walks it, would use C stack for more."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = 0

    def start(self, tag: str, attrs: dict[str, str], /) -> Element:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            message = f"elements are nested more than {MAX_DEPTH} deep"
            raise ValueError(message)
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> Element:
        self._depth -= 1
        return super().end(tag)


def local_name(element: Element) -> str:
    """Return the tag without its namespace; stores differ in whether they declare one."""
    return element.tag.rpartition("}")[2]


def children(element: Element, name: str) -> list[Element]:
    """Return the children called `name`, in order."""
    return [one for one in element if local_name(one) == name]


def child(element: Element, name: str) -> str | None:
    """Return the text of the first child called `name`, or None."""
    for one in element:
        if local_name(one) == name:
            return one.text or ""
    return None
