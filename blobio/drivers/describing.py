"""What a driver can tell of itself for a bug report: an optional part of it, without a secret.

Nothing here may hold a key, a token, a password or a signed query: it is printed and pasted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, final, runtime_checkable

__all__ = ["Describes", "Whereabouts"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Whereabouts:
    """Where a driver sends its requests.

    Attributes:
        endpoint: URL of the store's service or bucket.
        place: What else says where that is: `region`, `account`, `project`.
    """

    endpoint: str
    place: Mapping[str, str] = field(default_factory=dict)


@runtime_checkable
class Describes(Protocol):
    """A driver, or a list of buckets, that tells how it reaches its store."""

    async def whereabouts(self) -> Whereabouts:
        """Tell where requests go. No request; may read files.

        Raises:
            InvalidConfig: The settings do not fit together.
        """
        ...

    async def credential_source(self) -> str:
        """Tell where the credentials come from: a variable, a file, a service; never their value.

        They are got as for a request, with the requests that this takes.

        Raises:
            Unauthenticated: There are none.
        """
        ...
