"""Bounded concurrency for work that is heavy and not an alarm: hashing passwords, imports, exports."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
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
        self._working = BoundedSemaphore(at_once)
        self._present = BoundedSemaphore(at_once + waiting)

    def enter(self) -> None:
        """Wait for a place; `leave` gives it back, from any thread. Raises Busy."""
        if not self._present.acquire(blocking=False):
            raise Busy()
        if not self._working.acquire(timeout=WAIT_SECONDS):
            self._present.release()
            raise Busy()

    def leave(self) -> None:
        """Give the place back."""
        self._working.release()
        self._present.release()

    @contextmanager
    def entered(self) -> Iterator[None]:
        """A place for as long as the block takes. Raises Busy."""
        self.enter()
        try:
            yield
        finally:
            self.leave()


transfers: Final = Gate(at_once=1, waiting=max(1, settings.PAGE_THREADS // 4))
"""Imports and exports: one at a time in a process, and never more threads than leave most of the pages theirs."""


def bounded_transfer(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Mark a view that imports or exports: it takes a place in `transfers` until its response has been sent."""

    @functools.wraps(view)
    def bounded(request: HttpRequest, **kwargs: object) -> HttpResponseBase:
        try:
            transfers.enter()
        except Busy as busy:
            return problem_response(busy)
        response: HttpResponseBase | None = None
        try:
            response = view(request, **kwargs)
        finally:
            if response is None or isinstance(response, HttpResponse):
                transfers.leave()
        if not isinstance(response, HttpResponse):
            response._resource_closers.append(transfers.leave)  # type: ignore[attr-defined]  # Django's own list
        return response

    bounded.is_transfer = True  # type: ignore[attr-defined]
    return bounded
