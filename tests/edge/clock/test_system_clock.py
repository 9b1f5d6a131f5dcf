"""A gateway with a system clock that is years off: it accepts presses, acts, reaches the cloud and corrects its
time."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from tests.edge.conftest import Keys
from tests.edge.support.authority import Authority
from tests.edge.support.broker import MOSQUITTO, Mosquitto
from tests.edge.support.cloud import Cloud
from tests.edge.support.mqtt import button, speakers
from tests.edge.support.process import FAKETIME, AgentProcess
from tests.edge.support.rig import until
from tests.edge.support.school import DEVICES, GATEWAY

pytestmark = pytest.mark.slow
SECONDS = 30


@asynccontextmanager
async def gateway_of(
    time: str, folder: Path, authority: Authority, cloud: Cloud, keys: Keys
) -> AsyncIterator[tuple[AgentProcess, int]]:
    """Run a gateway with this system clock; yield it with the port of its broker."""
    for needed, package in ((FAKETIME, "libfaketime"), (Path(MOSQUITTO), "mosquitto")):
        if needed is None or not needed.exists():
            reason = f"not installed (Debian: apt install {package})"
            pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    broker = Mosquitto(folder / "broker", authority, f"gateway-{GATEWAY}")
    broker.start()
    agent = AgentProcess(folder / "gateway", authority, cloud, keys.gateway, broker.port, time=time)
    agent.start()
    try:
        yield agent, broker.port
    finally:
        await asyncio.to_thread(agent.stop)
        broker.stop()


@pytest.mark.parametrize("time", ["@1970-01-01 00:00:30", "+401d"])
async def test_gateway_acts_and_forwards_with_wrong_system_clock(
    time: str, tmp_path: Path, authority: Authority, cloud: Cloud, keys: Keys
) -> None:
    """Its events have the correct time, and the wrong clock is reported as a trouble."""
    began = datetime.now(UTC)
    async with gateway_of(time, tmp_path, authority, cloud, keys) as (agent, port):
        await until(lambda: agent.logged("connected to the broker"), SECONDS)
        async with speakers(authority, port) as announced, button(authority, port, DEVICES[0]) as one:
            await until(lambda: agent.logged("configuration applied"), SECONDS)
            await one.press(1)
            await until(lambda: one.stored() == [1] and announced, SECONDS)
            await until(lambda: cloud.of_kind("alert.raised"), SECONDS)
        hops = msgspec.convert(cloud.of_kind("alert.raised")[0]["hops"], dict[str, datetime | None])
        assert all(abs(moment - began) < timedelta(minutes=5) for moment in hops.values() if moment is not None)
        await until(lambda: any(e["trouble"] == "gateway_clock" for e in cloud.of_kind("device.trouble")), SECONDS)


async def test_clock_trouble_ends_when_system_clock_is_corrected(
    tmp_path: Path, authority: Authority, cloud: Cloud, keys: Keys
) -> None:
    async with gateway_of("+401d", tmp_path, authority, cloud, keys) as (agent, _):
        await until(lambda: any(e["trouble"] == "gateway_clock" for e in cloud.of_kind("device.trouble")), SECONDS)
        agent.set_time("+0")
        await until(lambda: any(e["trouble"] == "gateway_clock" for e in cloud.of_kind("device.recovered")), SECONDS)


async def test_gateway_acts_with_clock_in_1970_and_no_cloud(
    tmp_path: Path, authority: Authority, cloud: Cloud, keys: Keys
) -> None:
    """No source of time is available. The alert reaches the cloud once it is back."""
    await cloud.stop()
    async with gateway_of("@1970-01-01 00:00:30", tmp_path, authority, cloud, keys) as (agent, port):
        await until(lambda: agent.logged("connected to the broker"), SECONDS)
        async with button(authority, port, DEVICES[0]) as one:
            await one.press(1)
            await until(lambda: one.stored() == [1], SECONDS)
        await cloud.start()
        await until(lambda: cloud.of_kind("alert.raised"), SECONDS)
