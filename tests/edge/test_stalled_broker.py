"""A broker that stops answering on an open connection: detected, reported, and reconnected to."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.edge.conftest import Keys
from tests.edge.support.authority import Authority
from tests.edge.support.broker import MOSQUITTO, Mosquitto
from tests.edge.support.cloud import Cloud
from tests.edge.support.mqtt import button
from tests.edge.support.process import AgentProcess
from tests.edge.support.rig import until
from tests.edge.support.school import DEVICES, GATEWAY
from tests.kit.patience import WAIT_SECONDS, Promise

pytestmark = pytest.mark.slow
NOTICED_SECONDS = 5.0


async def test_stalled_broker_is_detected_within_five_seconds_and_reconnected(
    tmp_path: Path, authority: Authority, cloud: Cloud, keys: Keys
) -> None:
    if not Path(MOSQUITTO).exists():
        pytest.skip("Mosquitto is not installed")
    broker = Mosquitto(tmp_path / "broker", authority, f"gateway-{GATEWAY}")
    broker.start()
    agent = AgentProcess(tmp_path / "gateway", authority, cloud, keys.gateway, broker.port)
    agent.start()
    try:
        await until(
            lambda: agent.logged("connected to the broker") and agent.logged("configuration applied"), WAIT_SECONDS
        )
        promise = Promise(NOTICED_SECONDS)
        os.kill(broker.pid, signal.SIGSTOP)
        await until(lambda: troubles(cloud, "device.trouble"), WAIT_SECONDS)
        assert promise.was_kept()
        os.kill(broker.pid, signal.SIGCONT)
        await until(lambda: troubles(cloud, "device.recovered"), WAIT_SECONDS)
        async with button(authority, broker.port, DEVICES[0]) as one:
            await one.press(1)
            await until(lambda: one.stored() == [1], WAIT_SECONDS)
    finally:
        os.kill(broker.pid, signal.SIGCONT)
        await asyncio.to_thread(agent.stop)
        broker.stop()


def troubles(cloud: Cloud, kind: str) -> bool:
    return any(event["trouble"] == "broker" for event in cloud.of_kind(kind))
