"""The one name of a request: in its answer, in each line of the log, in what it puts into the feed, in its tasks."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from apps.common.db.ids import new_id

HEADER: Final = "X-Request-ID"
_TAKEN: Final = re.compile(r"[A-Za-z0-9._-]{8,64}\Z")
_current: ContextVar[str | None] = ContextVar("request_id", default=None)


def current() -> str | None:
    """The request, or the request behind the task, that is being worked on here."""
    return _current.get()


def choose(sent: str | None) -> str:
    """The caller's own id where it can be one (8 to 64 of `A-Z a-z 0-9 . _ -`), else a new one."""
    return sent if sent is not None and _TAKEN.match(sent) else str(new_id())


@contextmanager
def bound(request_id: str | None) -> Iterator[None]:
    """Work under this id."""
    token = _current.set(request_id)
    try:
        yield
    finally:
        _current.reset(token)
