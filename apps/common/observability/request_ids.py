"""The id of a request: in its response, its log lines, its feed events and its tasks."""

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
    """Return the id of the current request, or of the request that sent the current task."""
    return _current.get()


def choose(sent: str | None) -> str:
    """Return the caller's own id if it is valid (8 to 64 of `A-Z a-z 0-9 . _ -`), else a new one."""
    return sent if sent is not None and _TAKEN.match(sent) else str(new_id())


@contextmanager
def bound(request_id: str | None) -> Iterator[None]:
    """Use this id inside the block."""
    token = _current.set(request_id)
    try:
        yield
    finally:
        _current.reset(token)
