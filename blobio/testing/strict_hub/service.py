"""What the Hub answers to each operation, by the rules of its clients."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final, final
from urllib.parse import parse_qs, quote, urlencode

from blobio.testing.strict.answers import Answer
from blobio.testing.strict.faults import RequestHead
from blobio.testing.strict_hub.replies import as_json, media
from blobio.testing.strict_hub.store import HubError, HubFile, HubRepo, Json, Snapshot, not_found

__all__ = ["Delivery", "Service"]

_INVALID: Final = "Invalid credentials in Authorization header"


@final
class Delivery:
    """The host that delivers large files: to whoever has a link, and to no one with a token.

    Attributes:
        blobs: Bytes by their digest.
        expired: Links up to this number are not honoured any more.
        issued: How many links were given out.
    """

    def __init__(self) -> None:
        self.blobs: Final[dict[str, bytes]] = {}
        self.expired: int = 0
        self.issued: int = 0

    def link(self, base: str, found: HubFile) -> str:
        """Return a new link to a file."""
        self.blobs[found.sha256] = found.data
        self.issued += 1
        query = {"X-Amz-Expires": "3600", "X-Amz-Signature": f"{self.issued:064x}"}
        return f"{base}/repos/aa/{found.sha256}?{urlencode(query)}"

    def answer(self, head: RequestHead) -> Answer:
        """Deliver."""
        if "authorization" in head.headers:
            return Answer(status=400, body=b"Only one auth mechanism allowed")
        number = int(head.query.get("X-Amz-Signature", "0"), 16)
        if not self.expired < number <= self.issued:
            return Answer(status=403, body=b"Request has expired")
        data = self.blobs.get(head.key)
        if data is None or not head.operation:
            return Answer(status=404)
        return media(data, head.headers.get("range"), {"ETag": f'"{head.key[:32]}"'})


@final
class Service:
    """The Hub.

    Attributes:
        datasets: By id.
        tokens: Those that it knows.
        page_entries: Most entries in a page of a tree; a twentieth with `expand`.
        cached: Small files come from a path of their own on the same host, by a redirect.
        link_base: Where links to large files lead.
    """

    def __init__(self, delivery: Delivery) -> None:
        self.datasets: Final[dict[str, HubRepo]] = {}
        self.tokens: Final[set[str]] = set()
        self.page_entries: int = 1000
        self.cached: bool = False
        self.link_base: str = ""
        self._delivery = delivery

    def answer(self, head: RequestHead, body: bytes) -> Answer:
        """Check who asks, and act.

        Raises:
            HubError: It is refused.
        """
        token = self._token(head)
        if not head.operation:
            raise HubError(404, "", "Sorry, we can't find the page you are looking for.")
        repo = self.datasets.get(head.bucket)
        if repo is None:
            raise not_found(token)
        if repo.moved_to is not None and head.operation != "viewer.parquet":
            target = head.target.replace(repo.id, repo.moved_to, 1)
            return Answer(status=307, headers={"Location": target})
        repo.require_sight(token)
        if head.operation == "resolve":
            repo.require_access(token)
            return self._resolve(repo, head)
        return self._tell(repo, head, body)

    def _tell(self, repo: HubRepo, head: RequestHead, body: bytes) -> Answer:
        match head.operation:
            case "viewer.parquet":
                return _viewer(repo, head)
            case "refs":
                return as_json(_refs(repo))
            case "info":
                return as_json(_info(repo, repo.sha_of(head.query["rev"]), head.query))
            case "tree":
                return self._tree(repo.commits[repo.sha_of(head.query["rev"])], head)
            case _:
                return _paths_info(repo.commits[repo.sha_of(head.query["rev"])], body)

    def _token(self, head: RequestHead) -> str | None:
        text = head.headers.get("authorization")
        if text is None:
            return None
        token = text.removeprefix("Bearer ")
        if token not in self.tokens:
            raise HubError(401, "", _INVALID)
        return token

    def _tree(self, files: Snapshot, head: RequestHead) -> Answer:
        expand = head.query.get("expand", "") in ("1", "true", "True")
        recursive = head.query.get("recursive", "") in ("1", "true", "True")
        entries = _entries(files, head.key, recursive=recursive, expand=expand)
        start = int(head.query.get("cursor", "0"))
        stop = start + (max(1, self.page_entries // 20) if expand else self.page_entries)
        headers = {}
        if stop < len(entries):
            query = {key: value for key, value in head.query.items() if key != "rev"}
            path = head.target.partition("?")[0]
            url = f"http://{head.headers['host']}{path}?{urlencode({**query, 'cursor': stop})}"
            headers["Link"] = f'<{url}>; rel="next"'
        return as_json(entries[start:stop], **headers)

    def _resolve(self, repo: HubRepo, head: RequestHead) -> Answer:
        sha = repo.sha_of(head.query["rev"])
        found = repo.file(sha, head.key)
        headers = {"X-Repo-Commit": sha, "Accept-Ranges": "bytes"}
        if found.lfs:
            headers |= {
                "X-Linked-Etag": f'"{found.sha256}"',
                "X-Linked-Size": str(len(found.data)),
                "X-Xet-Hash": found.sha256[::-1],
                "X-Xet-Refresh-Route": f"/api/datasets/{repo.id}/xet-read-token/{sha}",
                "ETag": '"not-that-of-the-file"',
                "Location": self._delivery.link(self.link_base, found),
            }
            return Answer(status=302, headers=headers, body=b"Found. Redirecting")
        headers["ETag"] = f'"{found.oid}"'
        if self.cached and "cached" not in head.query:
            path = f"/datasets/{repo.id}/resolve/{sha}/{quote(head.key)}?cached"
            linked = {"X-Linked-Etag": f'"{found.oid}"', "X-Linked-Size": str(len(found.data))}
            return Answer(status=307, headers={**headers, **linked, "Location": path})
        return media(found.data, head.headers.get("range"), headers)


def _entries(files: Snapshot, directory: str, *, recursive: bool, expand: bool) -> list[Json]:
    """List a directory as the Hub does: directories first, in an order that is not ours."""
    prefix = f"{directory}/" if directory else ""
    inside = [path for path in files if path.startswith(prefix)]
    if not inside and directory:
        raise HubError(404, "EntryNotFound", f"{directory} does not exist")
    directories: dict[str, None] = {}
    for path in inside:
        steps = path[len(prefix) :].split("/")[:-1]
        for depth in range(1, 1 + (len(steps) if recursive else min(1, len(steps)))):
            directories[prefix + "/".join(steps[:depth])] = None
    shown = [path for path in inside if recursive or "/" not in path[len(prefix) :]]
    told: list[Json] = [
        {"type": "directory", "oid": "0" * 40, "size": 0, "path": path} for path in directories
    ]
    return told + [files[path].entry(path, expand=expand) for path in shown]


def _paths_info(files: Snapshot, body: bytes) -> Answer:
    form = parse_qs(body.decode())
    expand = form.get("expand", [""])[0] in ("1", "true", "True")
    wanted = form.get("paths", [])
    return as_json([files[path].entry(path, expand=expand) for path in wanted if path in files])


def _info(repo: HubRepo, sha: str, query: Mapping[str, str]) -> Json:
    files = repo.commits[sha]
    siblings: list[Json] = []
    for path, found in files.items():
        told: Json = {"rfilename": path}
        if query.get("blobs") == "true":
            told |= {"size": len(found.data), "blobId": found.oid}
        siblings.append(told)
    info: Json = {
        "id": repo.id,
        "author": repo.id.partition("/")[0],
        "sha": sha,
        "lastModified": "2026-11-28T09:00:00.000Z",
        "createdAt": "2026-11-01T09:00:00.000Z",
        "private": repo.private,
        "gated": repo.gated,
        "disabled": repo.disabled,
        "downloads": 17,
        "likes": 3,
        "tags": ["license:mit"],
        "siblings": siblings,
    }
    if "expand" in query:
        return {key: info[key] for key in ("id", *query["expand"].split(","))}
    return info


def _refs(repo: HubRepo) -> Json:
    branches: list[Json] = []
    converts: list[Json] = []
    for name, sha in repo.refs.items():
        is_full = name.startswith("refs/")
        ref = name if is_full else f"refs/heads/{name}"
        told: Json = {"name": name.rpartition("/")[2], "ref": ref, "targetCommit": sha}
        (converts if name.startswith("refs/convert/") else branches).append(told)
    return {"branches": branches, "converts": converts, "tags": []}


def _viewer(repo: HubRepo, head: RequestHead) -> Answer:
    viewer = repo.viewer
    if viewer is None:
        raise HubError(404, "ResponseNotFound", "Not found.")
    base = f"http://{head.headers['host']}/datasets/{repo.id}/resolve/refs%2Fconvert%2Fparquet"
    files = [
        {
            "dataset": repo.id,
            "config": config,
            "split": split,
            "url": f"{base}/{config}/{split}/{name}",
            "filename": name,
            "size": size,
        }
        for config, split, name, size in viewer.files
    ]
    told: Json = {
        "parquet_files": files,
        "pending": viewer.pending,
        "failed": viewer.failed,
        "partial": viewer.partial,
    }
    body = json.dumps(told).encode()
    return Answer(
        headers={"Content-Type": "application/json", "X-Revision": viewer.revision}, body=body
    )
