"""What can go wrong with one request to a strict server, as a value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias, final

__all__ = ["Fault", "FaultHook", "RequestHead", "Strike"]


class Strike(Enum):
    """Where and how a fault strikes. The first group leaves the store as it was."""

    RESET = "the connection is reset before the store acts"
    RESET_UPLOAD = "the connection is reset within the request's body"
    REFUSE = "a status that means failure comes, and the store did nothing"
    STALL = "no reply comes, and the store did nothing"
    DAMAGE_REQUEST = "a byte of the request's body changes on its way"

    LATE = "the store acts only when the client has given up"
    DELAY = "everything takes a little longer"
    TWICE = "the request arrives twice; the second reply goes back"

    DROP_REPLY = "the store acts, then the connection is reset without a reply"
    FAIL_AFTER = "the store acts, then a status that means failure comes"
    STALL_REPLY = "the store acts, then the reply stops"
    CUT = "the connection ends within the reply's body"
    SHORTEN = "the reply's body is shorter, and its length says that this is all"
    OVERSTATE = "the reply's length announces more than comes"
    UNBOUNDED = "the reply's body is cut and has no length: closing ends it"
    DAMAGE = "a byte of the reply's body changes on its way"
    HANG_UP = "the reply is whole, and then the connection ends unannounced"
    IGNORE_RANGE = "the Range header gets lost"
    ERROR_IN_200 = "status 200 with an error in the body, and the store did nothing"


@final
@dataclass(frozen=True, slots=True)
class RequestHead:
    """A request whose head has arrived.

    Attributes:
        method: `"GET"`, `"PUT"`, ...
        target: Path and query, byte for byte.
        headers: Names in lower case.
        operation: The store's name for it (`"PutObject"`, `"objects.get"`), or `""` if unknown.
        bucket: Name of the bucket, or `""`.
        key: Key of the object, decoded, or `""`.
        query: Decoded parameters.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    operation: str
    bucket: str
    key: str
    query: Mapping[str, str]


@final
@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    Attributes:
        strike: What happens.
        at: Where in the body, as a fraction from 0 up to but not including 1.
        status: Status of `REFUSE` and `FAIL_AFTER`.
        code: The store's error code of those and of `ERROR_IN_200`.
        retry_after: Value of the `Retry-After` header of `REFUSE`, or None.
        seconds: Length of a `DELAY`.
        orderly: End connections by FIN instead of RST.
    """

    strike: Strike
    at: float = 0.0
    status: int = 503
    code: str = "SlowDown"
    retry_after: str | None = None
    seconds: float = 0.0
    orderly: bool = False


FaultHook: TypeAlias = Callable[[RequestHead], Fault | None]
"""Asked once for each request, when its head has arrived; None lets it pass."""
