"""`./dev press`: press simulated buttons through the real broker, and watch the presses arrive on a staff screen."""

import asyncio
import contextlib
import fcntl
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec
from rich.console import Console

from devstack.errors import Refusal
from devstack.machine.demo import Demo
from devstack.machine.paths import Layout
from devstack.machine.pki import button_identity
from devstack.press.cloud import Cloud, Unreachable
from devstack.press.hops import PressReport, hops, result_of, summary
from devstack.press.screen import Screen, screen
from devstack.simulator.button import Feedback
from devstack.simulator.gestures import gesture_for
from devstack.simulator.simulated import SimulatedButton
from devstack.stack.supervisor import Supervisor

STORED_SECONDS = 10.0
# The gateway treats a second press of one button within 800 ms as a bounce of its contact.
LONGER_THAN_A_BOUNCE = 0.9
# The way from the cloud to the gateway takes 0.3 s (the relay polls every 100 ms), seconds on a busy machine, and a
# press counts as a drill only if it was certainly made after that.
DRILL_TRAVELS = 5.0


@dataclass(frozen=True)
class Order:
    """The options of the command line."""

    type: str
    silent: bool
    drill: bool
    device: str | None
    count: int
    as_json: bool


class Press:
    """One run of the command."""

    def __init__(self, place: Layout, demo: Demo, order: Order) -> None:
        self._place = place
        self._demo = demo
        self._order = order
        self._gesture = gesture_for(order.type, silent=order.silent)
        self._admin = demo.users["admin"]
        self._console = Console(stderr=order.as_json)

    async def run(self) -> bool:
        """Press the buttons; return whether the gateway stored every press."""
        if not Supervisor(self._place).alive():
            raise Refusal("SafeSignal is not running: ./dev up starts it.")
        reports: list[PressReport] = []
        with claimed(self._place, self._devices(), self._order.count) as devices:
            async with screen(self._demo, self._admin, self._console) as staff_screen:
                for device in devices:
                    if reports and reports[-1].result.device == device:
                        await asyncio.sleep(LONGER_THAN_A_BOUNCE)
                    one = await self._press_once(device, staff_screen)
                    reports.append(one)
                    self._print(one)
        if not self._order.as_json and len(reports) > 1:
            self._console.print(summary(reports))
        return all(one.stored_at is not None for one in reports)

    def _devices(self) -> list[str]:
        """Return candidate buttons in random order, so that parallel commands rarely choose the same one."""
        order = self._order
        if order.device is not None:
            if order.device not in self._demo.devices:
                raise Refusal(f"The demo school has no button {order.device!r}; demo.json lists them.")
            return [order.device] * order.count
        # The first button runs as its own process.
        candidates = self._demo.devices[1:]
        try:
            with Cloud(self._demo.base_url, self._admin) as cloud:
                alerts = cloud.open_alerts(self._demo.organization_id)
            busy = {alert.device.device_id for alert in alerts if alert.device is not None}
        except Unreachable as error:
            self._console.print(f"[yellow]The cloud does not respond ({error}): pressing anyway.[/]")
            busy = set()
        free = [device for device in candidates if device not in busy]
        if len(free) < order.count:
            raise Refusal(f"Only {len(free)} of {len(candidates)} buttons have no open alert: close some on the board.")
        random.shuffle(free)
        return free

    def _arm(self, device: str) -> None:
        try:
            with Cloud(self._demo.base_url, self._admin) as cloud:
                cloud.start_drill(device)
        except Unreachable as error:
            raise Refusal(f"The cloud does not respond ({error}): a drill cannot be started without it.") from None

    async def _press_once(self, device: str, staff_screen: Screen) -> PressReport:
        if self._order.drill:
            await asyncio.to_thread(self._arm, device)
            await asyncio.sleep(DRILL_TRAVELS)
        if device == self._demo.devices[0]:
            inst, seq, pressed_at, stored_at = await self._press_process()
        else:
            inst, seq, pressed_at, stored_at = await self._press_simulated(device)
        message = None
        if stored_at is not None:
            message = await staff_screen.wait_for(device, f"{device}:{inst}:{seq}", pressed_at)
        if self._order.drill and message is not None and message.alert is not None and not message.alert.is_drill:
            raise Refusal(f"The press of {device} raised a REAL alert: it came before the drill. Close it now.")
        return PressReport(result_of(device, seq, inst, pressed_at, stored_at, message), pressed_at, stored_at, message)

    async def _press_simulated(self, device: str) -> tuple[str, int, datetime, datetime | None]:
        place = self._place
        identity = button_identity(place.pki, device)
        button = SimulatedButton(identity, place.buttons, self._demo.mqtt.port, Path(self._demo.mqtt.ca), _ignore_led)
        link = asyncio.create_task(button.run())
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STORED_SECONDS):
                    await button.online.wait()
            waiting = button.press(self._gesture.pattern, self._gesture.key)
            done, _ = await asyncio.wait({waiting.stored}, timeout=STORED_SECONDS)
            if not done:
                button.forget(waiting)
            return button.inst, waiting.press.seq, waiting.press.at, waiting.stored.result() if done else None
        finally:
            link.cancel()
            await asyncio.wait({link})

    async def _press_process(self) -> tuple[str, int, datetime, datetime | None]:
        """Press the button that runs as its own process, through its Unix socket."""
        try:
            reader, writer = await asyncio.open_unix_connection(str(self._place.button_socket))
        except OSError:
            raise Refusal("The simulated button is not running: see ./dev status.") from None
        with contextlib.closing(writer):
            writer.write(msgspec.json.encode(self._gesture) + b"\n")
            pressed = msgspec.json.decode(await reader.readline(), type=Feedback)
            stored_at: datetime | None = None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STORED_SECONDS):
                    stored_at = msgspec.json.decode(await reader.readline(), type=Feedback).at
            return pressed.inst, pressed.seq, pressed.at, stored_at

    def _print(self, one: PressReport) -> None:
        if self._order.as_json:
            print(msgspec.json.encode(one.result).decode(), flush=True)
        else:
            self._console.print(hops(one))


def _ignore_led(line: str) -> None:
    """Show nothing: buttons pressed from here have no LED, as the command itself prints the result."""


@contextmanager
def claimed(place: Layout, devices: list[str], count: int) -> Iterator[list[str]]:
    """Lock `count` buttons against other commands; a named button is locked once and pressed repeatedly."""
    with contextlib.ExitStack() as held:
        mine: dict[str, bool] = {}
        locked: list[str] = []
        for device in devices:
            if len(locked) == count:
                break
            if device not in mine:
                file = held.enter_context((place.buttons / f"{device}.lock").open("a"))
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    mine[device] = True
                except BlockingIOError:
                    mine[device] = False
            if mine[device]:
                locked.append(device)
        if len(locked) < count:
            raise Refusal(
                "Another command is pressing that button." if len(set(devices)) == 1 else "No button is free."
            )
        yield locked
