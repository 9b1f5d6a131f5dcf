"""Limits on the live connections of one sign-in, one person and one network address in a process.

A sign-in that exceeds its limit loses its oldest connection: the newest is the one in use, while older ones may be left
over from a lost network. Only an address, which strangers may share, is refused. The limits are far above normal use: a
person has a phone, a tablet and some tabs; a thousand phones share one address.
"""

import asyncio
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Final
from uuid import UUID

from apps.common.access import Principal
from apps.common.problems import TooManyRequests

PER_SIGN_IN: Final = 20
PER_PRINCIPAL: Final = 60
"""All sign-ins of a person together, or one service token or gateway."""
PER_SOURCE: Final = 10_000
"""Connections from one address to one organization."""
RETRY_SECONDS: Final = 30


class Ending(Enum):
    """Why the server ends a connection."""

    TOKEN_ENDED = "the credential is no longer valid"  # noqa: S105 -- a reason
    RIGHTS_CHANGED = "the caller's visibility has changed"
    TOO_MANY = "the same caller opened newer connections"


Ended = asyncio.Future[Ending]
"""Completed when a connection must be closed."""


class Crowd:
    """The open connections of this process, by sign-in, person and source."""

    def __init__(self) -> None:
        self._held: defaultdict[Hashable, dict[Ended, None]] = defaultdict(dict)

    @contextmanager
    def among(self, principal: Principal, organizations: Iterable[UUID], source: str, ended: Ended) -> Iterator[None]:
        """Count a connection while it is open. Raises TooManyRequests if its source has reached the limit."""
        sources = [(organization, source) for organization in organizations]
        if any(len(self._held.get(one, ())) >= PER_SOURCE for one in sources):
            raise TooManyRequests(retry_after=RETRY_SECONDS)
        limits = {principal.id: PER_PRINCIPAL}
        if principal.sign_in is not None:
            limits[principal.sign_in] = PER_SIGN_IN
        for limited, limit in limits.items():
            self._make_room(limited, limit)
        holders: list[Hashable] = [*limits, *sources]
        for holder in holders:
            self._held[holder][ended] = None
        try:
            yield
        finally:
            for holder in holders:
                del self._held[holder][ended]
                if not self._held[holder]:
                    del self._held[holder]

    def _make_room(self, holder: Hashable, limit: int) -> None:
        """End the oldest connections of this holder, so that one more stays within the limit."""
        still_open = [one for one in self._held.get(holder, ()) if not one.done()]
        for oldest in still_open[: max(0, len(still_open) + 1 - limit)]:
            oldest.set_result(Ending.TOO_MANY)
