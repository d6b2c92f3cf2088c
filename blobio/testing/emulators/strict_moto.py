"""The program behind `moto_server`: moto, with conditional writes decided one at a time.

S3 decides the condition of a write in one step with the write. moto 5.2.5 looks first and writes
later, in threads, so that two racing creations may both be told that they won. Here a lock makes it
one step. Run as `python -m blobio.testing.emulators.strict_moto`; prints its URL, then serves until
it is killed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Final, TypeAlias, final

__all__ = ["OneAtATime", "main"]

_Environ: TypeAlias = dict[str, object]
_Application: TypeAlias = "Callable[[_Environ, Callable[..., object]], Iterable[bytes]]"
_CONDITIONS: Final = ("HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH")


@final
class OneAtATime:
    """A WSGI application that holds a lock during writes with a condition."""

    def __init__(self, inner: _Application) -> None:
        self._inner = inner
        self._lock = threading.Lock()

    def __call__(self, environ: _Environ, start_response: Callable[..., object]) -> Iterable[bytes]:
        """Pass the request on, under the lock if need be."""
        is_write = environ["REQUEST_METHOD"] in ("PUT", "POST", "DELETE")
        if not is_write or not any(name in environ for name in _CONDITIONS):
            return self._inner(environ, start_response)
        with self._lock:
            return self._inner(environ, start_response)


def main() -> None:
    """Serve moto on a free port of 127.0.0.1 until killed."""
    from moto.moto_server.werkzeug_app import (
        DomainDispatcherApplication,
        MotoRequestHandler,
        create_backend_app,
    )
    from werkzeug.serving import run_simple

    application = OneAtATime(DomainDispatcherApplication(create_backend_app))
    run_simple("127.0.0.1", 0, application, threaded=True, request_handler=MotoRequestHandler)


if __name__ == "__main__":
    main()
