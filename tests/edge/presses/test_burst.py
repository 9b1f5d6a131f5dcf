"""A burst of 200 buttons pressed at once, measured from press to `stored` on each button's own connection."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from tests.edge.conftest import Keys
from tests.edge.support.authority import Authority
from tests.edge.support.broker import MOSQUITTO, Mosquitto
from tests.edge.support.cloud import Cloud
from tests.edge.support.process import ROOT, AgentProcess
from tests.edge.support.rig import until
from tests.edge.support.school import GATEWAY, configuration
from tests.kit.patience import Promise

BUTTONS, ROUNDS = 200, 6
UPPER_LIMIT = 0.25
"""Seconds. The target is 50 ms on a dedicated machine. Here broker, gateway, cloud and 200 buttons share it with other
tests, so the figures are printed, and only a failure that load cannot explain fails the test."""


@pytest.mark.slow
async def test_two_hundred_simultaneous_presses_are_confirmed_in_time(
    tmp_path: Path, authority: Authority, cloud: Cloud, keys: Keys
) -> None:
    """Every press is confirmed in every round; the percentiles of the best round are printed."""
    if not Path(MOSQUITTO).exists():
        pytest.skip("Mosquitto is not installed")
    names = [f"ss-{number:08x}" for number in range(BUTTONS)]
    entries = [{"device": name, "room": None, "lifecycle": "active", "power": "mains"} for name in names]
    cloud.configuration = configuration(devices=entries)
    broker = Mosquitto(tmp_path / "broker", authority, f"gateway-{GATEWAY}")
    broker.start()
    agent = AgentProcess(tmp_path / "gateway", authority, cloud, keys.gateway, broker.port)
    agent.start()
    try:
        await until(lambda: agent.logged("connected to the broker") and agent.logged("configuration applied"))
        promise = Promise(UPPER_LIMIT)
        rounds = await press_all(authority, broker.port, names)
    finally:
        await asyncio.to_thread(agent.stop)
        broker.stop()
    assert [len(took) for took in rounds] == [BUTTONS] * ROUNDS
    best = min((sorted(took) for took in rounds), key=lambda took: took[int(BUTTONS * 0.99)])
    p50, p99 = best[BUTTONS // 2], best[int(BUTTONS * 0.99)]
    print(f"press -> stored, {BUTTONS} buttons at once, best of {ROUNDS}: p50 {p50:.1f} ms, p99 {p99:.1f} ms")
    assert p99 / 1000 < promise.seconds


async def press_all(authority: Authority, port: int, names: list[str]) -> list[list[float]]:
    """Press from a separate process, to disturb the measured ones as little as possible."""
    pairs = [(name, authority.issue(name)) for name in names]
    lines = "".join(f"{name} {pair.cert} {pair.key}\n" for name, pair in pairs)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.edge.support.buttons",
        str(port),
        str(authority.certificate),
        str(ROUNDS),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate(lines.encode())
    assert process.returncode == 0
    return [json.loads(line) for line in out.splitlines()]
