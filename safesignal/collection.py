"""When the garbage collector goes over all objects: while no message is on its way to a screen.

A full pass takes about a third of a second where a thousand screens are connected (some 200 objects for each), and
everything else in the process waits for it. Python would begin one after any allocation, so most likely while an alert
is handed to all of them.
"""

import asyncio
import gc
import time
from typing import Final

from apps.alerts.live.hub import hub

EVERY_SECONDS: Final = 60.0
QUIET_SECONDS: Final = 1.0
"""Without a message for this long, none is on its way any more."""
LATEST_SECONDS: Final = 600.0
"""A pass is put off for no longer, or garbage would fill the memory of a process that is never quiet."""
NEVER: Final = 2**31 - 1
"""Passes over the young objects, which take milliseconds, before one over all begins by itself."""


async def collect_in_quiet_moments() -> None:
    """Run for as long as the process serves."""
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, NEVER)
    while True:
        await asyncio.sleep(EVERY_SECONDS)
        latest = time.monotonic() + LATEST_SECONDS
        while hub().quiet_seconds < QUIET_SECONDS and time.monotonic() < latest:
            await asyncio.sleep(QUIET_SECONDS)
        gc.collect()
