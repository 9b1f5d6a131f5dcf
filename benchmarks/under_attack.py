"""Latency from a press to a screen under attack, compared with an undisturbed run just before, in both deployment
forms.

The screen signs in before the attack; presses are made one after another, each with another button or key. Each pair is
measured within a minute, so that the load of the machine affects both runs.
"""

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from unittest.mock import patch

import psycopg
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.attackers import ATTACKS, Attack, Tries
from benchmarks.child import Child
from benchmarks.figures import percentile
from benchmarks.forms import NoIngress, processes_apart
from devstack.machine import credentials
from devstack.machine.paths import Layout, layout
from devstack.machine.pki import button_identity
from devstack.machine.ports import Ports
from devstack.press.cloud import Cloud
from devstack.press.screen import Screen, screen
from devstack.simulator.gestures import GESTURES
from devstack.simulator.simulated import SimulatedButton
from devstack.stack import engines
from devstack.testing.stack import Stack, running_stack

RATIO: Final = 1.5
ALLOWANCE_MS: Final = 50.0
LOCKED_ROW: Final = "one locked row"
LOUD_GESTURES: Final = [gesture for (_, silent), gesture in GESTURES.items() if not silent]
PAUSE_SECONDS: Final = 0.05
CONNECT_SECONDS: Final = 30.0
WARM_UP: Final = 5
_LOCK_SQL: Final = """
    SELECT a.id FROM alert_history a
    JOIN alert_keys k ON (k.organization_id, k.id, k.triggered_at) = (a.organization_id, a.id, a.triggered_at)
    WHERE k.alert_id = %s FOR UPDATE OF a
"""
"""Selects by the name of a press, which may have joined an alert of another name."""


@dataclass(frozen=True)
class Row:
    """One attack in one form, in milliseconds from press to screen; `missing` presses never arrived."""

    form: str
    attack: str
    calm: Sequence[float]
    attacked: Sequence[float]
    missing: int
    tries: Tries | None

    @property
    def bar(self) -> float:
        """The maximum acceptable p99."""
        return RATIO * percentile(self.calm, 99) + ALLOWANCE_MS

    @property
    def met(self) -> bool:
        """Whether every press arrived in time."""
        return not self.missing and percentile(self.attacked, 99) <= self.bar


def run(presses: int, console: Console) -> bool:
    """Measure and print; return whether every row met its target."""
    with TemporaryDirectory(prefix="safesignal-benchmark-") as folder, running_stack(Path(folder) / "home") as stack:
        rows = list(_Measured(stack, presses).rows(console))
    console.print(_table(rows, presses))
    verdict = all(row.met for row in rows)
    console.print(f"every p99 ≤ {RATIO} x calm + {ALLOWANCE_MS:.0f} ms: {'met' if verdict else 'NOT MET'}")
    return verdict


