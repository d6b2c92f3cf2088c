"""What `StrictHub` holds: repositories, every commit of them, and who may read what."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Literal, TypeAlias, final

__all__ = ["HubError", "HubFile", "HubRepo", "HubViewer", "Json", "Snapshot"]

Json: TypeAlias = dict[str, object]

_serial: Final = itertools.count(1)


@final
class HubError(Exception):
    """A refusal: status, `X-Error-Code` (may be empty) and `X-Error-Message`."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


@final
@dataclass(frozen=True)
class HubFile:
    """One file of a commit.

    Attributes:
        data: Its bytes.
        lfs: It is delivered by another host; git holds a pointer to it.
    """

    data: bytes
    lfs: bool

    @cached_property
    def sha256(self) -> str:
        """Digest of the bytes."""
        return hashlib.sha256(self.data).hexdigest()

    @cached_property
    def oid(self) -> str:
        """The id of the blob in git: that of the pointer, for a large file."""
        content = self.data
        if self.lfs:
            content = (
                "version https://git-lfs.github.com/spec/v1\n"
                f"oid sha256:{self.sha256}\nsize {len(self.data)}\n"
            ).encode()
        header = f"blob {len(content)}\0".encode()
        return hashlib.sha1(header + content, usedforsecurity=False).hexdigest()

    @property
    def etag(self) -> str:
        """What the Hub tells as its version."""
        return self.sha256 if self.lfs else self.oid

    def entry(self, path: str, *, expand: bool) -> Json:
        """Describe it as a tree does."""
        told: Json = {"type": "file", "oid": self.oid, "size": len(self.data), "path": path}
        if self.lfs:
            told["lfs"] = {"oid": self.sha256, "size": len(self.data), "pointerSize": 134}
            told["xetHash"] = self.sha256[::-1]
        if expand:
            told["lastCommit"] = {"id": "0" * 40, "title": "", "date": "2026-11-28T09:00:00.000Z"}
        return told


Snapshot: TypeAlias = Mapping[str, HubFile]
"""The files of one commit, by path."""


@final
@dataclass(slots=True, kw_only=True)
class HubViewer:
    """What the viewer tells of a dataset.

    Attributes:
        revision: The commit that it has looked at.
        files: Config, split and name of each file of the conversion, with its size.
        partial: Only the first part of the dataset was converted.
        pending: What is still being converted.
        failed: What could not be converted.
    """

    revision: str
    files: list[tuple[str, str, str, int]]
    partial: bool = False
    pending: list[Json] = field(default_factory=list)
    failed: list[Json] = field(default_factory=list)


@final
@dataclass(slots=True)
class HubRepo:
    """A dataset.

    Attributes:
        id: `namespace/name`.
        private: Only `readers` can see it.
        readers: Tokens that may see it while it is private.
        gated: Its files are for `granted` only; False, or who grants that.
        granted: Tokens that may read its files while it is gated.
        disabled: Nobody may read it.
        moved_to: The id it has now, if it was renamed.
        refs: Commits by the name of a branch or tag, or by a full one (`refs/convert/parquet`).
        commits: The files of each commit.
        viewer: What the viewer tells, if it knows the dataset.
    """

    id: str
    private: bool = False
    readers: set[str] = field(default_factory=set)
    gated: Literal[False, "auto", "manual"] = False
    granted: set[str] = field(default_factory=set)
    disabled: bool = False
    moved_to: str | None = None
    refs: dict[str, str] = field(default_factory=dict)
    commits: dict[str, Snapshot] = field(default_factory=dict)
    viewer: HubViewer | None = None

    def commit(
        self, changes: Mapping[str, bytes | None], *, ref: str = "main", lfs: bool | None = None
    ) -> str:
        """Add a commit to a branch, which it makes if need be; return its sha.

        Args:
            changes: New bytes by path; None removes a file.
            ref: The branch, or a full name of a reference.
            lfs: Deliver the files from the other host; None for those that end in `.parquet`.
        """
        files = dict(self.commits[self.refs[ref]]) if ref in self.refs else {}
        for path, data in changes.items():
            if data is None:
                del files[path]
            else:
                large = path.endswith(".parquet") if lfs is None else lfs
                files[path] = HubFile(data, large)
        name = f"{self.id} {next(_serial)}".encode()
        sha = hashlib.sha1(name, usedforsecurity=False).hexdigest()
        self.commits[sha] = files
        self.refs[ref] = sha
        return sha

    def sha_of(self, revision: str) -> str:
        """Return the commit that a branch, tag, reference or sha names.

        Raises:
            HubError: None does.
        """
        sha = self.refs.get(revision, revision)
        if sha not in self.commits:
            raise HubError(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return sha

    def file(self, sha: str, path: str) -> HubFile:
        """Return a file of a commit.

        Raises:
            HubError: There is none.
        """
        found = self.commits[sha].get(path)
        if found is None:
            raise HubError(404, "EntryNotFound", "Entry not found")
        return found

    def require_sight(self, token: str | None) -> None:
        """Refuse whoever may not know of it.

        Raises:
            HubError: As for a dataset that does not exist.
        """
        if self.private and token not in self.readers:
            raise not_found(token)
        if self.disabled:
            raise HubError(403, "", "Access to this resource is disabled.")

    def require_access(self, token: str | None) -> None:
        """Refuse whoever may not read its files.

        Raises:
            HubError: Log in (401), or ask for access (403).
        """
        if self.gated and token not in self.granted:
            status = 401 if token is None else 403
            raise HubError(status, "GatedRepo", f"Access to dataset {self.id} is restricted.")


def not_found(token: str | None) -> HubError:
    """Return the refusal of a dataset that is missing or private: the Hub tells nobody which."""
    if token is None:
        return HubError(401, "RepoNotFound", "Invalid username or password.")
    return HubError(404, "RepoNotFound", "Repository not found")
