"""Bounded concurrency for work that is heavy and not an alarm: hashing passwords, imports, exports."""

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
    """Too many are signing in, importing or exporting at this moment. Alarms do not wait for any of it."""

    code = "busy"
    default_detail = "Too many are doing this at the moment: try again in a few seconds."

    @property
    def headers(self) -> dict[str, str]:
        """Later than for other problems, so that those who wait get their turn."""
        return {"Retry-After": "3"}


class Gate:
    """Lets `at_once` threads of this process work and `waiting` more wait for their turn; everybody else is refused."""

    def __init__(self, *, at_once: int, waiting: int) -> None:
        self.places: Final = at_once + waiting
        self._working = BoundedSemaphore(at_once)
        self._present = BoundedSemaphore(self.places)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """A place for as long as the block takes, waited for if need be. Raises Busy."""
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
"""Imports and exports: one at a time in a process, and never more threads than leave most of the pages theirs."""


def bounded_transfer(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Mark a view that imports or exports: it takes a place in `transfers` while it works, not while it is read."""

    @functools.wraps(view)
    def bounded(request: HttpRequest, **kwargs: object) -> HttpResponseBase:
        try:
            with transfers.entered():
                return view(request, **kwargs)
        except Busy as busy:
            return problem_response(busy)

    bounded.is_transfer = True  # type: ignore[attr-defined]
    return bounded
