"""Recognition of repeats: queries the disk where memory cannot answer, within the time that a press may wait."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from edge_agent.decision.presses import with_derived_identity
from edge_agent.decision.seen import Seen
from edge_agent.messages.press import Press, PressId
from edge_agent.store.presses import PressLookup

log = logging.getLogger(__name__)

ASK_SECONDS = 0.02
"""Share of the 50 ms from arrival to action in which the disk must answer whether an old press is a repeat."""
ASKING_AT_MOST = 100
"""Maximum number of open queries, so that they do not pile up at a stalled disk."""


class Disk(Protocol):
    """Permanent storage of presses."""

    async def find_press(self, press_id: PressId) -> PressLookup:
        """Return the disk's record of a press."""


class Recognition:
    """`spawn` runs work that has to wait for the disk."""

    def __init__(self, disk: Disk, spawn: Callable[[Awaitable[None]], None]) -> None:
        self._disk, self._spawn = disk, spawn
        self._asking = 0

    def then(self, seen: Seen, press: Press, accept: Callable[[], None]) -> None:
        """Call `take` once `seen` has the disk's record of the press, immediately if it needs no query. A press that
        the disk cannot answer for in time is treated as new: in doubt it is an alarm."""
        if not seen.uncertain(press.id):
            accept()
        elif self._asking < ASKING_AT_MOST:
            self._asking += 1
            self._spawn(self._ask_then(seen, press, accept))
        else:
            log.warning("the disk is not queried for a press", extra={"press": ":".join(map(str, press.id))})
            accept()

    async def _ask_then(self, seen: Seen, press: Press, accept: Callable[[], None]) -> None:
        try:
            async with asyncio.timeout(ASK_SECONDS):
                await self._ask(seen, press.id)
                derived = with_derived_identity(press).id
                if seen.get(press.id) not in (None, press.fingerprint) and seen.uncertain(derived):
                    await self._ask(seen, derived)
        except Exception as error:
            log.warning("the disk did not answer whether a press is new", extra={"reason": type(error).__name__})
        finally:
            self._asking -= 1
        accept()

    async def _ask(self, seen: Seen, press_id: PressId) -> None:
        lookup = await self._disk.find_press(press_id)
        seen.learn(press_id, lookup.fingerprint, lookup.greatest)
