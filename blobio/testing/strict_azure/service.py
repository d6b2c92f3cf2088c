"""The operations of `StrictAzure`: a request and its body become an answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from email.utils import formatdate
from html import unescape
from itertools import count
from typing import Final, TypeAlias, final
from urllib.parse import parse_qsl, unquote, urlsplit

from blobio.testing.strict import Answer, RequestHead
from blobio.testing.strict_azure.listing import list_blobs
from blobio.testing.strict_azure.replies import XML, element, refused
from blobio.testing.strict_azure.signatures import check_sas
from blobio.testing.strict_azure.store import Container, Refusal, StoredBlob, md5_base64

__all__ = ["Service"]

_META: Final = "x-ms-meta-"
_KEPT: Final = (
    "content-type",
    "content-encoding",
    "content-language",
    "content-disposition",
    "cache-control",
    "content-md5",
)
_RANGE: Final = re.compile(r"bytes=([0-9]+)-([0-9]*)")
_BLOCK: Final = re.compile(r"<(Uncommitted|Latest|Committed)>([^<]*)</")
_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_Operation: TypeAlias = Callable[[Container, RequestHead, bytes], Answer]


@final
class Service:
    """Answers requests for the blobs of its containers.

    Args:
        clock: Unix seconds.

    Attributes:
        containers: By `account/container`.
        pending_polls: How many looks a copy stays pending for.
        copy_ends_as: Status that a pending copy gets in the end.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.containers: Final[dict[str, Container]] = {}
        self.pending_polls = 0
        self.copy_ends_as = "success"
        self._copies = count(1)
        self._polls: dict[str, int] = {}
        self._operations: Final[Mapping[str, _Operation]] = {
            "GetBlob": _get,
            "GetBlobProperties": self._head,
            "PutBlob": _put,
            "DeleteBlob": _delete,
            "PutBlock": _put_block,
            "PutBlockFromUrl": self._put_block_from_url,
            "PutBlockList": _put_block_list,
            "SetBlobMetadata": _set_metadata,
            "SetBlobProperties": _set_properties,
            "CopyBlob": self._copy,
            "AbortCopyBlob": _abort_copy,
            "GetBlobTags": _tags,
            "ListBlobs": list_blobs,
        }

    def answer(self, head: RequestHead, body: bytes) -> Answer:
        """Do what is asked, or say why not."""
        try:
            container = self.containers.get(head.bucket)
            if container is None:
                raise Refusal(404, "ContainerNotFound", "The container does not exist.")
            operation = self._operations.get(head.operation)
            if operation is None:
                raise Refusal(501, "NotImplemented", head.operation or head.target)
            _check_body(head, body)
            return operation(container, head, body)
        except Refusal as error:
            return refused(error)

    def _head(self, container: Container, head: RequestHead, body: bytes) -> Answer:
        del body
        blob = container.check_read(head.key, head.headers)
        if blob.is_pending:
            self._poll(container, blob)
        return Answer(headers=_described(blob), body=blob.body)

    def _poll(self, container: Container, blob: StoredBlob) -> None:
        copy_id = blob.copy["x-ms-copy-id"]
        self._polls[copy_id] = self._polls.get(copy_id, 0) + 1
        if self._polls[copy_id] < self.pending_polls:
            return
        blob.copy["x-ms-copy-status"] = self.copy_ends_as
        if self.copy_ends_as == "success":
            blob.body = blob.source
        else:
            blob.copy["x-ms-copy-status-description"] = "500 InternalServerError"
        container.touch(blob)

    def _copy(self, container: Container, head: RequestHead, body: bytes) -> Answer:
        del body
        source = self._source(head)
        container.check_write(head.key, head.headers)
        metadata = _metadata(head.headers)
        is_pending = self.pending_polls > 0
        copy = {
            "x-ms-copy-id": f"copy-{next(self._copies)}",
            "x-ms-copy-status": "pending" if is_pending else "success",
        }
        blob = StoredBlob(
            body=b"" if is_pending else source.body,
            headers=dict(source.headers),
            metadata=metadata or dict(source.metadata),
            tags=head.headers.get("x-ms-tags", ""),
            blob_type=source.blob_type,
            tier=head.headers.get("x-ms-access-tier"),
            copy=copy,
            source=source.body,
        )
        container.store(head.key, blob)
        return Answer(status=202, headers={**_written(blob), **copy})

    def _put_block_from_url(self, container: Container, head: RequestHead, body: bytes) -> Answer:
        if body:
            raise Refusal(400, "InvalidHeaderValue", "There is a body.")
        source = self._source(head)
        match = _RANGE.fullmatch(head.headers.get("x-ms-source-range", "bytes=0-"))
        if match is None:
            raise Refusal(400, "InvalidHeaderValue", "The source range is not valid.")
        stop = int(match[2]) + 1 if match[2] else len(source.body)
        container.add_block(head.key, head.query["blockid"], source.body[int(match[1]) : stop])
        return Answer(status=201, headers={})

    def _source(self, head: RequestHead) -> StoredBlob:
        """Return the source of a copy, if the service may read it."""
        parts = urlsplit(head.headers["x-ms-copy-source"])
        account, _, rest = parts.path[1:].partition("/")
        name, _, key = rest.partition("/")
        container = self.containers.get(f"{unquote(account)}/{unquote(name)}")
        if account != head.bucket.partition("/")[0]:
            query = dict(parse_qsl(parts.query))
            if "sig" not in query:
                raise Refusal(401, "CannotVerifyCopySource", "The source takes a SAS.")
            owner, now = unquote(account), self._clock()
            check_sas(owner, unquote(name), unquote(key), query, right="r", now=now)
        blob = None if container is None else container.blobs.get(unquote(key))
        if blob is None:
            raise Refusal(404, "CannotVerifyCopySource", "The source does not exist.")
        if head.headers.get("x-ms-source-if-match", blob.etag) != blob.etag:
            raise Refusal(412, "SourceConditionNotMet", "The source condition is not met.")
        return blob


