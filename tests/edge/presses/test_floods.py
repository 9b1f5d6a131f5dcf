"""Floods of one button: the others are confirmed and forwarded as usual, through real brokers and the real gateway."""

import asyncio
import statistics
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.edge.conftest import Keys
from tests.edge.support.authority import Authority
from tests.edge.support.broker import MOSQUITTO, Broker, Embedded, Mosquitto
from tests.edge.support.cloud import Cloud, Json
from tests.edge.support.mqtt import Button, button
from tests.edge.support.process import ROOT, AgentProcess
from tests.edge.support.rig import until
from tests.edge.support.school import GATEWAY, configuration
from tests.kit.patience import Promise

pytestmark = [pytest.mark.slow]
OTHERS = 12
ANSWER_SECONDS = 1.0
AS_FAST = 1.5
MARGIN_SECONDS = 1.0
"""Allowance for processes sharing this machine, extended by measured scheduling delays (`Promise`). Without flood
protection these waits are ten times as long and grow with the flood."""


@dataclass(frozen=True)
class Waits:
    """Seconds from the press of each other button to `stored`, and to the cloud."""

    stored: Sequence[float]
    cloud: Sequence[float]


@pytest.mark.parametrize("kind", [Mosquitto, Embedded], ids=["mosquitto", "embedded"])
async def test_flood_of_one_button_delays_no_other(
    kind: type[Mosquitto | Embedded], tmp_path: Path, authority: Authority, cloud: Cloud, keys: Keys
) -> None:
    """The cloud takes a second per response. Collapsed presses are counted and reported."""
    if kind is Mosquitto and not Path(MOSQUITTO).exists():
        pytest.skip("Mosquitto is not installed")
    names = [f"ss-{number:08x}" for number in range(2 * OTHERS)]
    flooder = "ss-ffffffff"
    entries = [{"device": name, "room": None, "lifecycle": "active", "power": "mains"} for name in [*names, flooder]]
    cloud.configuration = configuration(devices=entries)

    def slow(_events: list[Json]) -> None:
        time.sleep(ANSWER_SECONDS)

    broker: Broker = kind(tmp_path / "broker", authority, f"gateway-{GATEWAY}")
    broker.start()
    agent = AgentProcess(tmp_path / "gateway", authority, cloud, keys.gateway, broker.port)
    agent.start()
    try:
        await until(lambda: agent.logged("connected to the broker") and agent.logged("configuration applied"), 60)
        cloud.misbehave = slow
        calm = await press_one_by_one(authority, broker.port, cloud, names[:OTHERS])
        async with flooding(authority, broker.port, flooder):
            await until(lambda: any(event.get("device") == flooder for event in cloud.of_kind("alert.raised")), 60)
            margin = Promise(MARGIN_SECONDS)
            flooded = await press_one_by_one(authority, broker.port, cloud, names[OTHERS:])
            allowed = margin.seconds
            await until(lambda: troubles(cloud, "device.trouble", flooder), 60)
    finally:
        await asyncio.to_thread(agent.stop)
        broker.stop()
    for what, before, during in (("stored", calm.stored, flooded.stored), ("in the cloud", calm.cloud, flooded.cloud)):
        print(f"{kind.__name__}: {what}: calm {figures(before)}, flooded {figures(during)}")
        assert max(during) < AS_FAST * max(before) + allowed, what


def troubles(cloud: Cloud, kind: str, device: str) -> list[Json]:
    return [event for event in cloud.of_kind(kind) if (event["device"], event["trouble"]) == (device, "press_flood")]


async def press_one_by_one(authority: Authority, port: int, cloud: Cloud, names: Sequence[str]) -> Waits:
    """Press each button once, shortly after each other."""
    async with AsyncExitStack() as stack:
        buttons = [await stack.enter_async_context(button(authority, port, name)) for name in names]
        waits = []
        for one in buttons:
            waits.append(asyncio.create_task(press(one, cloud)))
            await asyncio.sleep(0.3)
        done = await asyncio.gather(*waits)
    return Waits([stored for stored, _ in done], [there for _, there in done])


async def press(one: Button, cloud: Cloud) -> tuple[float, float]:
    pressed = time.monotonic()
    await one.press(1)
    await until(lambda: one.stored() == [1], 120)
    stored = time.monotonic() - pressed
    await until(lambda: any(event.get("device") == one.device for event in cloud.of_kind("alert.raised")), 120)
    return stored, time.monotonic() - pressed


@asynccontextmanager
async def flooding(authority: Authority, port: int, device: str) -> AsyncIterator[None]:
    pair = authority.issue(device)
    arguments = [str(port), str(authority.certificate), device, str(pair.cert), str(pair.key)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.edge.support.flood", *arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"flooding\n"
        yield
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def figures(seconds: Sequence[float]) -> str:
    return f"median {statistics.median(seconds) * 1000:.0f} ms, worst {max(seconds) * 1000:.0f} ms"
