"""Ask for a page of a listing and read it: a million keys are two hundred pages. Pure.

A directory of Hadoop, or of an account that has real ones, is listed as a blob without a slash that
is marked `hdi_isfolder`; here it becomes the key with the slash, as the contract wants it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import repeat
from typing import Final, final
from urllib.parse import unquote
from xml.parsers import expat

from blobio.drivers.azure.headers import TOKEN_NAME, user_name
from blobio.drivers.azure.place import query_string
from blobio.drivers.azure.replies import FOLDER_NAME, kept_metadata, md5_hex
from blobio.drivers.dates import http_time
from blobio.drivers.markup import MAX_DEPTH, refuse_dtd
from blobio.drivers.words import decode
from blobio.errors import RequestFailed
from blobio.values import BlobMeta, ListOptions, ListPage, Version, described_blobs

__all__ = ["PAGE_SIZE", "page_query", "parse_page"]

PAGE_SIZE: Final = 5000

_SHOWN: Final = 200
_NO_METADATA: Final[Mapping[str, str]] = {}
# More digits than any blob needs; `int` takes longer, and signs and underscores too.
_SIZE: Final = re.compile(r"[0-9]{1,18}")


def page_query(
    prefix: str, options: ListOptions, token: str | None, *, include: str = "metadata"
) -> str:
    """Return the query of a List Blobs request."""
    pairs = [("comp", "list"), ("include", include)]
    if options.delimiter:
        pairs.append(("delimiter", options.delimiter))
    if token is not None:
        pairs.append(("marker", token))
    pairs.append(("maxresults", str(min(options.page_size, PAGE_SIZE))))
    if prefix:
        pairs.append(("prefix", prefix))
    pairs.append(("restype", "container"))
    return query_string(pairs)


def parse_page(body: bytes, prefix: str, options: ListOptions, subject: str) -> ListPage:
    """Read an EnumerationResults.

    Blobs in the form that Azure writes are cut out by one regular expression, the rest of the
    document goes through expat; a page with any other form goes there whole. A key of a full page
    costs 8 microseconds the first way on a busy machine, several times that the second.

    Azure has no `start-after` in the version used, so keys up to `options.start_after` are dropped
    here.

    Args:
        body: The document.
        prefix: What was listed.
        options: As in the request.
        subject: What was listed, for errors.

    Raises:
        RequestFailed: It is not a listing, or not well-formed.
    """
    refuse_dtd(body, subject)
    reader = _Reader()
    try:
        text = body.decode("utf-8-sig").strip()
        pieces = _PLAIN_ENTRY.split(text) if "<!" not in text else [text]
        if len(pieces) // _PIECES != text.count("<Blob>"):
            pieces = [text]
        reader.read("".join(pieces[::_PIECES]))
        found = [_blob(entry, metadata) for entry, metadata in reader.blobs]
        found += _plain_blobs([pieces[n::_PIECES] for n in range(1, _PIECES)])
    except (expat.ExpatError, ValueError, KeyError) as error:
        message = f"the listing of {subject} cannot be read: {repr(error)[:_SHOWN]}"
        raise RequestFailed(message, url=subject, operation="list", retryable=True) from error
    if reader.root != "EnumerationResults":
        message = f"the listing of {subject} came back as <{reader.root[:_SHOWN]}>"
        raise RequestFailed(message, url=subject, operation="list")
    prefixes = dict.fromkeys(reader.prefixes)
    blobs: list[BlobMeta] = []
    has_folders = False
    for meta, is_folder in found:
        if is_folder and options.delimiter and meta.key != prefix:
            prefixes[meta.key] = None
            has_folders = True
        else:
            blobs.append(meta)
            has_folders = has_folders or is_folder
    names = list(prefixes)
    if has_folders:  # the slash moves them
        blobs.sort(key=lambda meta: meta.key)
        names.sort()
    after = options.start_after
    if after:
        blobs = [meta for meta in blobs if meta.key > after]
        names = [name for name in names if name > after]
    return ListPage(blobs=blobs, prefixes=names, token=reader.page.get("NextMarker") or None)


_ELEMENTS: Final = r"(?:<[A-Za-z0-9_-]++(?: ?/>|>[^<&]*+</[A-Za-z0-9_-]++>))*+"
# Name, times, ETag, size, type, other properties, metadata. A name with an entity, a carriage
# return or an encoding of its own is not matched, since it has to be read differently.
_PLAIN_ENTRY: Final = re.compile(
    r"<Blob><Name>([^<&\r]*+)</Name><Properties>"
    r"<Creation-Time>([^<&]*+)</Creation-Time><Last-Modified>([^<&]*+)</Last-Modified>"
    r"<Etag>([^<&]*+)</Etag><Content-Length>([0-9]{1,18})</Content-Length>"
    r"<Content-Type>([^<&]*+)</Content-Type>(" + _ELEMENTS + r")</Properties>"
    r"(?:<Metadata>(" + _ELEMENTS + r")</Metadata>|<Metadata ?/>)?(?:<OrMetadata ?/>)?</Blob>"
)
_PIECES: Final = 9  # what `split` gives a blob: the text before it and its eight fields
_FIELD: Final = re.compile(r"<([A-Za-z0-9_-]+)>([^<]*)</")


def _plain_blobs(columns: list[list[str]]) -> list[tuple[BlobMeta, bool]]:
    """Return what `_blob` does of entries in Azure's own form, given field by field."""
    names, created, modified, etags, sizes, types, others, stored = columns
    joined = "".join(others)
    is_usual = "<ResourceType>" not in joined and not any(stored)
    if not is_usual or joined.count("<BlobType>BlockBlob<") != len(names):
        return [_plain_blob(*fields) for fields in zip(*columns, strict=True)]
    mtimes = list(map(http_time, modified))
    ctimes = [
        mtime if born == changed else http_time(born) or mtime
        for mtime, born, changed in zip(mtimes, created, modified, strict=True)
    ]
    md5s = [md5_hex(text.partition("<Content-MD5>")[2].partition("<")[0]) for text in others]
    rows = zip(
        *(names, map(int, sizes), mtimes, ctimes, map(_version, etags), md5s),
        *(repeat(None), (text or None for text in types), repeat(_NO_METADATA), repeat(None)),
        strict=False,
    )
    return [(blob, False) for blob in described_blobs(rows)]


