"""A wall of simulated buttons: each press by a button of its own, over a bounded number of connections at a time.

A button that is not told `stored` sends again, over a new connection when the old one broke, as the real ones do.
"""

import asyncio
import contextlib
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from devstack.button import Hand
from devstack.pki import button_identity
from devstack.simulated import SimulatedButton
from tests.faults.chain import Chain

CONNECTIONS = 40
PATIENCE_SECONDS = 120.0


@dataclass(frozen=True)
class Pressed:
    """A press, and when its button was told that the gateway has it."""

    device: str
    inst: str
    seq: int
    at: datetime
    told_at: datetime | None

    @property
    def name(self) -> str:
        """What an alert is called that this press makes."""
        return f"{self.device}:{self.inst}:{self.seq}"


class Wall:
    """The buttons of the demo school but the first, which is a process of its own."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._free = asyncio.Semaphore(CONNECTIONS)
        # Each connection that is being made holds a thread of the loop, and needs it while a broker does not answer.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(2 * CONNECTIONS))
        demo = chain.demo
        self._port, self._ca = demo.mqtt.port, chain.place.pki / "root.pem"

    async def press(self, device: str, hand: Hand) -> Pressed:
        """Press one button, and wait until it was told `stored` (or `PATIENCE_SECONDS`)."""
        async with self._free:
            place = self._chain.place
            button = SimulatedButton(
                button_identity(place.pki, device), place.buttons, self._port, self._ca, _nobody_looks
            )
            waiting = button.press(hand.pattern, hand.key)
            power = asyncio.create_task(button.run())
            try:
                await asyncio.wait({waiting.stored}, timeout=PATIENCE_SECONDS)
            finally:
                power.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await power
            told_at = waiting.stored.result() if waiting.stored.done() else None
            if told_at is None:
                button.forget(waiting)
            return Pressed(device, button.inst, waiting.press.seq, waiting.press.at, told_at)


async def later(seconds: float, press: Coroutine[None, None, Pressed]) -> Pressed:
    """Press after a while."""
    await asyncio.sleep(seconds)
    return await press


def _nobody_looks(line: str) -> None:
    """These buttons' LEDs are behind the wall."""
