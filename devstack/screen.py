"""A member of staff's screen beside the presses: the watcher's process, and what it has shown so far."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import msgspec
from rich.console import Console

from devstack.cloud import Alert
from devstack.demo import Demo, Person
from devstack.watch import Account, Shown

SHOWN_SECONDS = 10.0
START_SECONDS = 60.0
"""The watcher starts and signs in; on a busy machine that takes a while, and is no reason to see nothing."""
UNREACHABLE_SECONDS = 8.0
"""A cloud that does not answer gets this long to come back before the press is made without it."""
# The wire carries milliseconds, cut off.
WIRE_ROUNDING = timedelta(milliseconds=1)


class Screen:
    """What the member of staff has seen so far."""

    def __init__(self) -> None:
        self._shown: list[Shown] = []
        self._news = asyncio.Condition()
        self.ready = asyncio.Event()
        self.unreachable = asyncio.Event()

    async def add(self, shown: Shown) -> None:
        """A message came in."""
        if shown.type in ("ready", "unreachable"):
            (self.ready if shown.type == "ready" else self.unreachable).set()
            return
        async with self._news:
            self._shown.append(shown)
            self._news.notify_all()

    async def connected(self) -> bool:
        """Wait until what comes in is seen; whether it is."""
        ready, unreachable = (asyncio.create_task(event.wait()) for event in (self.ready, self.unreachable))
        try:
            await asyncio.wait({ready, unreachable}, timeout=START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if unreachable.done():
                await asyncio.wait({ready}, timeout=UNREACHABLE_SECONDS)
        finally:
            ready.cancel()
            unreachable.cancel()
        return self.ready.is_set()

    async def wait_for(self, device: str, alert_id: str, pressed_at: datetime) -> Shown | None:
        """The message with which this press came onto the screen, or None when it did not come."""
        if not self.ready.is_set():
            # Dark since the start: waiting for each of many presses would only keep the next one from being pressed.
            return None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SHOWN_SECONDS), self._news:
                while True:
                    for shown in self._shown:
                        if shown.alert is not None and _tells_of(shown.alert, device, alert_id, pressed_at):
                            return shown
                    await self._news.wait()
        return None


def _tells_of(alert: Alert, device: str, alert_id: str, pressed_at: datetime) -> bool:
    """Whether it is this press's own alert, or one that this press has joined."""
    if alert.alert_id == alert_id:
        return True
    same_device = alert.device is not None and alert.device.device_id == device
    return same_device and pressed_at - alert.last_pressed_at < WIRE_ROUNDING


@asynccontextmanager
async def screen(demo: Demo, person: Person, console: Console) -> AsyncIterator[Screen]:
    """A watcher in a process of its own, signed in."""
    seen = Screen()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "devstack.watch", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL, limit=1 << 20,
    )  # fmt: skip
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("the watcher has no pipes")
    output = process.stdout
    process.stdin.write(msgspec.json.encode(Account(demo.base_url, person.email, person.password)) + b"\n")

    async def read() -> None:
        async for line in output:
            await seen.add(msgspec.json.decode(line, type=Shown))
        seen.unreachable.set()  # the watcher ended: it will not be ready any more

    reading = asyncio.create_task(read())
    try:
        if not await seen.connected():
            console.print("[yellow]The live feed does not answer: what is shown there will not be seen here.[/]")
        yield seen
    finally:
        reading.cancel()
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
