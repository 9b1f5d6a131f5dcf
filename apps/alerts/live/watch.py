"""Close open connections within a second when their caller's visibility has changed.

Each check compares the rights versions of all callers of this process, in one small statement, and resolves again only
callers whose version changed or whose rights expire. While the database is unavailable no connection is closed, and
none gets anything new either; afterwards every caller is resolved again.
"""

import asyncio
import logging
import random
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final
from uuid import UUID

from channels.db import database_sync_to_async
from django.db import DatabaseError
from django.utils import timezone

from apps.accounts.identity.principals.principals import Named, principals_of
from apps.accounts.rights import versions
from apps.alerts.live.crowd import Crowd, Ended, Ending
from apps.alerts.live.hub import IsVisible
from apps.common.access import Principal

logger = logging.getLogger(__name__)

LOOK_SECONDS: Final = 0.5
"""Interval between checks: half of the promised second; the rest is for the check and for delivery."""
RESOLVE_AGAIN_SECONDS: Final = (30.0, 60.0)
"""Bounds of the time after which a caller is resolved again even without a new version, random to spread the load."""
AT_ONCE: Final = 200
"""Callers that one statement resolves, so that a change for a whole school does not block the event loop."""
AT_THE_NEXT_LOOK: Final = datetime.min.replace(tzinfo=UTC)

Visibility = Callable[[Principal], Mapping[UUID, IsVisible]]
"""Returns a principal's visible messages by organization; equal for equal visibility. May read the database."""


@dataclass(eq=False, slots=True)
class _Watched:
    """One open connection."""

    named: Named
    visibility: Visibility
    visible: Mapping[UUID, IsVisible]
    ended: Ended
    resolve_at: datetime = AT_THE_NEXT_LOOK
    """The principal was resolved before its versions were read, so each connection is resolved once more after that."""
    subjects: frozenset[UUID] = field(default=frozenset())


class Watch:
    """The open connections of this process."""

    def __init__(self) -> None:
        self._watched: set[_Watched] = set()
        self._by_subject: defaultdict[UUID, set[_Watched]] = defaultdict(set)
        self._versions: dict[UUID, int] = {}
        self._looking: asyncio.Task[None] | None = None
        self._crowd = Crowd()

    @contextmanager
    def watching(
        self, named: Named, principal: Principal, visibility: Visibility, visible: Mapping[UUID, IsVisible], source: str
    ) -> Iterator[Ended]:
        """Watch a connection while it is open; `visible` was `visibility(principal)` when it was opened.

        Raises TooManyRequests if its source has too many connections.
        """
        one = _Watched(named, visibility, visible, asyncio.get_running_loop().create_future())
        self._watched.add(one)
        self._follow(one, versions.subjects_of(principal))
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            with self._crowd.among(principal, visible, source, one.ended):
                yield one.ended
        finally:
            self._watched.discard(one)
            self._follow(one, frozenset())
            one.ended.cancel()

    def _follow(self, one: _Watched, subjects: frozenset[UUID]) -> None:
        """Resolve a connection again whenever the version of one of these subjects changes, and of no other."""
        for subject in one.subjects - subjects:
            self._by_subject[subject].discard(one)
            if not self._by_subject[subject]:
                del self._by_subject[subject], self._versions[subject]
        for subject in subjects - one.subjects:
            self._by_subject[subject].add(one)
            self._versions.setdefault(subject, versions.UNKNOWN)
        one.subjects = subjects

    async def _look(self) -> None:
        """Check repeatedly for as long as any client is connected."""
        while self._watched:
            began = time.monotonic()
            try:
                await self._compare()
            except (DatabaseError, OSError) as error:
                logger.warning("cannot read the rights of open connections again: %s", error)
                self._forget()
            except Exception:  # after any error, the rights of the others must still be checked
                logger.exception("cannot compare the rights of open connections")
                self._forget()
            await asyncio.sleep(max(0.0, LOOK_SECONDS - (time.monotonic() - began)))

    def _forget(self) -> None:
        """Forget all versions: a database that was unavailable may have been restored, with different versions."""
        for one in self._watched:
            one.resolve_at = AT_THE_NEXT_LOOK

    async def _compare(self) -> None:
        """Read versions before rights, so that the next check finds changes made in between."""
        now = timezone.now()
        moved = await database_sync_to_async(versions.changed, thread_sensitive=False)(dict(self._versions))
        due = list(
            {one for one in self._watched if one.resolve_at <= now}.union(
                *(self._by_subject.get(subject, ()) for subject in moved)
            )
        )
        for begin in range(0, len(due), AT_ONCE):
            await self._resolve(due[begin : begin + AT_ONCE], now)
        for subject in moved.keys() & self._versions.keys():
            self._versions[subject] = moved[subject]

    async def _resolve(self, due: Collection[_Watched], now: datetime) -> None:
        resolved = await database_sync_to_async(_resolve, thread_sensitive=False)(due, now)
        for one, (principal, visible, until) in zip(due, resolved, strict=True):
            if one not in self._watched or one.ended.done():
                continue
            if principal is None or visible != one.visible:
                one.ended.set_result(Ending.TOKEN_ENDED if principal is None else Ending.RIGHTS_CHANGED)
                continue
            again = now + timedelta(seconds=random.uniform(*RESOLVE_AGAIN_SECONDS))  # noqa: S311 -- no secret
            one.resolve_at = min(again, *filter(None, (one.named.until, until)))
            self._follow(one, versions.subjects_of(principal))


@cache
def watch() -> Watch:
    """The watch of this process, which runs one event loop."""
    return Watch()


_Resolved = tuple[Principal | None, Mapping[UUID, IsVisible], datetime | None]
"""A principal, its current visibility, and when that next changes by time alone."""


def _resolve(due: Collection[_Watched], now: datetime) -> list[_Resolved]:
    principals = principals_of({one.named for one in due}, now=now)
    expiries = versions.expiries(principals.values(), now=now)

    def resolved(one: _Watched) -> _Resolved:
        principal = principals.get(one.named)
        if principal is None:
            return None, {}, None
        return principal, one.visibility(principal), expiries.get((principal.id, principal.sign_in))

    return [resolved(one) for one in due]
