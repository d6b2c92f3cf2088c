"""What a cache knows of a copy: of what it is one, its size and its digest."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from typing import Final, final

from blobio.dataset.manifestfields import Fields
from blobio.url import BlobUrl

__all__ = ["GONE", "META", "Identity", "Meta", "digest_of", "dump_meta", "load_meta"]

META: Final = "meta.json"
GONE: Final = "gone"  # a file that is there if the copy cannot be fetched again
_NAME_BYTES: Final = 200  # of the 255 that file systems allow: temporary files have longer names


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What an entry is a copy of.

    Attributes:
        url: The blob.
        version: Its version, or what stands for it.
        start: The first byte.
        stop: The first byte that is not in it; None for the end of the blob.
        kind: `""` for bytes of the blob, else what was made of it (`manifest`), which nobody needs
            to be asked about before it goes.
    """

    url: str
    version: str
    start: int = 0
    stop: int | None = None
    kind: str = ""

    @property
    def url_key(self) -> str:
        """What the names of all entries of this blob have in common."""
        return _hash(self.url)[:16]

    @property
    def key(self) -> str:
        """The name of the entry, without its kind."""
        facts = (self.version, str(self.start), str(self.stop), self.kind)
        return f"{self.url_key}-{_hash(*facts)[:32]}"

    @property
    def file_name(self) -> str:
        """The name of the copy: that of the blob, so that what looks at endings works."""
        name = "" if self.kind else BlobUrl.parse(self.url).name
        usable = name not in ("", ".", "..", META, GONE) and not name.startswith(".blobio-")
        return name if usable and len(os.fsencode(name)) <= _NAME_BYTES else "blob"


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Meta:
    """What is known of an entry.

    Attributes:
        identity: What it is a copy of.
        size: Bytes.
        sha256: Of the bytes.
        mtime_ns: Of the copy when it was hashed: another one means that somebody wrote to it.
        fetched_ns: When it was fetched.
    """

    identity: Identity
    size: int
    sha256: str = ""
    mtime_ns: int = 0
    fetched_ns: int = 0


def digest_of(path: str) -> str:
    """Return the SHA-256 of a file, in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _hash(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode("utf-8", "surrogateescape")).hexdigest()


def dump_meta(meta: Meta) -> bytes:
    """Return what `meta.json` holds."""
    return json.dumps({"blobio_cache": 1, **asdict(meta)}).encode()


def load_meta(entry: str) -> Meta:
    """Read the `meta.json` of an entry.

    Raises:
        ManifestError (a ValueError): It is damaged.
        OSError: It cannot be read.
    """
    with open(os.path.join(entry, META), "rb") as file:
        values = json.loads(file.read())
    url = BlobUrl("file", "", os.path.join(entry, META))
    fields = Fields(values if isinstance(values, dict) else {}, url, kind="entry")
    identity = Fields(fields.mapping("identity"), url, "identity.", "entry")
    stop = None if identity.is_none("stop") else identity.whole("stop")
    return Meta(
        identity=Identity(
            url=identity.text("url"),
            version=identity.text("version"),
            start=identity.whole("start"),
            stop=stop,
            kind=identity.text("kind"),
        ),
        size=fields.whole("size"),
        sha256=fields.text("sha256"),
        mtime_ns=fields.whole("mtime_ns"),
        fetched_ns=fields.whole("fetched_ns"),
    )