def _check_body(head: RequestHead, body: bytes) -> None:
    md5 = head.headers.get("content-md5")
    if md5 is not None and md5 != md5_base64(body):
        raise Refusal(400, "Md5Mismatch", "The MD5 specified is not that of the body.")


def _metadata(headers: Mapping[str, str]) -> dict[str, str]:
    found = {name[len(_META) :]: value for name, value in headers.items() if name.startswith(_META)}
    if not all(_IDENTIFIER.fullmatch(name) for name in found):
        raise Refusal(400, "InvalidMetadata", "A name is no identifier.")
    return found


def _properties(headers: Mapping[str, str]) -> dict[str, str]:
    given = {name: headers.get(f"x-ms-blob-{name}") for name in _KEPT}
    found = {name: value for name, value in given.items() if value}
    found.setdefault("content-type", "application/octet-stream")
    return found


def _written(blob: StoredBlob) -> dict[str, str]:
    return {"ETag": blob.etag, "Last-Modified": formatdate(blob.modified, usegmt=True)}


def _described(blob: StoredBlob) -> dict[str, str]:
    headers = {
        **_written(blob),
        "x-ms-creation-time": formatdate(blob.created, usegmt=True),
        "x-ms-blob-type": blob.blob_type,
        "x-ms-access-tier": blob.tier or "Hot",
        "Accept-Ranges": "bytes",
        **blob.headers,
        **blob.copy,
        **{_META + name: value for name, value in blob.metadata.items()},
    }
    if blob.tier is None:
        headers["x-ms-access-tier-inferred"] = "true"
    if blob.tags:
        headers["x-ms-tag-count"] = str(blob.tags.count("&") + 1)
    return headers