class _Measured:
    """Measurements on one running SafeSignal."""

    def __init__(self, stack: Stack, presses: int) -> None:
        with patch.dict(os.environ, {"SAFESIGNAL_HOME": str(stack.home)}):
            self._place: Layout = layout()
        environment = stack.environment
        self._home, self._demo, self._presses = stack.home, stack.demo, presses
        self._ports = Ports(
            http=int(environment["SAFESIGNAL_HTTP_PORT"]), mqtt=int(environment["SAFESIGNAL_MQTT_PORT"])
        )
        # The first button runs as its own process; the next ones are attacked, or attack.
        self._stuck, self._flooding, *free = self._demo.devices[1:]
        self._next = itertools.cycle(itertools.product(range(len(LOUD_GESTURES)), free))

    def rows(self, console: Console) -> Iterator[Row]:
        """Yield a row per attack, in both forms."""
        for form in ("one process", "processes apart"):
            with ExitStack() as running:
                if form == "processes apart":
                    try:
                        running.enter_context(processes_apart(self._place, self._ports))
                    except NoIngress as error:
                        console.print(f"{form}: not measured, {error}")
                        return
                for attack in track((*ATTACKS, LOCKED_ROW), form, transient=True, console=console):
                    row = asyncio.run(self._row(form, attack, console))
                    console.print(f"{form}, {attack}: p99 {percentile(row.attacked, 99):.0f} ms, bar {row.bar:.0f} ms")
                    yield row

    async def _row(self, form: str, attack: str, console: Console) -> Row:
        async with screen(self._demo, self._demo.users["admin"], console) as staff_screen:
            await self._press_all(staff_screen, WARM_UP)
            calm = await self._press_all(staff_screen, self._presses)
            tries: Tries | None = None
            if attack == LOCKED_ROW:
                attacked = await self._with_locked_row(staff_screen)
            else:
                attacked, tries = await self._attacked(attack, staff_screen)
        there = [one for one in attacked if one is not None]
        return Row(form, attack, [one for one in calm if one is not None], there, len(attacked) - len(there), tries)

    async def _attacked(self, attack: str, staff_screen: Screen) -> tuple[list[float | None], Tries]:
        with Cloud(self._demo.base_url, self._demo.users["admin"]) as cloud:
            job = Attack(
                kind=attack,
                base_url=self._demo.base_url,
                token=cloud.access,
                organization=self._demo.organization_id,
                device=self._flooding,
                mqtt_port=self._ports.mqtt,
            )
        with patch.dict(os.environ, {"SAFESIGNAL_HOME": str(self._home)}):
            child = Child("attackers", job, Tries)
        child.wait_until_ready()
        child.go()
        await self._press_all(staff_screen, WARM_UP)
        attacked = await self._press_all(staff_screen, self._presses)
        return attacked, await asyncio.to_thread(child.stop)

    async def _with_locked_row(self, staff_screen: Screen) -> list[float | None]:
        """Lock an open alert and press its button again, so that the event cannot be stored meanwhile."""
        gesture = LOUD_GESTURES[0]
        async with self._button(self._stuck) as button:
            waiting = button.press(gesture.pattern, gesture.key)
            name = f"{self._stuck}:{button.inst}:{waiting.press.seq}"
            if await staff_screen.wait_for(self._stuck, name, waiting.press.at) is None:
                raise RuntimeError("the alert to be locked did not reach the screen")
            with self._locked(name):
                await asyncio.sleep(1)  # longer than a bounce
                button.press(gesture.pattern, gesture.key)
                return await self._press_all(staff_screen, self._presses)

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        secrets = credentials.credentials(self._place)
        address = engines.database_url(self._place, "owner", secrets.owner_password)
        with psycopg.connect(address) as connection:
            if connection.execute(_LOCK_SQL, [name]).fetchone() is None:
                raise RuntimeError("the alert to be locked does not exist")
            yield
            connection.rollback()

    async def _press_all(self, staff_screen: Screen, number: int) -> list[float | None]:
        """Return the milliseconds from each press to the screen; None for one that did not arrive."""
        return [await self._press(staff_screen) for _ in range(number)]

    async def _press(self, staff_screen: Screen) -> float | None:
        gesture_number, device = next(self._next)
        gesture = LOUD_GESTURES[gesture_number]
        async with self._button(device) as button:
            waiting = button.press(gesture.pattern, gesture.key)
            name = f"{device}:{button.inst}:{waiting.press.seq}"
            message = await staff_screen.wait_for(device, name, waiting.press.at)
            if message is None:
                button.forget(waiting)
                return None
        await asyncio.sleep(PAUSE_SECONDS)
        return (message.received_at - waiting.press.at).total_seconds() * 1000

    @asynccontextmanager
    async def _button(self, device: str) -> AsyncIterator[SimulatedButton]:
        """Connect a button to the broker."""
        place = self._place
        identity = button_identity(place.pki, device)
        button = SimulatedButton(identity, place.buttons, self._ports.mqtt, place.pki / "root.pem", lambda _: None)
        link = asyncio.create_task(button.run())
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await button.online.wait()
            yield button
        finally:
            link.cancel()
            await asyncio.wait({link})


def _table(rows: Sequence[Row], presses: int) -> Table:
    table = Table(title=f"press -> on a screen, {presses} presses each, milliseconds", title_justify="left")
    table.add_column("form")
    table.add_column("attack", overflow="fold")
    for column in ("calm p50", "p99", "attacked p50", "p99", "p99 ratio", "bar", "not shown", "tried"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("")
    for row in rows:
        calm, attacked = ([percentile(values, percent) for percent in (50, 99)] for values in (row.calm, row.attacked))
        table.add_row(
            row.form,
            row.attack,
            *(f"{value:.0f}" for value in (*calm, *attacked)),
            f"{attacked[1] / calm[1]:.2f}",
            f"{row.bar:.0f}",
            str(row.missing),
            "" if row.tries is None else f"{row.tries.tried:,}",
            "met" if row.met else "NOT MET",
        )
    return table
