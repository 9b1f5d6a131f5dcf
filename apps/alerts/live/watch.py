"""Open connections whose right has ended are sent away within a second: one look at the database for all of a process.

The look is one statement for each kind of caller, however many are connected. With the database away nobody is sent
away, and nobody is told anything new either: what is told comes from there.
"""

import asyncio
import logging
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Final

from channels.db import database_sync_to_async
from django.db import DatabaseError

from apps.accounts.principals import Named, principals_of
from apps.common.access import Principal

logger = logging.getLogger(__name__)

LOOK_SECONDS: Final = 0.5
"""From one look to the next: half of the second that is promised; the rest is for the look and for the way."""

Ended = asyncio.Future[Principal | None]
"""Done as soon as the caller may not listen any more as they did: with what they may now, None for nothing at all."""


class Watch:
    """The open connections of this process."""

    def __init__(self) -> None:
        self._watched: dict[Ended, tuple[Named, Principal]] = {}
        self._looking: asyncio.Task[None] | None = None

    @contextmanager
    def watching(self, named: Named, principal: Principal) -> Iterator[Ended]:
        """While a connection is open that was opened with these rights."""
        ended: Ended = asyncio.get_running_loop().create_future()
        self._watched[ended] = (named, principal)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            yield ended
        finally:
            del self._watched[ended]
            ended.cancel()

    async def _look(self) -> None:
        """For as long as anybody is connected."""
        while self._watched:
            began = time.monotonic()
            try:
                await self._compare()
            except (DatabaseError, OSError) as error:
                logger.warning("rights of open connections could not be read again: %s", error)
            await asyncio.sleep(max(0.0, LOOK_SECONDS - (time.monotonic() - began)))

    async def _compare(self) -> None:
        watched = list(self._watched.items())
        now_held = await _principals({named for _, (named, _) in watched})
        for ended, (named, principal) in watched:
            now = now_held.get(named)
            if not ended.done() and (now is None or now.grants != principal.grants):
                ended.set_result(now)


@cache
def watch() -> Watch:
    """The watch of this process, which runs one event loop."""
    return Watch()


async def _principals(named: Collection[Named]) -> dict[Named, Principal]:
    return await database_sync_to_async(principals_of, thread_sensitive=False)(named)
