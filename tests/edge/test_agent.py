"""The gateway process with a real broker, real button connections and a cloud on a port."""

import asyncio
import random
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge_agent.decision.dating import CLOCK_ERROR
from edge_agent.decision.presses import BOUNCE
from tests.edge.conftest import Keys
from tests.edge.support.authority import Authority
from tests.edge.support.broker import MOSQUITTO, Broker, Embedded, Mosquitto
from tests.edge.support.cloud import Cloud, Json
from tests.edge.support.mqtt import Button, button, speakers
from tests.edge.support.process import AgentProcess
from tests.edge.support.rig import rows, until
from tests.edge.support.school import DEVICES, GATEWAY, HALL, ROOMS, configuration

pytestmark = pytest.mark.slow
NAME = f"gateway-{GATEWAY}"


@dataclass
class Site:
    authority: Authority
    broker: Broker
    cloud: Cloud
    agent: AgentProcess

    async def run(self) -> None:
        there = self.agent.logged("connected to the broker")
        self.agent.start()
        await until(lambda: self.agent.logged("connected to the broker") > there)

    def raised(self) -> list[object]:
        return [event["alert_id"] for event in self.cloud.of_kind("alert.raised")]


@pytest.fixture(params=[Mosquitto, Embedded], ids=["mosquitto", "embedded"])
async def site(
    request: pytest.FixtureRequest, tmp_path: Path, authority: Authority, cloud: Cloud, keys: Keys
) -> AsyncIterator[Site]:
    if request.param is Mosquitto and not Path(MOSQUITTO).exists():
        pytest.skip("Mosquitto is not installed")
    broker: Broker = request.param(tmp_path / "broker", authority, NAME)
    broker.start()
    agent = AgentProcess(tmp_path / "gateway", authority, cloud, keys.gateway, broker.port)
    site = Site(authority, broker, cloud, agent)
    await site.run()
    await until(lambda: agent.logged("configuration applied"))
    yield site
    await asyncio.to_thread(agent.stop)
    broker.stop()


async def test_press_is_stored_announced_and_forwarded(site: Site) -> None:
    """The press is stored, confirmed, announced in the other rooms and forwarded with all hops."""
    async with (
        speakers(site.authority, site.broker.port) as announced,
        button(site.authority, site.broker.port, DEVICES[0]) as one,
    ):
        await one.press(1)
        await until(lambda: one.stored() == [1])
        await until(lambda: {room for room, _ in announced} == {*ROOMS[1:], HALL})
        await until(lambda: site.raised() == [f"{DEVICES[0]}:a1b2c3d4:1"])
        await until(lambda: len(site.cloud.of_kind("action.started")) == 3)
        assert site.cloud.of_kind("gateway.status")[0]["versions"]
        assert await asyncio.to_thread(site.agent.stop) == 0
        assert site.agent.log()[-1]["event"] == "the gateway has stopped"


async def test_invalid_messages_raise_alerts_and_troubles_without_blocking_others(site: Site) -> None:
    """Presses after the invalid messages are stored as usual."""
    async with (
        button(site.authority, site.broker.port, DEVICES[0]) as one,
        button(site.authority, site.broker.port, DEVICES[1]) as other,
        button(site.authority, site.broker.port, "ss-0stranger0") as stranger,
    ):
        bodies = (b"", b"\xff\xfe\x00", b"press!", b'{"v":1}', b"[" * 400, b'{"x":"' + b"y" * 600 + b'"}')
        for body in bodies:
            await other.send(body)
        await one.press(1, v=99)
        await one.press(2, "triple", at="1970-01-01T00:00:00.000Z", clock="ntp", age_ms=0)
        await stranger.press(1, "short")
        await until(lambda: one.stored() == [1, 2] and stranger.stored() == [1])
        await until(lambda: len(other.stored()) == len(bodies))
        await until(lambda: len(site.raised()) == 4)
    by_device = {str(event["device"]): event for event in site.cloud.of_kind("alert.raised")}
    assert (by_device["ss-0stranger0"]["type"], by_device["ss-0stranger0"]["room"]) == ("lockdown", None)
    assert by_device[DEVICES[1]]["type"] == "lockdown"
    expected = {"unknown_version", "clock_suspect", "unknown_device", "unreadable_press", "unidentified_press"}
    await until(lambda: expected <= {event["trouble"] for event in site.cloud.of_kind("device.trouble")})


async def test_press_after_close_in_cloud_raises_new_alert(site: Site) -> None:
    """The downlink reports the close, so the next press raises a new alert."""
    async with button(site.authority, site.broker.port, DEVICES[0]) as one:
        await until(lambda: site.cloud.sockets)
        await one.press(1)
        await until(site.raised)
        await site.cloud.send_message({"type": "alert.updated", "seq": 5, "alert": closed(f"{DEVICES[0]}:a1b2c3d4:1")})
        await until(lambda: site.agent.logged("an alert was closed in the cloud"))
        await asyncio.sleep(BOUNCE.total_seconds())
        await one.press(2)
        await until(lambda: len(site.raised()) == 2)
        await asyncio.to_thread(site.agent.stop)
        await site.run()
        await until(lambda: 5 in site.cloud.resumed)


async def test_announced_configuration_is_fetched_at_once(site: Site) -> None:
    await until(lambda: site.cloud.sockets)
    site.cloud.configuration = configuration(version=8)
    await site.cloud.send_message({"type": "config.changed", "seq": 4, "gateway": GATEWAY, "version": 8})
    await until(lambda: site.agent.logged("configuration applied") == 2)


