"""Whether a press was taken before: asked of the disk where memory cannot tell, for as long as a press may wait."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from edge_agent.decision.presses import as_another
from edge_agent.decision.seen import Seen
from edge_agent.messages.press import Press, PressId
from edge_agent.store.presses import Found

log = logging.getLogger(__name__)

ASK_SECONDS = 0.02
"""Of the 50 ms from arrival to action, what the disk has to say whether an old press is a repeat."""
ASKING_AT_MOST = 100
"""How many such questions are open at once: a disk that stalls must not pile them up."""


class Disk(Protocol):
    """What remembers every press."""

    async def find_press(self, press_id: PressId) -> Found:
        """What the disk knows of a press."""


class Recognition:
    """`spawn` runs what has to wait."""

    def __init__(self, disk: Disk, spawn: Callable[[Awaitable[None]], None]) -> None:
        self._disk, self._spawn = disk, spawn
        self._asking = 0

    def then(self, seen: Seen, press: Press, take: Callable[[], None]) -> None:
        """`take` the press when `seen` knows of it what the disk knows: at once, where nothing has to be asked. A press
        of which the disk says nothing in time is taken for a new one: in doubt it is an alarm."""
        if not seen.uncertain(press.id):
            take()
        elif self._asking < ASKING_AT_MOST:
            self._asking += 1
            self._spawn(self._ask_then(seen, press, take))
        else:
            log.warning("the disk is not asked about a press", extra={"press": ":".join(map(str, press.id))})
            take()

    async def _ask_then(self, seen: Seen, press: Press, take: Callable[[], None]) -> None:
        try:
            async with asyncio.timeout(ASK_SECONDS):
                await self._ask(seen, press.id)
                another = as_another(press).id
                if seen.get(press.id) not in (None, press.fingerprint) and seen.uncertain(another):
                    await self._ask(seen, another)
        except Exception as error:
            log.warning("the disk does not say whether a press is new", extra={"reason": type(error).__name__})
        finally:
            self._asking -= 1
        take()

    async def _ask(self, seen: Seen, press_id: PressId) -> None:
        found = await self._disk.find_press(press_id)
        seen.learn(press_id, found.fingerprint, found.greatest)
