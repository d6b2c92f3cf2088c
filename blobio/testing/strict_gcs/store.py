"""Buckets, objects and sessions of `StrictGcs`: what is stored and refused. Pure, in memory."""

from __future__ import annotations

import base64
import bisect
import hashlib
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, TypeAlias, final

from blobio import checksum

__all__ = ["Bucket", "Conditions", "GcsError", "Resource", "Session", "StoredObject"]

Resource: TypeAlias = "dict[str, object]"

_MAX_KEY_BYTES: Final = 1024


@final
class GcsError(Exception):
    """A refusal.

    Attributes:
        status: HTTP status.
        reason: The reason in the error document.
        message: For people.
    """

    def __init__(self, status: int, reason: str, message: str = "") -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message


@final
@dataclass(frozen=True, slots=True)
class Conditions:
    """Preconditions of a request, as in its query."""

    generation: int | None = None
    metageneration: int | None = None

    @classmethod
    def of(cls, query: Mapping[str, str], name: str = "if{}Match") -> Conditions:
        """Read those of a query; `name` tells those of a source from those of the destination."""
        generation = query.get(name.format("Generation"))
        metageneration = query.get(name.format("Metageneration"))
        return cls(
            None if generation is None else int(generation),
            None if metageneration is None else int(metageneration),
        )

    def check(self, found: StoredObject | None) -> None:
        """Refuse with 412 what is not as named; generation 0 names nothing."""
        there = (0, 0) if found is None else (found.generation, found.metageneration)
        for wanted, is_there in zip((self.generation, self.metageneration), there, strict=True):
            if wanted is not None and wanted != is_there:
                message = "At least one of the pre-conditions you specified did not hold."
                raise GcsError(412, "conditionNotMet", message)


@final
@dataclass(slots=True, kw_only=True)
class StoredObject:
    """One object.

    Attributes:
        name: Its key.
        body: Its bytes.
        generation: Grows with every write in the bucket.
        metageneration: Grows with every change of the metadata.
        created: Unix seconds.
        updated: Unix seconds.
        resource: Content type, metadata and the like.
        is_composite: It was composed, so it has no MD5.
    """

    name: str
    body: bytes
    generation: int
    metageneration: int = 1
    created: float
    updated: float
    resource: Resource
    is_composite: bool = False

    @property
    def metadata(self) -> dict[str, str]:
        """The user's metadata."""
        found = self.resource.get("metadata", {})
        assert isinstance(found, dict)
        return found

    @property
    def crc32c(self) -> str:
        """CRC32C in base64."""
        return checksum.to_base64(checksum.crc32c(self.body))

    @property
    def md5(self) -> str | None:
        """MD5 in base64, if the object has one."""
        return None if self.is_composite else md5_of(self.body)

    def described(self) -> Resource:
        """Return the object's resource."""
        found: Resource = {
            **self.resource,
            "kind": "storage#object",
            "name": self.name,
            "size": str(len(self.body)),
            "generation": str(self.generation),
            "metageneration": str(self.metageneration),
            "timeCreated": _iso(self.created),
            "updated": _iso(self.updated),
            "crc32c": self.crc32c,
        }
        if self.md5 is not None:
            found["md5Hash"] = self.md5
        return found


@final
@dataclass(slots=True, kw_only=True)
class Session:
    """A resumable session.

    Attributes:
        upload_id: Its name.
        resource: Of the object to be.
        conditions: Checked when it begins and when it ends.
        data: What has arrived.
        made: The object it made, when it is done.
    """

    upload_id: str
    resource: Resource
    conditions: Conditions
    data: bytearray = field(default_factory=bytearray)
    made: StoredObject | None = None


@final
class Bucket:
    """One bucket.

    Attributes:
        name: Its name.
        objects: Every object, by key.
        keys: Their keys in order of their UTF-8 bytes.
        sessions: Resumable sessions by id, those that are done included.
    """

    def __init__(self, name: str, clock: Callable[[], float]) -> None:
        self.name = name
        self.objects: Final[dict[str, StoredObject]] = {}
        self.keys: Final[list[bytes]] = []
        self.sessions: Final[dict[str, Session]] = {}
        self._clock = clock
        self._generations = itertools.count(1_700_000_000_000_001)

    def get(self, name: str, generation: str | None = None) -> StoredObject:
        """Return an object, of that generation if one is given.

        Raises:
            GcsError: 404.
        """
        found = self.objects.get(name)
        if found is None or (generation is not None and str(found.generation) != generation):
            raise GcsError(404, "notFound", f"No such object: {self.name}/{name}")
        return found

    def insert(
        self,
        name: str,
        body: bytes,
        resource: Resource,
        conditions: Conditions,
        *,
        is_composite: bool = False,
    ) -> StoredObject:
        """Store an object whose conditions hold and whose checksums match."""
        check_name(name)
        conditions.check(self.objects.get(name))
        _check_hash(resource, "crc32c", "CRC32C", checksum.to_base64(checksum.crc32c(body)))
        _check_hash(resource, "md5Hash", "MD5", md5_of(body))
        now = self._clock()
        kept = {key: resource[key] for key in resource if key in _KEPT}
        kept.setdefault("contentType", "application/octet-stream")
        stored = StoredObject(
            name=name,
            body=body,
            generation=next(self._generations),
            created=now,
            updated=now,
            resource=kept,
            is_composite=is_composite,
        )
        if name not in self.objects:
            bisect.insort(self.keys, name.encode())
        self.objects[name] = stored
        return stored

    def patch(self, name: str, change: Resource, conditions: Conditions) -> StoredObject:
        """Merge `change` into the resource; null removes."""
        found = self.get(name)
        conditions.check(found)
        names = change.pop("metadata", {}) or {}
        assert isinstance(names, dict)
        merged = {**found.metadata, **names}
        found.resource["metadata"] = {k: v for k, v in merged.items() if v is not None}
        for key, value in change.items():
            if key in _KEPT and value is None:
                found.resource.pop(key, None)
            elif key in _KEPT:
                found.resource[key] = value
        found.metageneration += 1
        found.updated = self._clock()
        return found

    def delete(self, name: str, conditions: Conditions) -> None:
        """Delete an object whose conditions hold."""
        conditions.check(self.get(name))
        del self.objects[name]
        self.keys.remove(name.encode())


_KEPT: Final = frozenset(
    {
        "cacheControl", "contentDisposition", "contentEncoding", "contentLanguage", "contentType",
        "customTime", "metadata", "storageClass",
    }
)  # fmt: skip


def check_name(name: str) -> None:
    """Refuse what cannot be a key."""
    octets = name.encode()
    if not 1 <= len(octets) <= _MAX_KEY_BYTES or name in (".", "..") or {"\r", "\n"} & set(name):
        raise GcsError(400, "invalid", f"Disallowed unicode characters or length: {name!r}")


def md5_of(body: bytes) -> str:
    """Return the MD5 of `body` in base64."""
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()


def _check_hash(resource: Resource, field_name: str, label: str, calculated: str) -> None:
    provided = resource.get(field_name, calculated)
    if provided != calculated:
        message = f'Provided {label} "{provided}" doesn\'t match calculated {label} "{calculated}".'
        raise GcsError(400, "invalid", message)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
