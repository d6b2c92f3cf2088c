"""`StrictS3`: the server, its store, its hook, and how to run it."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final, final

from blobio.config import Config, S3Config
from blobio.testing.strict.answers import Answer
from blobio.testing.strict.connection import Connection
from blobio.testing.strict.faults import Fault, FaultHook, RequestHead, Strike
from blobio.testing.strict.hosting import Listener, on_a_thread
from blobio.testing.strict_s3.replies import refusal
from blobio.testing.strict_s3.routing import understand
from blobio.testing.strict_s3.service import Service
from blobio.testing.strict_s3.signatures import verify
from blobio.testing.strict_s3.store import Bucket, PendingUpload, S3Error

__all__ = ["StrictS3", "strict_s3"]

_MIB: Final = 1 << 20
_REGION: Final = "us-east-1"
_ACCESS_KEY: Final = "blobio-test"
_SECRET_KEY: Final = "blobio-test-secret"
_UPLOAD_ID: Final = re.compile(rb"<UploadId>([^<]*)</UploadId>")


@final
class StrictS3:
    """The server; listens from entry to exit of its `async with` block.

    Args:
        hook: Asked for the fault of each request; None for no faults.
        min_part_bytes: Smallest part but the last, 5 MiB at S3.
        repeats_completion: A completion that comes again succeeds again, as at S3; otherwise the
            upload is unknown by then, as at MinIO.
        clock: Unix seconds.

    Attributes:
        hook: See above; may be changed at any time.
        requests: How many requests have come, by operation.
        strikes: How many faults have struck, by kind.
        connections: The connections that are open.
    """

    def __init__(
        self,
        *,
        hook: FaultHook | None = None,
        min_part_bytes: int = 5 * _MIB,
        repeats_completion: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.hook = hook
        self.requests: Final[Counter[str]] = Counter()
        self.strikes: Final[Counter[Strike]] = Counter()
        self._listener = Listener()
        self.connections: Final[set[Connection]] = self._listener.connections
        self._clock = clock
        self._service = Service(
            lambda name: Bucket(
                name,
                clock=clock,
                min_part_bytes=min_part_bytes,
                repeats_completion=repeats_completion,
            )
        )

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`."""
        return f"http://127.0.0.1:{self._listener.port}"

    def config(self) -> Config:
        """Return a `Config` that reaches this server: explicit keys, path addressing."""
        return Config(
            s3=S3Config(
                endpoint_url=self.url,
                region=_REGION,
                addressing="path",
                access_key_id=_ACCESS_KEY,
                secret_access_key=_SECRET_KEY,
            )
        )

    def make_bucket(self, name: str) -> Bucket:
        """Create a bucket and return it, for looking at its objects and uploads."""
        head = RequestHead("PUT", f"/{name}", {}, "CreateBucket", name, "", {})
        self._service.answer(head, b"")
        return self._service.bucket(name)

    def orphans(self, bucket: str) -> list[PendingUpload]:
        """Return the uploads pending in a bucket of which the client was told."""
        uploads = self._service.bucket(bucket).uploads.values()
        return [upload for upload in uploads if upload.is_known]

    def land(self, concerns: Callable[[RequestHead], bool]) -> None:
        """Act now on those requests struck by `Strike.LATE` that `concerns` is true of."""
        self._listener.land(concerns)

    async def __aenter__(self) -> StrictS3:
        await self._listener.open(self)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._listener.close()

    # What connections ask

    def understand(self, method: str, target: str, headers: Mapping[str, str]) -> RequestHead:
        """Find out what a request asks for."""
        return understand(method, target, headers)

    def refuse(self, fault: Fault) -> Answer:
        """Return the reply of a fault."""
        return refusal(S3Error(fault.status, fault.code, "injected"))

    def judge(self, head: RequestHead) -> Fault | None:
        """Count a request and ask the hook for its fault."""
        self.requests[head.operation or "unknown"] += 1
        fault = None if self.hook is None else self.hook(head)
        if fault is not None:
            self.strikes[fault.strike] += 1
        return fault

    def perform(
        self, head: RequestHead, body: bytes, *, signed: RequestHead | None = None
    ) -> Answer:
        """Verify a request and act on it.

        Args:
            head: What to do.
            body: All of the body.
            signed: The head as it was signed, if it is another.
        """
        try:
            now = self._clock()
            verify(signed or head, body, access_key=_ACCESS_KEY, secret=_SECRET_KEY, now=now)
        except S3Error as error:
            return refusal(error)
        return self._service.answer(head, body)

    def begun_in_the_dark(self, answer: Answer) -> None:
        """Mark the upload that `answer` begins, if it begins one, as one nobody knows of."""
        match = _UPLOAD_ID.search(answer.body)
        for bucket in self._service.buckets.values() if match is not None else ():
            upload = bucket.uploads.get(match[1].decode()) if match is not None else None
            if upload is not None:
                upload.is_known = False

    def opened(self, connection: Connection) -> None:
        """Note a connection."""
        self._listener.opened(connection)

    def closed(self, connection: Connection) -> None:
        """Forget it."""
        self._listener.closed(connection)


@contextmanager
def strict_s3(
    *,
    hook: FaultHook | None = None,
    min_part_bytes: int = 5 * _MIB,
    repeats_completion: bool = True,
) -> Iterator[StrictS3]:
    """Run a `StrictS3` on a thread of its own until the `with` block ends.

    The hook is called on that thread. See `StrictS3` for the arguments.
    """
    server = StrictS3(
        hook=hook, min_part_bytes=min_part_bytes, repeats_completion=repeats_completion
    )
    with on_a_thread(server, "strict-s3") as running:
        yield running