def _plain_blob(  # noqa: PLR0917 - the groups of `_PLAIN_ENTRY`
    name: str,
    created: str,
    modified: str,
    etag: str,
    size: str,
    content_type: str,
    others: str,
    stored: str | None,
) -> tuple[BlobMeta, bool]:
    """Return what `_blob` does of one of them."""
    entry = dict(_FIELD.findall(others))
    entry |= {"Name": name, "Creation-Time": created, "Last-Modified": modified}
    entry |= {"Etag": etag, "Content-Length": size, "Content-Type": content_type}
    return _blob(entry, {n.lower(): value for n, value in _FIELD.findall(stored or "")})


def _version(etag: str) -> Version | None:
    if not etag:
        return None
    return Version(etag if etag.endswith('"') else f'"{etag}"')


def _blob(entry: dict[str, str], stored: dict[str, str]) -> tuple[BlobMeta, bool]:
    """Return what an entry describes, and whether it is a directory."""
    size = entry.get("Content-Length", "0")
    if _SIZE.fullmatch(size) is None:
        message = f"{size[:_SHOWN]!r} is no size"
        raise ValueError(message)
    is_folder = (
        stored.get(FOLDER_NAME, "").lower() == "true" or entry.get("ResourceType") == "directory"
    )
    key = entry["Name"]
    if is_folder and not key.endswith("/"):
        key += "/"
    blob_type = entry.get("BlobType", "BlockBlob")
    metadata = {user_name(n): decode(value) for n, value in stored.items() if n != TOKEN_NAME}
    mtime = http_time(entry.get("Last-Modified"))
    meta = BlobMeta(
        key=key,
        size=int(size),
        mtime=mtime,
        ctime=http_time(entry.get("Creation-Time")) or mtime,
        version=_version(entry.get("Etag", "")),
        md5=md5_hex(entry.get("Content-MD5")) if blob_type == "BlockBlob" else None,
        content_type=entry.get("Content-Type") or None,
        metadata=kept_metadata(metadata, blob_type),
    )
    return meta, is_folder


@final
class _Reader:
    """Collects the text of elements: the page's own, and of each blob its fields and metadata.

    Attributes:
        root: Name of the root element.
        page: Text of the root's plain children.
        blobs: Name and properties of each blob, and its metadata by names in lower case.
        prefixes: Name of each `BlobPrefix`.
    """

    def __init__(self) -> None:
        self.root = ""
        self.page: dict[str, str] = {}
        self.blobs: list[tuple[dict[str, str], dict[str, str]]] = []
        self.prefixes: list[str] = []
        self._path: list[str] = []
        self._entry: dict[str, str] = {}
        self._metadata: dict[str, str] = {}
        self._is_encoded = False
        self._text: list[str] = []

    def read(self, text: str) -> None:
        """Parse the document in one pass."""
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text.append
        parser.Parse(text, True)  # noqa: FBT003 - expat takes it by position

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        path = self._path
        path.append(name)
        if len(path) > MAX_DEPTH:
            message = f"elements are nested more than {MAX_DEPTH} deep"
            raise ValueError(message)
        self._text.clear()
        if len(path) == 3:  # noqa: PLR2004 - root, Blobs, a blob
            self._entry, self._metadata = {}, {}
        elif len(path) == 1:
            self.root = name
        if name == "Name":
            # A name that XML cannot carry is percent-encoded, and says so:
            # https://learn.microsoft.com/rest/api/storageservices/list-blobs, read 2026-11-27.
            self._is_encoded = attributes.get("Encoded") == "true"

    def _end(self, name: str) -> None:
        path = self._path
        path.pop()
        depth = len(path)
        if depth == 4:  # noqa: PLR2004 - root, Blobs, a blob, its properties
            into = self._metadata if path[3] == "Metadata" else self._entry
            into[name.lower() if path[3] == "Metadata" else name] = "".join(self._text)
        elif depth == 3:  # noqa: PLR2004 - root, Blobs, a blob
            if name == "Name":
                text = "".join(self._text)
                self._entry[name] = unquote(text) if self._is_encoded else text
        elif depth == 2:  # noqa: PLR2004 - root, Blobs
            if name == "Blob":
                self.blobs.append((self._entry, self._metadata))
            elif name == "BlobPrefix":
                self.prefixes.append(self._entry["Name"])
        elif depth == 1:
            self.page[name] = "".join(self._text)
        self._text.clear()
