"""Bounded concurrency for heavy work other than alarms: hashing passwords, imports, exports."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import Final

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from apps.common.problems import Unavailable, problem_response

WAIT_SECONDS: Final = 10.0


class Busy(Unavailable):
    """Too many people are signing in, importing or exporting at the moment. Alarms never wait for them."""

    code = "busy"
    default_detail = "Too many are doing this at the moment: try again in a few seconds."

    @property
    def headers(self) -> dict[str, str]:
        """Suggest a longer delay than other problems, so that waiting requests get their turn."""
        return {"Retry-After": "3"}


class Gate:
    """Allows `at_once` threads of this process to work and `waiting` more to wait; all others are refused."""

    def __init__(self, *, at_once: int, waiting: int) -> None:
        self.places: Final = at_once + waiting
        self._working = BoundedSemaphore(at_once)
        self._present = BoundedSemaphore(self.places)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Hold a place during the block, after waiting for it if necessary. Raises Busy."""
        if not self._present.acquire(blocking=False):
            raise Busy()
        try:
            if not self._working.acquire(timeout=WAIT_SECONDS):
                raise Busy()
            try:
                yield
            finally:
                self._working.release()
        finally:
            self._present.release()


transfers: Final = Gate(at_once=1, waiting=max(1, settings.PAGE_THREADS // 4))
"""Imports and exports: one at a time in a process, with few waiting threads, so that most stay free for pages."""


def bounded_transfer(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Mark a view that imports or exports: it holds a place in `transfers` while it works, not while it is sent."""

    @functools.wraps(view)
    def bounded(request: HttpRequest, **kwargs: object) -> HttpResponseBase:
        try:
            with transfers.entered():
                return view(request, **kwargs)
        except Busy as busy:
            return problem_response(busy)

    bounded.is_transfer = True  # type: ignore[attr-defined]
    return bounded
