"""Deadlines of bodies where a WSGI server hands them over while they arrive.

The ingress sends a request on when it is complete; this is what holds when something else is in front. The body is
read by a thread of another pool, which the request's own thread waits for only so long. A reader that a client keeps
waiting ends with the connection, which the server closes after the refusal.
"""

import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any, Final

from django.conf import settings

from apps.common.http.body_limits import ANONYMOUS_BYTES, BodyTooSlow
from apps.common.problems import CONTENT_TYPE, Problem, TooLarge

READERS: Final = 256
SECONDS: Final = 3.0
"""Shorter than `settings.BODY_SECONDS`, since a thread is held meanwhile; the ingress sends a body at once."""
CREDENTIALS: Final = ("HTTP_AUTHORIZATION", "HTTP_COOKIE")

Environ = dict[str, Any]
Application = Callable[[Environ, Any], Iterable[bytes]]


class TimelyBodies:
    """A WSGI middleware: the application gets its body whole, or the client a refusal."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="body")

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Answer."""
        try:
            if _length(environ):
                environ["wsgi.input"] = BytesIO(self._read(environ))
        except Problem as problem:
            headers = {"Content-Type": CONTENT_TYPE, **problem.headers}
            start_response(f"{problem.status} {problem.status.phrase}", list(headers.items()))
            return [json.dumps(problem.body()).encode()]
        return self._application(environ, start_response)

    def _read(self, environ: Environ) -> bytes:
        """Raises TooLarge, BodyTooSlow."""
        length = _length(environ)
        known = any(name in environ for name in CREDENTIALS)
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE if known else ANONYMOUS_BYTES
        if length > limit:
            raise TooLarge(f"Send at most {limit} bytes in this request.")
        reading = self._readers.submit(environ["wsgi.input"].read, length)
        try:
            return bytes(reading.result(SECONDS))
        except TimeoutError:
            reading.cancel()
            raise BodyTooSlow() from None


def _length(environ: Environ) -> int:
    """Bytes that are announced; without that Django reads none."""
    text = environ.get("CONTENT_LENGTH") or "0"
    return int(text) if text.isdecimal() else 0
