"""Which dataset, at which revision, of which Hub; and the URLs of what it offers. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, final
from urllib.parse import quote, unquote, urlencode, urlsplit

from blobio.errors import Unsupported
from blobio.hubconfig import HubConfig

__all__ = ["DEFAULT_ENDPOINT", "Repository", "is_commit", "is_path", "viewer_of"]

DEFAULT_ENDPOINT: Final = "https://huggingface.co"
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_MAIN: Final = "main"


def is_commit(revision: str) -> bool:
    """Tell if a revision is the full sha of a commit, which nothing can move."""
    return _COMMIT.fullmatch(revision) is not None


def is_path(key: str) -> bool:
    """Tell if git could hold a file of that name: no step of it is empty, `.` or `..`."""
    return not {"", ".", ".."} & set(key.split("/"))


@final
@dataclass(frozen=True, slots=True)
class Repository:
    """A dataset at a revision.

    Attributes:
        endpoint: `http(s)://host[:port]` of the Hub.
        id: `namespace/name`.
        revision: Branch, tag, reference or commit, decoded.
    """

    endpoint: str
    id: str
    revision: str

    @classmethod
    def parse(cls, authority: str, config: HubConfig) -> Repository:
        """Read the authority of a `BlobUrl`.

        Raises:
            Unsupported: It is no dataset.
        """
        kind, _, rest = authority.partition("/")
        if kind != "datasets":
            message = f"hf://{authority}: of the Hub, only datasets can be read: hf://datasets/..."
            raise Unsupported(message)
        name, _, revision = rest.partition("@")
        endpoint = (config.endpoint_url or DEFAULT_ENDPOINT).rstrip("/")
        return cls(endpoint, name, unquote(revision) or _MAIN)

    @property
    def is_pinned(self) -> bool:
        """The revision is a commit."""
        return is_commit(self.revision)

    @property
    def page(self) -> str:
        """Where people look at it."""
        return f"{self.endpoint}/datasets/{quote(self.id)}"

    def file(self, revision: str, key: str) -> str:
        """URL of a file."""
        path = quote(key, errors="surrogateescape")
        return f"{self.page}/resolve/{quote(revision, safe='')}/{path}"

    def api(self, *steps: str, query: str = "") -> str:
        """URL of the API, below that of the dataset; a slash within a step is escaped."""
        escaped = [quote(step, safe="", errors="surrogateescape") for step in steps]
        url = "/".join([f"{self.endpoint}/api/datasets/{quote(self.id)}", *escaped])
        return f"{url}?{query}" if query else url

    def viewer(self, base: str, path: str) -> str:
        """URL of what the viewer tells of it."""
        return f"{base}/{path}?{urlencode({'dataset': self.id})}"


def viewer_of(config: HubConfig) -> str:
    """Return the base URL of the dataset viewer, without a trailing slash."""
    if config.viewer_url is not None:
        return config.viewer_url.rstrip("/")
    parts = urlsplit(config.endpoint_url or DEFAULT_ENDPOINT)
    return f"{parts.scheme}://datasets-server.{parts.netloc}"
