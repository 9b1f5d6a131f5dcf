"""`./dev press`: press simulated buttons through the real broker, and see each press come onto a staff screen."""

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

from devstack.button import Felt
from devstack.cloud import Cloud, Unreachable
from devstack.demo import Demo
from devstack.errors import Refusal
from devstack.hands import hand_for
from devstack.hops import Seen, hops, result_of, summary
from devstack.paths import Layout
from devstack.pki import button_identity
from devstack.screen import Screen, screen
from devstack.simulated import SimulatedButton
from devstack.supervisor import Supervisor

STORED_SECONDS = 10.0
# The gateway takes a second press of one button within 800 ms for a bounce of its contact.
LONGER_THAN_A_BOUNCE = 0.9
# From the cloud to the gateway takes 0.3 s (the relay polls every 100 ms), on a busy machine seconds, and a press
# counts as a drill only when it was certainly made after that.
DRILL_TRAVELS = 5.0


@dataclass(frozen=True)
class Order:
    """What was asked for on the command line."""

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
        self._hand = hand_for(order.type, silent=order.silent)
        self._admin = demo.users["admin"]
        self._console = Console(stderr=order.as_json)

    async def run(self) -> bool:
        """Press; whether every press was stored by the gateway."""
        if not Supervisor(self._place).alive():
            raise Refusal("SafeSignal is not running: ./dev up starts it.")
        seen: list[Seen] = []
        with claimed(self._place, self._devices(), self._order.count) as devices:
            async with screen(self._demo, self._admin, self._console) as shown:
                for device in devices:
                    if seen and seen[-1].result.device == device:
                        await asyncio.sleep(LONGER_THAN_A_BOUNCE)
                    one = await self._one(device, shown)
                    seen.append(one)
                    self._tell(one)
        if not self._order.as_json and len(seen) > 1:
            self._console.print(summary(seen))
        return all(one.stored_at is not None for one in seen)

    def _devices(self) -> list[str]:
        """Buttons to choose from, in random order, so that two commands rarely want the same one."""
        order = self._order
        if order.device is not None:
            if order.device not in self._demo.devices:
                raise Refusal(f"The demo school has no button {order.device!r}; demo.json lists them.")
            return [order.device] * order.count
        # The first is the button that runs as a process of its own.
        candidates = self._demo.devices[1:]
        try:
            with Cloud(self._demo.base_url, self._admin) as cloud:
                alerts = cloud.open_alerts(self._demo.organization_id)
            busy = {alert.device.device_id for alert in alerts if alert.device is not None}
        except Unreachable as error:
            self._console.print(f"[yellow]The cloud does not answer ({error}): pressing all the same.[/]")
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
            raise Refusal(f"The cloud does not answer ({error}): without it no drill can be started.") from None

    async def _one(self, device: str, shown: Screen) -> Seen:
        if self._order.drill:
            await asyncio.to_thread(self._arm, device)
            await asyncio.sleep(DRILL_TRAVELS)
        if device == self._demo.devices[0]:
            inst, seq, pressed_at, stored_at = await self._press_the_process()
        else:
            inst, seq, pressed_at, stored_at = await self._press_one_of_ours(device)
        message = None
        if stored_at is not None:
            message = await shown.wait_for(device, f"{device}:{inst}:{seq}", pressed_at)
        if self._order.drill and message is not None and message.alert is not None and not message.alert.is_drill:
            raise Refusal(f"The press of {device} was taken for a REAL one: it came before the drill. Close it now.")
        return Seen(result_of(device, seq, inst, pressed_at, stored_at, message), pressed_at, stored_at, message)

    async def _press_one_of_ours(self, device: str) -> tuple[str, int, datetime, datetime | None]:
        place = self._place
        identity = button_identity(place.pki, device)
        button = SimulatedButton(identity, place.buttons, self._demo.mqtt.port, Path(self._demo.mqtt.ca), _dark)
        link = asyncio.create_task(button.run())
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STORED_SECONDS):
                    await button.online.wait()
            waiting = button.press(self._hand.pattern, self._hand.key)
            done, _ = await asyncio.wait({waiting.stored}, timeout=STORED_SECONDS)
            if not done:
                button.forget(waiting)
            return button.inst, waiting.press.seq, waiting.press.at, waiting.stored.result() if done else None
        finally:
            link.cancel()
            await asyncio.wait({link})

    async def _press_the_process(self) -> tuple[str, int, datetime, datetime | None]:
        """The button that runs beside the others: its key is a Unix socket."""
        try:
            reader, writer = await asyncio.open_unix_connection(str(self._place.button_socket))
        except OSError:
            raise Refusal("The simulated button does not run: see ./dev status.") from None
        with contextlib.closing(writer):
            writer.write(msgspec.json.encode(self._hand) + b"\n")
            pressed = msgspec.json.decode(await reader.readline(), type=Felt)
            stored_at: datetime | None = None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STORED_SECONDS):
                    stored_at = msgspec.json.decode(await reader.readline(), type=Felt).at
            return pressed.inst, pressed.seq, pressed.at, stored_at

    def _tell(self, one: Seen) -> None:
        if self._order.as_json:
            print(msgspec.json.encode(one.result).decode(), flush=True)
        else:
            self._console.print(hops(one))


def _dark(line: str) -> None:
    """Buttons that are pressed from here have no LED: the command itself shows what happened."""


@contextmanager
def claimed(place: Layout, devices: list[str], count: int) -> Iterator[list[str]]:
    """Take `count` buttons that no other command is pressing; a named one is taken once and pressed repeatedly."""
    with contextlib.ExitStack() as held:
        mine: dict[str, bool] = {}
        taken: list[str] = []
        for device in devices:
            if len(taken) == count:
                break
            if device not in mine:
                file = held.enter_context((place.buttons / f"{device}.lock").open("a"))
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    mine[device] = True
                except BlockingIOError:
                    mine[device] = False
            if mine[device]:
                taken.append(device)
        if len(taken) < count:
            raise Refusal(
                "Another command is pressing that button." if len(set(devices)) == 1 else "No button is free."
            )
        yield taken
