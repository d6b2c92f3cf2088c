"""Ask for a page of a listing and read it, fast: a million keys are a thousand pages. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final, final
from urllib.parse import unquote_plus
from xml.parsers import expat

from blobio.drivers.markup import MAX_DEPTH, refuse_dtd
from blobio.drivers.s3.addressing import query_string
from blobio.drivers.s3.replies import quoted
from blobio.errors import RequestFailed
from blobio.values import ListOptions, ListPage, Version, listed_blobs

__all__ = ["PAGE_SIZE", "page_query", "parse_page"]

PAGE_SIZE: Final = 1000


def page_query(prefix: str, options: ListOptions, token: str | None) -> str:
    """Return the query of a ListObjectsV2 request."""
    pairs = [("list-type", "2"), ("encoding-type", "url")]
    if token is not None:
        pairs.append(("continuation-token", token))
    elif options.start_after:
        pairs.append(("start-after", options.start_after))
    if options.delimiter:
        pairs.append(("delimiter", options.delimiter))
    pairs.append(("max-keys", str(min(options.page_size, PAGE_SIZE))))
    if prefix:
        pairs.append(("prefix", prefix))
    return query_string(sorted(pairs))


def parse_page(body: bytes, subject: str) -> ListPage:
    """Read a ListBucketResult.

    Objects in the form that S3 and most stores write are cut out by one regular expression, the
    rest of the document goes through expat; a page with any other form goes there whole. A key
    of a full page costs 2 to 3 microseconds the first way, six times that the second.

    Args:
        body: The document.
        subject: What was listed, for errors.

    Raises:
        RequestFailed: It is not a listing, not well-formed, or says that more follows without
            saying how to ask for it.
    """
    refuse_dtd(body, subject)
    reader = _Reader()
    try:
        text = body.decode().lstrip()
        pieces = _PLAIN_ENTRY.split(text) if "<!" not in text else [text]
        if len(pieces) // _PIECES != text.count("<Contents"):
            pieces = [text]
        reader.read("".join(pieces[::_PIECES]))
        is_encoded = reader.page.get("EncodingType") == "url"
        columns = [pieces[n::_PIECES] for n in range(1, _PIECES)]
        if reader.entries:
            columns = list(map(list, zip(*map(_fields, reader.entries), strict=True)))
        keys, times, etags, sizes = columns
        blobs = listed_blobs(
            _names(keys, is_encoded=is_encoded),
            map(int, sizes),
            [datetime.fromisoformat(time).timestamp() for time in times],
            [Version(quoted(etag)) if etag else None for etag in etags],
        )
    except (expat.ExpatError, ValueError, KeyError) as error:
        message = f"the listing of {subject} cannot be read: {repr(error)[:_SHOWN]}"
        raise RequestFailed(message, url=subject, operation="list", retryable=True) from error
    return ListPage(
        blobs=blobs,
        prefixes=_names(reader.prefixes, is_encoded=is_encoded),
        token=_next_token(reader, subject),
    )


# Key, LastModified, ETag, checksums, Size, then owner and storage class. A key with an entity or a
# carriage return in it is not matched, since XML would read it differently.
_PLAIN_ENTRY: Final = re.compile(
    r"<Contents>\s*+<Key>([^<&\r]*+)</Key>\s*+<LastModified>([0-9T:.-]*+Z)</LastModified>\s*+"
    r"<ETag>(?:&quot;|\"|)([^<&\"]*+)(?:&quot;|\"|)</ETag>\s*+"
    r"(?:<Checksum(?:Algorithm|Type)>[^<]*+</Checksum(?:Algorithm|Type)>\s*+)*+"
    r"<Size>([0-9]{1,18}+)</Size>\s*+"
    r"(?:<Owner>(?:\s*+<(?:ID|DisplayName)>[^<]*+</(?:ID|DisplayName)>)*+\s*+</Owner>\s*+)?+"
    r"(?:<StorageClass>[^<]*+</StorageClass>\s*+)?+</Contents>"
)


# More digits than any blob needs; `int` takes longer, and signs and underscores too.
_SIZE: Final = re.compile(r"[0-9]{1,18}")
_SHOWN: Final = 200
_PIECES: Final = 5  # what `split` gives an entry: the text before it and its four fields


def _fields(entry: dict[str, str]) -> tuple[str, str, str, str]:
    """Return the key, the time with its zone, the ETag and the size of an object."""
    size = entry["Size"]
    if _SIZE.fullmatch(size) is None:
        message = f"{size[:_SHOWN]!r} is no size"
        raise ValueError(message)
    time = datetime.fromisoformat(entry["LastModified"])
    if time.tzinfo is None:
        time = time.replace(tzinfo=UTC)
    return entry["Key"], time.isoformat(), entry.get("ETag", ""), size


def _next_token(reader: _Reader, subject: str) -> str | None:
    if reader.root != "ListBucketResult":
        message = f"the listing of {subject} came back as <{reader.root[:_SHOWN]}>"
        raise RequestFailed(message, url=subject, operation="list")
    if reader.page.get("IsTruncated") != "true":
        return None
    token = reader.page.get("NextContinuationToken")
    if not token:
        message = f"the listing of {subject} goes on, but the store gives no continuation token"
        raise RequestFailed(message, url=subject, operation="list")
    return token


def _names(texts: list[str], *, is_encoded: bool) -> list[str]:
    """Decode keys or prefixes.

    S3 writes a space as `+` and a plus as `%2B`, measured against S3 itself at
    https://github.com/brekkylab/backlot/issues/178, read 2026-11-24. A store that does not say
    that it encoded the names did not.
    """
    if not is_encoded:
        return texts
    return [unquote_plus(text) if "%" in text or "+" in text else text for text in texts]


@final
class _Reader:
    """Collects the text of elements by depth: root, its children, the children of entries.

    Attributes:
        root: Name of the root element.
        page: Text of the root's plain children.
        entries: One dictionary an object.
        prefixes: Text of each `CommonPrefixes/Prefix`.
    """

    def __init__(self) -> None:
        self.root = ""
        self.page: dict[str, str] = {}
        self.entries: list[dict[str, str]] = []
        self.prefixes: list[str] = []
        self._depth = 0
        self._group = ""
        self._entry: dict[str, str] = {}
        self._text = ""

    def read(self, text: str) -> None:
        """Parse the document in one pass."""
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._data
        parser.Parse(text, True)  # noqa: FBT003 - expat takes it by position

    def _start(self, name: str, _attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            message = f"elements are nested more than {MAX_DEPTH} deep"
            raise ValueError(message)
        self._text = ""
        if self._depth == 2:  # noqa: PLR2004 - a child of the root
            self._group = name
            if name in ("Contents", "CommonPrefixes"):
                self._entry = {}
        elif self._depth == 1:
            self.root = name.rpartition(":")[2]

    def _data(self, text: str) -> None:
        self._text += text

    def _end(self, name: str) -> None:
        self._depth -= 1
        if self._depth == 2:  # noqa: PLR2004 - a field of an entry
            self._entry[name] = self._text
        elif self._depth == 1:
            if self._group == "Contents":
                self.entries.append(self._entry)
            elif self._group == "CommonPrefixes":
                self.prefixes.append(self._entry["Prefix"])
            else:
                self.page[name] = self._text