def _get(container: Container, head: RequestHead, body: bytes) -> Answer:
    del body
    blob = container.check_read(head.key, head.headers)
    headers, size = _described(blob), len(blob.body)
    text = head.headers.get("x-ms-range")
    if text is None:
        return Answer(headers=headers, body=blob.body)
    match = _RANGE.fullmatch(text)
    if match is None:  # `bytes=-5` too: Azure has no ranges that count from the end
        raise Refusal(400, "InvalidHeaderValue", "The range is not valid.")
    start = int(match[1])
    stop = min(size, int(match[2]) + 1 if match[2] else size)
    if start >= size:
        raise Refusal(416, "InvalidRange", "The range is invalid.")
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    md5 = headers.pop("content-md5", None)
    if md5 is not None:
        headers["x-ms-blob-content-md5"] = md5
    return Answer(status=206, headers=headers, body=blob.body[start:stop])


def _put(container: Container, head: RequestHead, body: bytes) -> Answer:
    if head.headers.get("x-ms-blob-type") != "BlockBlob":
        raise Refusal(400, "MissingRequiredHeader", "x-ms-blob-type")
    container.check_write(head.key, head.headers)
    properties = _properties(head.headers) | {"content-md5": md5_base64(body)}
    blob = _blob(body, properties, head.headers)
    container.store(head.key, blob)
    headers = {**_written(blob), "Content-MD5": properties["content-md5"]}
    return Answer(status=201, headers=headers)


def _blob(body: bytes, properties: dict[str, str], headers: Mapping[str, str]) -> StoredBlob:
    return StoredBlob(
        body=body,
        headers=properties,
        metadata=_metadata(headers),
        tags=headers.get("x-ms-tags", ""),
        tier=headers.get("x-ms-access-tier"),
    )


def _put_block(container: Container, head: RequestHead, body: bytes) -> Answer:
    if "if-match" in head.headers or "if-none-match" in head.headers:
        raise Refusal(400, "UnsupportedHeader", "Put Block takes no condition.")
    container.check_lease(container.blobs.get(head.key), head.headers)
    container.add_block(head.key, head.query["blockid"], body)
    return Answer(status=201, headers={"Content-MD5": md5_base64(body)})


def _put_block_list(container: Container, head: RequestHead, body: bytes) -> Answer:
    container.check_write(head.key, head.headers)
    rows = _BLOCK.findall(body.decode())
    if any(kind == "Committed" for kind, _ in rows):
        raise Refusal(501, "NotImplemented", "Only unpublished blocks are published here.")
    joined = container.joined(head.key, [unescape(block) for _, block in rows])
    blob = _blob(joined, _properties(head.headers), head.headers)
    container.store(head.key, blob)
    return Answer(status=201, headers=_written(blob))


def _delete(container: Container, head: RequestHead, body: bytes) -> Answer:
    del body
    blob = container.check_read(head.key, head.headers)
    container.check_lease(blob, head.headers)
    container.remove(head.key)
    return Answer(status=202)


def _set_metadata(container: Container, head: RequestHead, body: bytes) -> Answer:
    del body
    blob = container.check_read(head.key, head.headers)
    container.check_lease(blob, head.headers)
    blob.metadata = _metadata(head.headers)
    container.touch(blob)
    return Answer(headers=_written(blob))


def _set_properties(container: Container, head: RequestHead, body: bytes) -> Answer:
    del body
    blob = container.check_read(head.key, head.headers)
    container.check_lease(blob, head.headers)
    blob.headers = _properties(head.headers)
    container.touch(blob)
    return Answer(headers=_written(blob))


def _abort_copy(container: Container, head: RequestHead, body: bytes) -> Answer:
    del body
    blob = container.find(head.key)
    if not blob.is_pending or blob.copy["x-ms-copy-id"] != head.query.get("copyid"):
        raise Refusal(409, "NoPendingCopyOperation", "There is no such copy.")
    blob.copy["x-ms-copy-status"] = "aborted"
    return Answer(status=204)


def _tags(container: Container, head: RequestHead, body: bytes) -> Answer:
    del body
    pairs = parse_qsl(container.find(head.key).tags)
    tags = [f"<Tag>{element('Key', name)}{element('Value', value)}</Tag>" for name, value in pairs]
    document = f"<Tags><TagSet>{''.join(tags)}</TagSet></Tags>"
    return Answer(headers=XML, body=document.encode())
