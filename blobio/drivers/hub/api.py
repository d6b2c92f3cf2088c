"""The Hub's API: what a dataset is, where its references lead, which files it has.

Each method sends the requests that it names, with the token, to the Hub's own host. Replies are
checked for their shape: a mirror, or a proxy that wants a login, may answer anything.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Final, NamedTuple, TypeAlias, cast, final
from urllib.parse import urlencode

from blobio.drivers.hub.errors import bad_reply, error_for, offline
from blobio.drivers.hub.following import Follower
from blobio.drivers.hub.repository import Repository, is_commit
from blobio.transport.message import Request, Response

__all__ = ["HubApi", "Json", "Listed", "Viewed", "next_query"]

Json: TypeAlias = Mapping[str, object]

_OK: Final = 200
_FORM: Final = {"content-type": "application/x-www-form-urlencoded"}


class Listed(NamedTuple):
    """A file or directory of a tree.

    Attributes:
        path: From the root of the dataset.
        size: Bytes; 0 for a directory.
        version: What identifies the bytes, as a read tells it; None for a directory.
    """

    path: str
    size: int
    version: str | None


class Viewed(NamedTuple):
    """What the viewer tells.

    Attributes:
        revision: The commit that it has looked at.
        told: The document.
    """

    revision: str | None
    told: Json


@final
class HubApi:
    """Asks about one dataset.

    Args:
        repository: The dataset, at its revision.
        follower: Sends.
        viewer: Base URL of the dataset viewer.
        is_offline: Send nothing.
    """

    def __init__(
        self, repository: Repository, follower: Follower, viewer: str, *, is_offline: bool
    ) -> None:
        self._repository = repository
        self._follower = follower
        self._viewer = viewer
        self._is_offline = is_offline
        self._subject = f"hf://datasets/{repository.id}@{repository.revision}"

    @property
    def dataset(self) -> str:
        """`namespace/name`."""
        return self._repository.id

    async def commit(self) -> str:
        """Return the commit that the revision is now: 1 GET; none for a commit."""
        if self._repository.is_pinned:
            return self._repository.revision
        return self.commit_of(await self.info("expand=sha"))

    def commit_of(self, told: Json) -> str:
        """Return the commit that an answer of `info` tells of.

        Raises:
            RequestFailed: It tells of none.
        """
        sha = told.get("sha")
        if not isinstance(sha, str) or not is_commit(sha):
            raise self._bad("its commit is not told")
        return sha

    async def info(self, query: str = "") -> Json:
        """Return what the Hub tells of the dataset: 1 GET."""
        url = self._repository.api("revision", self._repository.revision, query=query)
        return _object(await self._get(url, "info"), self)

    async def refs(self) -> Json:
        """Return branches, tags and conversions with their commits: 1 GET."""
        return _object(await self._get(self._repository.api("refs"), "info"), self)

    async def paths(self, commit: str, paths: Iterable[str]) -> list[Listed]:
        """Describe some files of a commit; those that are not there are left out: 1 POST."""
        request = Request(
            method="POST",
            url=self._repository.api("paths-info", commit),
            headers=_FORM,
            body=urlencode([("paths", path) for path in paths]).encode(),
            operation="info",
            subject=self._subject,
        )
        return self._listed(await self._send(request))[0]

    async def tree(
        self, commit: str, directory: str, *, recursive: bool
    ) -> AsyncIterator[tuple[list[Listed], list[str]]]:
        """Yield the files and directories of each page of a tree, in the Hub's order: 1 GET a page.

        Raises:
            NotFound: There is no such directory in that commit.
        """
        steps = ("tree", commit, directory) if directory else ("tree", commit)
        query = "recursive=true" if recursive else ""
        seen = set()
        while True:
            response = await self._get(self._repository.api(*steps, query=query), "list")
            yield self._listed(response)
            following = next_query(response)
            if following is None:
                return
            if following in seen:
                raise self._bad("the pages of its tree go round in circles")
            seen.add(following)
            query = following

    async def viewer(self, path: str) -> Viewed:
        """Return what the viewer tells under `path`, such as `"parquet"`: 1 GET without the token.

        Raises:
            NotFound, PermissionDenied: It does not know the dataset.
        """
        url = self._repository.viewer(self._viewer, path)
        request = Request(method="GET", url=url, operation="info", subject=self._subject)
        self._require_online(request)
        response = await self._follower.deliver(request)
        told = _object(self._checked(response, request), self)
        return Viewed(response.headers.get("x-revision"), told)

    async def _get(self, url: str, operation: str) -> Response:
        return await self._send(
            Request(method="GET", url=url, operation=operation, subject=self._subject)
        )

    async def _send(self, request: Request) -> Response:
        self._require_online(request)
        response, _, link = await self._follower.send(request, leave=False)
        if link is not None:
            raise self._bad("the Hub's API redirected to another host")
        return self._checked(response, request)

    def _require_online(self, request: Request) -> None:
        if self._is_offline:
            raise offline(request.operation, request.subject)

    def _checked(self, response: Response, request: Request) -> Response:
        if response.status != _OK:
            raise error_for(response, request.operation, request.subject, self._repository)
        return response

    def _listed(self, response: Response) -> tuple[list[Listed], list[str]]:
        document = parse(response, self)
        if not isinstance(document, list):
            raise self._bad("its tree is no list")
        try:
            entries = [_entry(each) for each in document]
        except (KeyError, TypeError, AttributeError) as error:
            raise self._bad("an entry of its tree cannot be read") from error
        files = [entry for entry in entries if entry.version is not None]
        return files, [entry.path for entry in entries if entry.version is None]

    def _bad(self, what: str) -> Exception:
        return bad_reply(what, "info", self._subject)


def parse(response: Response, api: HubApi) -> object:
    """Return the JSON document of a reply."""
    try:
        return cast("object", json.loads(response.body))
    except (ValueError, RecursionError):
        raise api._bad("the reply is no JSON") from None  # noqa: SLF001 - of this module


def _object(response: Response, api: HubApi) -> Json:
    document = parse(response, api)
    if not isinstance(document, dict):
        raise api._bad("the reply is no object")  # noqa: SLF001 - of this module
    return document


def _entry(told: Mapping[str, object]) -> Listed:
    path = told["path"]
    if not isinstance(path, str):
        raise TypeError
    if told["type"] != "file":
        return Listed(path, 0, None)
    large = cast("Mapping[str, object] | None", told.get("lfs"))
    size, version = (told["size"], told["oid"]) if large is None else (large["size"], large["oid"])
    if not isinstance(size, int) or not isinstance(version, str) or size < 0:
        raise TypeError
    return Listed(path, size, version)


def next_query(response: Response) -> str | None:
    """Return the query of the next page: the rest of the link is ours, wherever it may lead."""
    for link in response.headers.get("link", "").split(","):
        target, *parameters = link.strip().split(";")
        if any(each.strip() == 'rel="next"' for each in parameters):
            return target.strip("<> ").partition("#")[0].partition("?")[2]
    return None
