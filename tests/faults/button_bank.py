"""A bank of simulated buttons: each press uses its own button, with a bounded number of connections.

A button without a `stored` confirmation sends again, over a new connection if the old one broke, as real ones do.
"""

import asyncio
import contextlib
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from devstack.machine.pki import button_identity
from devstack.simulator.button import Gesture
from devstack.simulator.simulated import SimulatedButton
from tests.faults.chain import SETTLE_SECONDS, Chain

CONNECTIONS = 40


@dataclass(frozen=True)
class Pressed:
    """A press, and the time when the gateway confirmed it to the button."""

    device: str
    inst: str
    seq: int
    at: datetime
    confirmed_at: datetime | None

    @property
    def name(self) -> str:
        """The name of the alert that this press raises."""
        return f"{self.device}:{self.inst}:{self.seq}"


class ButtonBank:
    """The buttons of the demo school except the first, which runs as its own process."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._free = asyncio.Semaphore(CONNECTIONS)
        # Each connection attempt occupies a thread of the loop while the broker does not respond.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(2 * CONNECTIONS))
        demo = chain.demo
        self._port, self._ca = demo.mqtt.port, chain.place.pki / "root.pem"

    async def press(self, device: str, gesture: Gesture) -> Pressed:
        """Press a button, and wait for its `stored` confirmation for at most `SETTLE_SECONDS`."""
        async with self._free:
            place = self._chain.place
            button = SimulatedButton(
                button_identity(place.pki, device), place.buttons, self._port, self._ca, _ignore_led
            )
            waiting = button.press(gesture.pattern, gesture.key)
            power = asyncio.create_task(button.run())
            try:
                await asyncio.wait({waiting.stored}, timeout=SETTLE_SECONDS)
            finally:
                power.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await power
            confirmed_at = waiting.stored.result() if waiting.stored.done() else None
            if confirmed_at is None:
                button.forget(waiting)
            return Pressed(device, button.inst, waiting.press.seq, waiting.press.at, confirmed_at)


async def later(seconds: float, press: Coroutine[None, None, Pressed]) -> Pressed:
    """Press after a delay."""
    await asyncio.sleep(seconds)
    return await press


def _ignore_led(line: str) -> None:
    """Ignore the LEDs of these buttons."""
