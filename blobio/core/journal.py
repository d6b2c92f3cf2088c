"""Journals: what a transfer writes down so that another process can go on where it stopped.

One small JSON file for each pair of source and destination, in a directory that is its owner's
alone: the state of an upload may let its holder write to it, as the address of a Google session
does. The file is 0600, replaced whole, and holds neither credentials nor the queries of URLs. One
that cannot be read, or says what it cannot mean, counts as none: the transfer starts over.

Beside it a lock says that a transfer is under way, so that a second one keeps off.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Final, final

from blobio.drivers.resumable import SentPart
from blobio.errors import ConcurrentWrite, PermissionDenied, RequestFailed
from blobio.values import PartToken, PutOptions, ReplaceIf

__all__ = ["Journal", "Journals", "Slot", "described"]

_VERSION: Final = 1
_JOURNAL: Final = ".json"
_LOCK: Final = ".lock"
_TEMPORARY: Final = ".new"
_NAME: Final = 32
_MOST_BYTES: Final = 16 << 20  # 10,000 parts take less than 2 MiB


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """One transfer.

    Attributes:
        source: URL of what is copied, for people: without secrets.
        target: URL of what is written: of a store that takes no secrets in URLs.
        size: Bytes of the source.
        version: Of the source; another one is another transfer.
        options: What the destination is to be like, and under which condition; see `described`.
        part_bytes: Size of every part but the last.
        state: Finds the upload again, see `ResumableUpload.state`.
        parts: What the destination's store has confirmed, by index.
    """

    source: str
    target: str
    size: int
    version: str
    options: Mapping[str, str]
    part_bytes: int
    state: Mapping[str, str]
    parts: Mapping[int, SentPart] = field(default_factory=dict)

    def dump(self) -> bytes:
        """Write it as JSON."""
        rows = {
            str(index): [part.size, part.crc32c, part.token] for index, part in self.parts.items()
        }
        return json.dumps({"v": _VERSION, **asdict(self), "parts": rows}).encode()

    @classmethod
    def load(cls, data: bytes) -> Journal | None:
        """Read what `dump` wrote; None if it is something else."""
        try:
            fields = json.loads(data)
            if fields.pop("v") != _VERSION:
                return None
            rows = fields.pop("parts")
            journal = cls(**fields)
            parts = {
                int(index): SentPart(int(index) * journal.part_bytes, size, crc, PartToken(token))
                for index, (size, crc, token) in rows.items()
            }
        except (ValueError, KeyError, TypeError, AttributeError):
            return None
        journal = cls(**fields, parts=parts)
        return journal if _is_sound(journal) else None


def _is_sound(journal: Journal) -> bool:
    """Tell whether all fields have their types, and the parts lie where parts of this size do."""
    texts: list[object] = [journal.source, journal.target, journal.version]
    for pairs in (journal.options, journal.state):
        if not isinstance(pairs, dict):
            return False
        texts += [*pairs.keys(), *pairs.values()]
    texts += [part.token for part in journal.parts.values()]
    numbers: list[object] = [journal.size, journal.part_bytes]
    for part in journal.parts.values():
        numbers += [part.offset, part.size, part.crc32c]
    if not all(isinstance(text, str) for text in texts):
        return False
    if not all(type(number) is int and number >= 0 for number in numbers):
        return False
    return journal.part_bytes > 0 and all(
        part.size == min(journal.part_bytes, journal.size - part.offset) > 0
        for part in journal.parts.values()
    )


def described(options: PutOptions) -> dict[str, str]:
    """Return what of `options` makes it another write if it differs, as text."""
    mode = options.mode
    condition = type(mode).__name__
    if isinstance(mode, ReplaceIf):
        condition += f" {mode.version}"
    return {
        "mode": condition,
        "content_type": options.content_type or "",
        **{f"metadata {name}": value for name, value in sorted(options.metadata.items())},
    }


@final
@dataclass(frozen=True, slots=True)
class Journals:
    """A directory of journals.

    Attributes:
        directory: Where; made, 0700, when the first one is written.
    """

    directory: str

    def slot(self, source: str, target: str) -> Slot:
        """Return the place of the journal of one transfer, by its URLs; paths must be absolute."""
        pair = f"{source}\n{target}".encode(errors="surrogatepass")
        return Slot(os.path.join(self.directory, hashlib.sha256(pair).hexdigest()[:_NAME]))

    def slots(self) -> list[Slot]:
        """Return the places where there is a journal.

        Raises:
            PermissionDenied: The directory cannot be read.
        """
        try:
            found = os.listdir(self.directory)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            message = f"the journals in {self.directory} cannot be listed: {error}"
            raise PermissionDenied(message, url=self.directory, operation="list") from error
        names = sorted(name for name in found if name.endswith(_JOURNAL))
        return [Slot(os.path.join(self.directory, name.removesuffix(_JOURNAL))) for name in names]


@final
@dataclass(frozen=True, slots=True)
class Slot:
    """The place of one journal. Methods block, but for no longer than a small file takes.

    Attributes:
        path: Of the file, without its ending.
    """

    path: str

    @property
    def name(self) -> str:
        """Path of the journal."""
        return self.path + _JOURNAL

    @contextlib.contextmanager
    def held(self, subject: object) -> Iterator[None]:
        """Keep all others off this transfer, which writes `subject`, while the body runs.

        Raises:
            ConcurrentWrite: Another one is at it.
            RequestFailed: The directory cannot be written to.
        """
        try:
            os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)
            lock = _lock(self.path + _LOCK)
        except OSError as error:
            message = f"write of {subject}: no journal can be kept at {self.name}: {error}"
            raise RequestFailed(message, url=subject, operation="put") from error
        if lock is None:
            message = f"write of {subject}: another process is at this very transfer"
            raise ConcurrentWrite(message, url=subject, operation="put")
        try:
            yield
        finally:
            if not os.path.exists(self.name):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self.path + _LOCK)
            os.close(lock)

    def is_held(self) -> bool:
        """Tell whether a process is at this transfer."""
        try:
            lock = _lock(self.path + _LOCK, make=False)
        except OSError:
            return False
        if lock is None:
            return True
        os.close(lock)
        return False

    def written_at(self) -> float:
        """Return when the journal was last written, in seconds since the epoch; 0 if it is gone."""
        try:
            return os.stat(self.name).st_mtime
        except FileNotFoundError:
            return 0.0

    def load(self) -> Journal | None:
        """Return the journal; None if there is none, or none of ours, or it cannot be read."""
        try:
            handle = os.open(self.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return None
        with open(handle, "rb") as file:
            facts = os.fstat(handle)
            if not stat.S_ISREG(facts.st_mode) or facts.st_uid != os.geteuid():
                return None
            return Journal.load(file.read(_MOST_BYTES))

    def save(self, journal: Journal) -> None:
        """Replace the journal, in one step. Only while `held`.

        Raises:
            RequestFailed: The disk refuses it.
        """
        temporary = self.path + _TEMPORARY
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        try:
            with contextlib.suppress(FileNotFoundError):  # left by a process that was killed
                os.unlink(temporary)
            with open(os.open(temporary, flags, 0o600), "wb") as file:
                file.write(journal.dump())
            os.replace(temporary, self.name)
        except OSError as error:
            message = f"write of {journal.target}: its journal {self.name} is refused: {error}"
            raise RequestFailed(message, url=journal.target, operation="put") from error

    def remove(self) -> None:
        """Remove the journal. Only while `held`."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.name)


def _lock(path: str, *, make: bool = True) -> int | None:
    """Return a descriptor that holds the lock; None if somebody else holds it."""
    while True:
        flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | (os.O_CREAT if make else 0)
        handle = os.open(path, flags, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever held it before may have removed it meanwhile: then another file is the lock.
            if os.path.exists(path) and os.path.samestat(os.fstat(handle), os.stat(path)):
                return handle
        except BlockingIOError:
            os.close(handle)
            return None
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)