async def test_armed_button_raises_one_drill(site: Site) -> None:
    async with button(site.authority, site.broker.port, DEVICES[0]) as one:
        await until(lambda: site.cloud.sockets)
        until_then = rfc3339(datetime.now(UTC) + timedelta(seconds=50))
        command: Json = {"type": "command", "seq": 3, "command": "arm_drill", "device": DEVICES[0]}
        await site.cloud.send_message({**command, "expires_at": until_then})
        await until(lambda: site.agent.logged("armed for a drill"))
        await asyncio.sleep(CLOCK_ERROR.total_seconds())
        await one.press(1, at=rfc3339(datetime.now(UTC)), clock="ntp")
        await until(site.raised)
        await asyncio.sleep(BOUNCE.total_seconds())
        await one.press(2)
        await until(lambda: len(site.raised()) == 2)
        assert [event["drill"] for event in site.cloud.of_kind("alert.raised")] == [True, False]


async def test_gateway_reconnects_after_broker_outage(site: Site) -> None:
    """The gateway reconnects, reports the trouble, and accepts presses again."""
    site.broker.stop()
    await until(lambda: any(event["trouble"] == "broker" for event in site.cloud.of_kind("device.trouble")))
    site.broker.start()
    await until(lambda: any(event["trouble"] == "broker" for event in site.cloud.of_kind("device.recovered")))
    async with button(site.authority, site.broker.port, DEVICES[0]) as one:
        await one.press(1)
        await until(lambda: one.stored() == [1])


async def test_gateway_starts_without_cloud(site: Site) -> None:
    """The stored configuration decides; the alert reaches the cloud later."""
    await until((site.agent.state / "configuration.jws").exists)
    await asyncio.to_thread(site.agent.stop)
    await site.cloud.stop()
    await site.run()
    async with button(site.authority, site.broker.port, DEVICES[0]) as one:
        await one.press(1, "triple")
        await until(lambda: one.stored() == [1])
    await site.cloud.start()
    await until(site.raised)
    assert site.cloud.of_kind("alert.raised")[0]["type"] == "medical"


async def test_second_instance_exits_with_same_state_directory(site: Site) -> None:
    second = await asyncio.to_thread(site.agent.second)
    assert (second.returncode, second.stderr.count("\n")) == (1, 1) and "another instance is running" in second.stderr


async def test_confirmed_presses_are_neither_lost_nor_duplicated_after_kills(site: Site) -> None:
    """60 buttons repeat 300 presses until confirmed, while the gateway is killed again and again."""
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    names = [f"ss-{number:08x}" for number in range(60)]
    entries = [{"device": name, "room": None, "lifecycle": "active", "power": "mains"} for name in names]
    site.cloud.configuration = configuration(version=8, devices=entries)
    done = asyncio.Event()

    async def stubborn(one: Button) -> None:
        """Press like the firmware: send, wait for `stored`, send again."""
        for seq in range(1, 6):
            await asyncio.sleep(chance.uniform(0, 0.4))
            while seq not in one.stored():
                await one.press(seq)
                for _ in range(50):
                    if seq in one.stored():
                        break
                    await asyncio.sleep(0.01)

    async def killer() -> int:
        kills = 0
        while not done.is_set():
            await asyncio.sleep(chance.uniform(0.3, 1.2))
            site.agent.stop(signal.SIGKILL)
            kills += 1
            await site.run()
        return kills

    async with AsyncExitStack() as stack:
        buttons = [await stack.enter_async_context(button(site.authority, site.broker.port, name)) for name in names]
        killing = asyncio.get_running_loop().create_task(killer())
        await asyncio.gather(*(stubborn(one) for one in buttons))
        done.set()
        kills = await killing
    expected = {(name, seq) for name in names for seq in range(1, 6)}

    def pressed() -> list[tuple[str, int]]:
        kinds = ("alert.raised", "alert.pressed_again")
        return [(str(e["device"]), int(str(e["seq"]))) for e in site.cloud.events if e["kind"] in kinds]

    bounced = await asyncio.to_thread(bounces, site.agent)
    await until(lambda: set(pressed()) >= expected - bounced)
    print(f"{kills} kills, {len(bounced)} bounces")
    assert kills > 0
    assert len(pressed()) == len(set(pressed())), "one press, one event"
    assert len(site.raised()) == len(set(site.raised())) == 60, "one alert per button"
    assert not set(pressed()) - expected


def bounces(agent: AgentProcess) -> set[tuple[str, int]]:
    bounced_rows = rows(agent.state, "SELECT device, seq FROM presses WHERE outcome = 'bounce'")
    return {(str(device), int(str(seq))) for device, seq in bounced_rows}


def rfc3339(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def closed(alert_id: str) -> Json:
    now = rfc3339(datetime.now(UTC))
    person = {"id": "00000000-0000-0000-0000-0000000000aa", "name": "Ada"}
    return {
        "id": "00000000-0000-0000-0000-0000000000bb",
        "alert_id": alert_id,
        "organization_id": "00000000-0000-0000-0000-0000000000cc",
        "alert_type": "lockdown",
        "severity": "critical",
        "status": "resolved",
        "source": "button",
        "is_drill": False,
        "is_silent": False,
        "is_late": False,
        "is_unattributed": False,
        "device": {"id": None, "device_id": DEVICES[0]},
        "place": None,
        "triggered_at": now,
        "received_at": now,
        "presses": 1,
        "last_pressed_at": now,
        "acknowledged_at": None,
        "acknowledged_by": None,
        "resolved_at": now,
        "resolved_by": person,
        "approvals": {"given": 1, "required": 1, "by": [person]},
        "close_reason": "real",
        "hops": {"pressed_at": now, "arrived_at": now, "stored_at": now, "acted_at": now, "received_at": now},
    }
