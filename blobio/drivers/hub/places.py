"""Where files of one dataset were found, so that they need not be asked for again.

Each request of a file by its name counts against a quota of the Hub, each range of it too; a
request of the link it answers with does not.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final, final

from blobio.drivers.hub.wire import Facts
from blobio.values import Version

__all__ = ["Place", "Places"]

_MOST: Final = 4096  # of a kibibyte or two each, as a signed link may have


@final
@dataclass(frozen=True, slots=True)
class Place:
    """One file of one commit.

    Attributes:
        facts: What is known of it; its `etag` is never None.
        link: Where it is delivered; None if by the Hub itself.
    """

    facts: Facts
    link: str | None = field(default=None, repr=False)  # whoever has it may read the file


@final
class Places:
    """The last few thousand files that were read, by key and version.

    Args:
        is_pinned: The revision is a commit: each key has one version, for ever.
    """

    def __init__(self, *, is_pinned: bool) -> None:
        self._is_pinned = is_pinned
        self._found: OrderedDict[tuple[str, str], Place] = OrderedDict()

    def find(self, key: str, version: Version | None) -> Place | None:
        """Return where a version is, or of any version if the revision is pinned.

        Of a revision that moves only a version that is named can be known beforehand.
        """
        if version is None and not self._is_pinned:
            return None
        place = self._found.get(self._name(key, version))
        if place is not None:
            self._found.move_to_end(self._name(key, version))
        return place

    def keep(self, key: str, place: Place) -> None:
        """Note where a file was found; of too many the one used longest ago is dropped."""
        name = self._name(key, place.facts.etag)
        self._found[name] = place
        self._found.move_to_end(name)
        if len(self._found) > _MOST:
            self._found.popitem(last=False)

    def _name(self, key: str, version: str | None) -> tuple[str, str]:
        return key, "" if self._is_pinned else version or ""
