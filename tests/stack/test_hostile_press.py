"""Malformed presses through each real broker: each raises an alert, is confirmed and blocks no other."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from devstack.machine import pki
from tests.edge.support.authority import Authority, Pair
from tests.edge.support.cloud import Cloud
from tests.edge.support.mqtt import Button, button
from tests.edge.support.process import AgentProcess
from tests.edge.support.rig import until
from tests.edge.support.school import ROOMS, configuration
from tests.stack import brokers
from tests.stack.school import BROKERS, broker_or_skip

pytestmark = [pytest.mark.stack, pytest.mark.slow]


class DemoAuthority(Authority):
    """The demo's certificates, for which the shipped brokers are configured."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.certificate = folder / "root.pem"

    def issue(self, common_name: str, *, at: datetime | None = None) -> Pair:
        """Return the certificate of a button or of the gateway."""
        if common_name.startswith("gateway-"):
            identity = pki.gateway_identity(self._folder, brokers.GATEWAY_ID)
        else:
            identity = pki.button_identity(self._folder, common_name)
        return Pair(identity.certificate, identity.key)


@dataclass
class Site:
    authority: DemoAuthority
    port: int
    cloud: Cloud
    agent: AgentProcess
    devices: list[str]

    async def run(self) -> None:
        before = self.agent.logged("connected to the broker")
        self.agent.start()
        await until(lambda: self.agent.logged("connected to the broker") > before)

    def raised(self) -> dict[str, dict[str, object]]:
        return {str(event["alert_id"]): event for event in self.cloud.of_kind("alert.raised")}

    def troubles(self, device: str) -> set[object]:
        return {event["trouble"] for event in self.cloud.of_kind("device.trouble") if event["device"] == device}


@pytest.fixture(params=sorted(BROKERS))
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    broker_or_skip(request.param)
    certificates, start = tmp_path / "pki", BROKERS[request.param]
    certificates.mkdir()
    pki.make_pki(certificates, buttons=4)
    key = ec.generate_private_key(ec.SECP256R1())
    cloud = Cloud(brokers.GATEWAY_ID, key.public_key())
    devices = pki.device_ids(certificates)
    entries = [
        {"device": device, "room": room, "lifecycle": "active", "power": "mains"}
        for device, room in zip(devices, ROOMS, strict=False)
    ]
    cloud.configuration = configuration(gateway=brokers.GATEWAY_ID, devices=entries)
    await cloud.start()
    authority = DemoAuthority(certificates)
    with start(certificates, tmp_path) as port:
        agent = AgentProcess(tmp_path / "gateway", authority, cloud, key, port)
        site = Site(authority, port, cloud, agent, devices)
        await site.run()
        await until(lambda: agent.logged("configuration applied"))
        yield site
        await asyncio.to_thread(agent.stop)
    await cloud.stop()


async def test_press_with_time_at_edge_of_calendar_raises_alert_and_blocks_no_other(site: Site) -> None:
    """The message gets its PUBACK, so it is not redelivered after a restart."""
    first, other, *_ = site.devices
    async with button(site.authority, site.port, first) as hostile, button(site.authority, site.port, other) as usual:
        await hostile.press(1, at="9999-12-31T23:59:59-23:59", clock="ntp")
        await usual.press(1)
        await until(lambda: hostile.stored() == [1] and usual.stored() == [1])
        await until(lambda: len(site.raised()) == 2)
        await until(lambda: "clock_suspect" in site.troubles(first))
        assert site.raised()[f"{first}:a1b2c3d4:1"]["clock_suspect"] is True
        await asyncio.to_thread(site.agent.stop)
        await site.run()
        await usual.press(2, "triple")
        await until(lambda: usual.stored() == [1, 2])
        await until(lambda: len(site.raised()) == 3)
    assert hostile.stored() == [1]


SURROUNDED: list[Callable[[bytes], bytes]] = [
    lambda body: body + b"\0",
    lambda body: body[:-1] + b',"temperature":nan}',
    lambda body: body[:-1] + b',"rssi":-inf}',
    lambda body: b"\xef\xbb\xbf" + body,
    lambda body: body.decode().encode("utf-16"),
    lambda body: body[:-1] + b',"note":"' + b"x" * 1000 + b'"}',
]


def has_stored(one: Button, seq: int) -> bool:
    """Whether all presses up to this one are confirmed, each once."""
    return one.stored() == list(range(1, seq + 1))


async def test_press_with_surrounding_bytes_raises_alert_and_trouble(site: Site) -> None:
    """As sent by embedded clients: with a trailing NUL, `nan` in an unused field, a byte order mark."""
    device, inst = site.devices[0], "a1b2c3d4"
    patterns = ["long", "short", "triple", "other", "long", "short"]
    async with button(site.authority, site.port, device) as one:
        for seq, (change, pattern) in enumerate(zip(SURROUNDED, patterns, strict=True), 1):
            body = {"v": 1, "device": device, "inst": inst, "seq": seq, "boot": 1, "uptime_ms": seq, "age_ms": 0}
            await one.send(change(json.dumps({**body, "pattern": pattern}).encode()))
            await until(partial(has_stored, one, seq))
    pressed = {f"{device}:{inst}:{seq}" for seq in (1, 2, 3)}
    await until(lambda: pressed <= site.raised().keys())
    await until(lambda: {"unreadable_press", "oversize_press"} <= site.troubles(device))
