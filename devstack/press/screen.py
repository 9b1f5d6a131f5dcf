"""A staff member's screen for `./dev press`: the watcher process and the messages it has received."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import msgspec
from rich.console import Console

from devstack.machine.demo import Demo, Person
from devstack.press.cloud import Alert
from devstack.press.watch import Account, FeedLine

ARRIVAL_SECONDS = 10.0
START_SECONDS = 60.0
"""Time for the watcher to start and sign in, which takes a while on a busy machine."""
UNREACHABLE_SECONDS = 8.0
"""Time for an unreachable cloud to come back before the press is made without it."""
# Messages carry truncated milliseconds.
WIRE_ROUNDING = timedelta(milliseconds=1)


class Screen:
    """The messages received so far."""

    def __init__(self) -> None:
        self._lines: list[FeedLine] = []
        self._news = asyncio.Condition()
        self.ready = asyncio.Event()
        self.unreachable = asyncio.Event()

    async def add(self, line: FeedLine) -> None:
        """Add a message."""
        if line.type in ("ready", "unreachable"):
            (self.ready if line.type == "ready" else self.unreachable).set()
            return
        async with self._news:
            self._lines.append(line)
            self._news.notify_all()

    async def connected(self) -> bool:
        """Wait for the connection to the live feed; return whether there is one."""
        ready, unreachable = (asyncio.create_task(event.wait()) for event in (self.ready, self.unreachable))
        try:
            await asyncio.wait({ready, unreachable}, timeout=START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if unreachable.done():
                await asyncio.wait({ready}, timeout=UNREACHABLE_SECONDS)
        finally:
            ready.cancel()
            unreachable.cancel()
        return self.ready.is_set()

    async def wait_for(self, device: str, alert_id: str, pressed_at: datetime) -> FeedLine | None:
        """Return the message that reports this press, or None if there is none in time."""
        if not self.ready.is_set():
            # Disconnected since the start: waiting after each of many presses would only delay the next one.
            return None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ARRIVAL_SECONDS), self._news:
                while True:
                    for line in self._lines:
                        if line.alert is not None and _reports_press(line.alert, device, alert_id, pressed_at):
                            return line
                    await self._news.wait()
        return None


def _reports_press(alert: Alert, device: str, alert_id: str, pressed_at: datetime) -> bool:
    """Whether this is the press's own alert, or one that it has joined."""
    if alert.alert_id == alert_id:
        return True
    same_device = alert.device is not None and alert.device.device_id == device
    return same_device and pressed_at - alert.last_pressed_at < WIRE_ROUNDING


@asynccontextmanager
async def screen(demo: Demo, person: Person, console: Console) -> AsyncIterator[Screen]:
    """Run a signed-in watcher process."""
    opened = Screen()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "devstack.press.watch", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL, limit=1 << 20,
    )  # fmt: skip
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("the watcher has no pipes")
    output = process.stdout
    process.stdin.write(msgspec.json.encode(Account(demo.base_url, person.email, person.password)) + b"\n")

    async def read() -> None:
        async for raw in output:
            await opened.add(msgspec.json.decode(raw, type=FeedLine))
        opened.unreachable.set()  # the watcher ended and will not become ready

    reading = asyncio.create_task(read())
    try:
        if not await opened.connected():
            console.print("[yellow]The live feed does not respond: alerts on the screen will not be reported here.[/]")
        yield opened
    finally:
        reading.cancel()
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
