"""Run full garbage collections only while no message is being sent to a screen.

A full pass takes about a third of a second with a thousand connected screens (some 200 objects for each), and
everything else in the process waits for it. Python could start one after any allocation, so most likely while an alert
is being sent to all of them.
"""

import asyncio
import gc
import time
from typing import Final

from apps.alerts.live.hub import hub

EVERY_SECONDS: Final = 60.0
QUIET_SECONDS: Final = 1.0
"""After this long without a message, none is still being sent."""
LATEST_SECONDS: Final = 600.0
"""The longest delay of a pass, or garbage would fill the memory of a process that is never idle."""
NEVER: Final = 2**31 - 1
"""Passes over young objects, which take milliseconds, before Python starts a full one automatically."""


async def collect_in_quiet_moments() -> None:
    """Collect garbage in quiet moments, for as long as the process serves."""
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, NEVER)
    while True:
        await asyncio.sleep(EVERY_SECONDS)
        latest = time.monotonic() + LATEST_SECONDS
        while hub().quiet_seconds < QUIET_SECONDS and time.monotonic() < latest:
            await asyncio.sleep(QUIET_SECONDS)
        gc.collect()
