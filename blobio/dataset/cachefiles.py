"""The directory of a cache: entries, what is being fetched, and how many bytes that is.

::

    lock            held while anything below appears or goes; says how many bytes there are
    e-URL-KEY/      an entry: the copy under its own name, and meta.json
    p-URL-KEY/      a copy being fetched; whoever fetches it holds the lock of meta.json
    p-URL-KEY-RANDOM/  the same copy, fetched beside that by who did not wait any longer
    t-RANDOM/       being removed

An entry appears by a rename of a whole directory and goes by one, so there is never half of one.
Whoever uses an entry holds its meta.json shared: such are not evicted. Locks end with their
process: what a killed one was fetching is swept by the next that needs room. `meta.json` has the
time of the last use. Every byte below the directory counts, what is being fetched with all that it
may become.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias, final

from blobio.core.planted import require_own
from blobio.dataset.cacheledger import LEDGER_BYTES, Ledger, opened_ledger
from blobio.dataset.cachelocks import FileLock, try_lock
from blobio.dataset.cachemeta import GONE, META, Identity, Meta, digest_of, dump_meta, load_meta
from blobio.errors import VersionMismatch

__all__ = ["CacheFiles", "Held", "Item", "Partial", "Short"]

_SLACK_BYTES: Final = 256  # of meta.json, whose digest and time are not known beforehand
_READ_ONLY: Final = 0o400
_FUTURE_NS: Final = 1_000_000_000  # another process may use a copy just now


@final
class Held:
    """An entry in use: it stays until `release`."""

    def __init__(self, path: str, meta: Meta, lock: FileLock) -> None:
        self.path: str = path
        self.meta: Meta = meta
        self._lock = lock

    def release(self) -> None:
        """Let it go. Idempotent."""
        self._lock.release()


@final
class Partial:
    """Room for a copy that is being fetched: `path` is where it goes, `reserved` how much it is."""

    def __init__(self, directory: str, meta: Meta, lock: FileLock, reserved: int) -> None:
        self.directory: str = directory
        self.meta: Meta = meta
        self.lock: FileLock = lock
        self.reserved: int = reserved
        self.path: str = os.path.join(directory, meta.identity.file_name)


@final
@dataclass(frozen=True, slots=True)
class Item:
    """A directory in the cache.

    Attributes:
        path: The directory.
        kind: `e`, `p` or `t`, see above.
        size: Bytes that it counts.
        used_ns: When it was last used.
    """

    path: str
    kind: str
    size: int
    used_ns: int


@final
@dataclass(frozen=True, slots=True)
class Short:
    """There is no room.

    Attributes:
        missing: Bytes that would have to go.
        wanted: Bytes that the copy needs, with what is kept beside it.
        entries: Those that could, least recently used first.
    """

    missing: int
    wanted: int
    entries: tuple[Item, ...]


Reserved: TypeAlias = 'Partial | Short | Literal["there", "fetched"]'


@final
class CacheFiles:
    """The directory of a cache, used by any number of threads and processes.

    Args:
        directory: Made with mode 0700 if it is missing.
    """

    def __init__(self, directory: str) -> None:
        self.directory: str = directory
        os.makedirs(directory, 0o700, exist_ok=True)
        self.lock: str = os.path.join(directory, "lock")

    def hold(self, identity: Identity) -> Held | None:
        """Take an entry into use, None if there is none. Its copy has its size and its time."""
        entry = self.entry(identity)
        lock = try_lock(os.path.join(entry, META), shared=True)
        if lock is None:
            if _lacks_meta(entry):
                self.remove([entry])
            return None
        try:
            require_own(self.directory, entry, stat.S_ISDIR)
            require_own(self.directory, os.path.join(entry, META), stat.S_ISREG)
            meta = load_meta(entry)
            path = os.path.join(entry, meta.identity.file_name)
            facts = require_own(self.directory, path, stat.S_ISREG)
            if meta.identity == identity and facts.st_size == meta.size:
                os.utime(lock.descriptor)  # the clock of the eviction
                unchanged = facts.st_mtime_ns == meta.mtime_ns
                if unchanged or digest_of(path) == meta.sha256:
                    return Held(path, meta, lock)
        except (FileNotFoundError, ValueError):  # damaged
            pass
        except BaseException:
            lock.release()
            raise
        lock.release()
        self.remove([entry])
        return None

    def versions(self, url: str) -> list[Identity]:
        """Return which copies of a blob there are, the one fetched last first."""
        prefix = f"e-{Identity(url=url, version='').url_key}-"
        found = []
        for name in os.listdir(self.directory):
            if name.startswith(prefix):
                with contextlib.suppress(OSError, ValueError):
                    meta = load_meta(os.path.join(self.directory, name))
                    found.append((meta.fetched_ns, meta.identity))
        found.sort(key=lambda pair: pair[0], reverse=True)
        return [identity for _, identity in found if identity.url == url]

    def is_coming(self, identity: Identity) -> bool:
        """Tell whether somebody fetches a copy, or has died of it. Takes no lock."""
        return os.path.lexists(self._partial(identity))

    def pulse(self, identity: Identity) -> object:
        """Return what changes with each byte of a copy that somebody fetches. Takes no lock."""
        try:
            with os.scandir(self._partial(identity)) as found:
                facts = [(one.name, one.stat(follow_symlinks=False)) for one in found]
        except FileNotFoundError:
            return None
        return sorted((name, fact.st_size, fact.st_mtime_ns) for name, fact in facts)

    def reserve(self, meta: Meta, limit: int | None, *, beside: bool = False) -> Reserved:
        """Make room for a copy.

        Args:
            meta: What is known of it.
            limit: Of the cache; None for none.
            beside: Also if somebody is at it.

        Returns:
            The room; or what is short of it; or `"there"` if the entry exists, `"fetched"` if
            somebody is at it.
        """
        wanted = meta.size + len(dump_meta(meta)) + _SLACK_BYTES
        directory = self._partial(meta.identity)
        with opened_ledger(self.lock) as ledger:
            if os.path.lexists(self.entry(meta.identity)):
                return "there"
            if os.path.lexists(directory) and not _removed_dead(directory):
                if not beside:
                    return "fetched"
                directory = f"{directory}-{secrets.token_hex(4)}"
            if not ledger.has_room(wanted, limit):
                items = self._count(ledger)
                if limit is not None and not ledger.has_room(wanted, limit):
                    entries = sorted((item for item in items if item.kind == "e"), key=_last_use)
                    missing = (ledger.total or 0) + wanted - limit
                    return Short(missing, wanted, tuple(entries))
            ledger.add(wanted)
            return self._begin(directory, meta, wanted)

    def _begin(self, directory: str, meta: Meta, reserved: int) -> Partial:
        os.mkdir(directory, 0o700)
        path = os.path.join(directory, META)
        with open(path, "x", encoding="utf-8") as file:
            file.write(json.dumps({"reserved": reserved}))
        lock = try_lock(path)
        assert lock is not None  # nobody looks at it without the lock of the directory
        return Partial(directory, meta, lock, reserved)

    def drop(self, partial: Partial) -> None:
        """Give room back that was not used; nothing after `publish`."""
        with opened_ledger(self.lock) as ledger:
            if os.path.exists(partial.directory):
                shutil.rmtree(partial.directory, ignore_errors=True)
                ledger.add(-partial.reserved)
        partial.lock.release()

    def fill(self, partial: Partial, write: Callable[[str], None]) -> Held | None:
        """Let `write` make the file of a copy, given its path, and publish it; or drop it.

        Returns:
            The entry, in use; None if somebody else was first.
        """
        try:
            write(partial.path)
            held = self.publish(partial)
        except BaseException:
            self.drop(partial)
            raise
        if held is None:
            self.drop(partial)
        return held

    def publish(self, partial: Partial) -> Held | None:
        """Turn what was fetched into an entry, in use; None if there is one.

        Raises:
            VersionMismatch: It has other bytes than there was room for.
        """
        size, identity = os.path.getsize(partial.path), partial.meta.identity
        if size > partial.meta.size or (identity.stop is None and size != partial.meta.size):
            message = (
                f"{identity.url}: {size} bytes came, not {partial.meta.size}: it was replaced "
                "meanwhile, in a store that does not tell versions apart"
            )
            raise VersionMismatch(message, url=identity.url, operation="get")
        os.chmod(partial.path, _READ_ONLY)
        meta = replace(
            partial.meta,
            size=size,
            sha256=digest_of(partial.path),
            mtime_ns=os.stat(partial.path).st_mtime_ns,
            fetched_ns=time.time_ns(),
        )
        data = dump_meta(meta)
        entry = self.entry(meta.identity)
        with opened_ledger(self.lock) as ledger:
            if os.path.lexists(entry):
                return None
            # in place, as the lock is that of this file
            os.pwrite(partial.lock.descriptor, data, 0)
            os.truncate(partial.lock.descriptor, len(data))
            os.rename(partial.directory, entry)
            ledger.add(size + len(data) - partial.reserved)
            partial.lock.share()
        path = os.path.join(entry, meta.identity.file_name)
        return Held(path, meta, partial.lock)

    def items(self) -> list[Item]:
        """Return all there is, after a sweep."""
        with opened_ledger(self.lock) as ledger:
            return self._count(ledger)

    def _count(self, ledger: Ledger) -> list[Item]:
        items = list(self._sweep())
        ledger.set(sum(item.size for item in items) + LEDGER_BYTES)
        return items

    def meta_of(self, item: Item) -> Meta | None:
        """Return what is known of an entry; None if nothing is."""
        try:
            return load_meta(item.path)
        except (OSError, ValueError):
            return None

    def keep(self, item: Item) -> None:
        """Note that an entry cannot be fetched again."""
        with contextlib.suppress(FileNotFoundError), open(os.path.join(item.path, GONE), "x"):
            pass

    def is_kept(self, item: Item) -> bool:
        """Tell whether an entry cannot be fetched again, as far as anybody has found out."""
        return os.path.exists(os.path.join(item.path, GONE))

    def is_held(self, item: Item) -> bool:
        """Tell whether an entry is in use just now."""
        lock = try_lock(os.path.join(item.path, META))
        if lock is None:
            return os.path.exists(item.path)
        lock.release()
        return False

    def remove(self, entries: Sequence[str]) -> int:
        """Remove entries that nobody uses; return how many bytes are gone."""
        freed = 0
        with opened_ledger(self.lock) as ledger:
            for entry in entries:
                lock = try_lock(os.path.join(entry, META))
                if lock is None and os.path.exists(os.path.join(entry, META)):
                    continue
                size = _size_of(entry)
                counted = _counted(entry, size)
                if self._discard(entry):
                    freed += size
                    ledger.add(-counted)
                if lock is not None:
                    lock.release()
        return freed

    def _discard(self, path: str) -> bool:
        trash = os.path.join(self.directory, f"t-{secrets.token_hex(8)}")
        try:
            os.rename(path, trash)
        except FileNotFoundError:
            return False
        shutil.rmtree(trash, ignore_errors=True)
        return True

    def _sweep(self) -> Iterator[Item]:
        """Yield all there is, after removing what dead processes have left."""
        now = time.time_ns()
        with os.scandir(self.directory) as found:
            names = [entry.name for entry in found if entry.is_dir(follow_symlinks=False)]
        for name in names:
            kind, path = name[:2], os.path.join(self.directory, name)
            if kind == "t-":
                shutil.rmtree(path, ignore_errors=True)
            elif kind == "p-":
                if not _removed_dead(path):
                    yield Item(path, "p", max(_reserved(path), _size_of(path)), 0)
            elif kind == "e-":
                used = 0
                with contextlib.suppress(FileNotFoundError):
                    used = os.stat(os.path.join(path, META)).st_mtime_ns
                if used > now + _FUTURE_NS:  # before the clock was set back, and not since
                    used = 0
                yield Item(path, "e", _size_of(path), used)

    def entry(self, identity: Identity) -> str:
        """Return where an entry is, or would be."""
        return os.path.join(self.directory, f"e-{identity.key}")

    def _partial(self, identity: Identity) -> str:
        return os.path.join(self.directory, f"p-{identity.key}")


def _counted(entry: str, size: int) -> int:
    """Return how much of an entry was counted: what somebody has put there since was not."""
    try:
        meta = load_meta(entry)
    except (OSError, ValueError):
        return 0
    return min(size, meta.size + len(dump_meta(meta)))


def _removed_dead(partial: str) -> bool:
    """Remove what nobody fetches any more; False if somebody does."""
    lock = try_lock(os.path.join(partial, META))
    if lock is None and os.path.exists(os.path.join(partial, META)):
        return False
    shutil.rmtree(partial, ignore_errors=True)
    if lock is not None:
        lock.release()
    return True


def _lacks_meta(entry: str) -> bool:
    return os.path.lexists(entry) and not os.path.lexists(os.path.join(entry, META))


def _last_use(item: Item) -> int:
    return item.used_ns


def _size_of(directory: str) -> int:
    try:
        with os.scandir(directory) as found:
            return sum(entry.stat(follow_symlinks=False).st_size for entry in found)
    except FileNotFoundError:
        return 0


def _reserved(directory: str) -> int:
    try:
        with open(os.path.join(directory, META), "rb") as file:
            return int(json.load(file)["reserved"])
    except (OSError, ValueError, KeyError, TypeError):  # it becomes an entry just now
        return 0
