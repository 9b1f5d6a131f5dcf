"""The uplink under disconnections, restarts, disk failures, floods and refusals in any order."""

import asyncio
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_agent.settings import Settings
from tests.edge.support.cloud import Cloud, Json
from tests.edge.support.rig import until
from tests.edge.support.school import DEVICES, GATEWAY
from tests.edge.uplink.test_uplink import Line, line
from tests.kit.patience import WAIT_SECONDS

pytestmark = [pytest.mark.slow]

PRESSES = st.tuples(st.just("press"), st.sampled_from(DEVICES), st.integers(1, 40))
OTHERS = st.sampled_from(["cut", "mend", "restart", "lock the disk", "free the disk", "refuse", "take", "wait"])
STEPS = st.lists(st.one_of(PRESSES, st.tuples(OTHERS, st.just(""), st.just(0))), min_size=3, max_size=14)
Step = tuple[str, str, int]


class World:
    """A gateway that restarts over one store, and a cloud that comes and goes."""

    def __init__(self, folder: Path, cloud: Cloud, key: ec.EllipticCurvePrivateKey) -> None:
        self.folder, self.cloud, self.key = folder, cloud, key
        self.confirmed: set[tuple[str, int]] = set()
        """The presses confirmed as `stored`."""
        self._seqs = dict.fromkeys(DEVICES, 0)
        self._blocker: sqlite3.Connection | None = None
        self._running = AsyncExitStack()
        self._up = True
        self.line: Line

    async def start(self) -> None:
        nowhere = self.folder / "nowhere"
        settings = Settings(
            cloud_url=self.cloud.url,
            gateway_id=GATEWAY,
            key=self.key,
            config_public_key=self.cloud.config_key.public_key(),
            state_dir=self.folder,
            mqtt_host="127.0.0.1",
            mqtt_port=1,
            mqtt_ca=nowhere,
            mqtt_cert=nowhere,
            mqtt_key=nowhere,
        )
        http = await self._running.enter_async_context(httpx.AsyncClient(base_url=self.cloud.url, timeout=5))
        self.line = await self._running.enter_async_context(line(settings, http))

    async def stop(self) -> None:
        await self._running.aclose()
        self.confirmed |= {(ack.device, ack.seq) for ack in self.line.building.acks}

    def press(self, device: str, count: int) -> None:
        """Send presses with ages two seconds apart, so that none is a bounce."""
        for _ in range(count):
            self._seqs[device] += 1
            seq = self._seqs[device]
            body = {"v": 1, "device": device, "inst": "a1b2c3d4", "seq": seq, "boot": 1, "uptime_ms": 1000 * seq}
            body |= {"age_ms": 3_600_000 - 2000 * seq, "pattern": ("long", "triple")[seq % 2]}
            self.line.gateway.receive(device, msgspec.json.encode(body))

    async def do(self, step: Step) -> None:
        what, device, count = step
        match what:
            case "press":
                self.press(device, count)
            case "cut" if self._up:
                await self.cloud.stop()
                self._up = False
            case "mend" if not self._up:
                await self.cloud.start()
                self._up = True
            case "restart":
                self.free_disk()
                await self.stop()
                await self.start()
            case "lock the disk" if self._blocker is None:
                self._blocker = sqlite3.connect(self.folder / "gateway.sqlite3", isolation_level=None)
                self._blocker.execute("BEGIN IMMEDIATE")
            case "free the disk":
                self.free_disk()
            case "refuse":
                self.cloud.misbehave = lambda _events: 503
            case "take":
                self.cloud.misbehave = _accept_all
        await asyncio.sleep(0.05)

    def free_disk(self) -> None:
        if self._blocker is not None:
            self._blocker.close()
            self._blocker = None

    async def settle(self) -> None:
        """End all failures and wait until everything has arrived."""
        self.free_disk()
        self.cloud.misbehave = _accept_all
        if not self._up:
            await self.cloud.start()
        await until(lambda: not len(self.line.uplink._fresh), WAIT_SECONDS)
        while await self.line.store.depth():
            await asyncio.sleep(0.02)


def _accept_all(_events: list[Json]) -> None:
    return None


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    key = ec.generate_private_key(ec.SECP256R1())
    cloud = Cloud(GATEWAY, key.public_key())
    await cloud.start()
    with tempfile.TemporaryDirectory() as folder:
        running = World(Path(folder), cloud, key)
        await running.start()
        yield running
        await running.stop()
    await cloud.stop()


async def scenario(steps: Sequence[Step]) -> None:
    async with world() as running:
        for step in steps:
            await running.do(step)
        await running.settle()
        running.confirmed |= {(ack.device, ack.seq) for ack in running.line.building.acks}
        bounced_or_collapsed = {
            (str(device), int(seq))
            for device, seq in sqlite3.connect(running.folder / "gateway.sqlite3").execute(
                "SELECT device, seq FROM presses WHERE outcome IN ('bounce', 'collapsed')"
            )
        }
        events = running.cloud.events
    arrived = [(str(e["device"]), int(str(e["seq"]))) for e in events if str(e["kind"]).startswith("alert.")]
    assert running.confirmed - bounced_or_collapsed <= set(arrived), "confirmed presses have arrived"
    assert len(arrived) == len(set(arrived)), "once"
    for alert_id in {event.get("alert_id") for event in events} - {None}:
        ids = [str(event["event_id"]) for event in events if event.get("alert_id") == alert_id]
        assert ids == sorted(ids), "in order"
        first = next(event for event in events if event.get("alert_id") == alert_id)
        assert first["kind"] == "alert.raised"


@given(STEPS)
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
def test_uplink_loses_no_event_and_keeps_order_of_each_alert(steps: list[Step]) -> None:
    asyncio.run(scenario(steps))
