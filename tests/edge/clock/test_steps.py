"""Presses, closes and drills at a gateway whose system clock is wrong, or steps while it runs."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge_agent.decision.dating import CLOCK_ERROR
from edge_agent.decision.presses import BOUNCE
from tests.edge.clock.test_system_clock import gateway_of
from tests.edge.conftest import Keys
from tests.edge.support.authority import Authority
from tests.edge.support.cloud import Cloud, Json
from tests.edge.support.mqtt import Button, button, speakers
from tests.edge.support.rig import until
from tests.edge.support.school import DEVICES, HALL
from tests.edge.test_agent import closed, rfc3339

pytestmark = pytest.mark.slow
ALERT = f"{DEVICES[0]}:a1b2c3d4:1"
GAP = BOUNCE.total_seconds()


def latest(event: Json) -> datetime:
    hops = event["hops"]
    assert isinstance(hops, dict)
    return datetime.fromisoformat(hops["latest_at"])


@pytest.mark.parametrize(("wrong", "slow_button"), [("+0", 25.0), ("-10m", 0.0)], ids=["button", "gateway"])
async def test_press_after_close_is_dated_after_close_with_slow_clock(
    wrong: str, slow_button: float, tmp_path: Path, authority: Authority, cloud: Cloud, keys: Keys
) -> None:
    """The alert is closed in the cloud while the gateway is offline. The press joins the alert that the gateway
    considers open, but its bounds let the cloud raise a new one. A slow gateway corrects its clock before it sends."""
    async with gateway_of(wrong, tmp_path, authority, cloud, keys) as (agent, port):
        await until(lambda: agent.logged("connected to the broker") and agent.logged("configuration applied"))
        async with button(authority, port, DEVICES[0]) as one:
            await one.press(1)
            await until(lambda: cloud.of_kind("alert.raised"))
            await cloud.stop()
            closed_at = datetime.now(UTC)
            await asyncio.sleep(GAP)
            reported = datetime.now(UTC) - timedelta(seconds=slow_button)
            await one.press(2, at=rfc3339(reported), clock="ntp")
            await until(lambda: one.stored() == [1, 2])
            agent.set_time("+0")
            await cloud.start()
            await until(lambda: cloud.of_kind("alert.pressed_again"))
    (again,) = cloud.of_kind("alert.pressed_again")
    assert again["alert_id"] == ALERT
    assert latest(again) > closed_at


async def test_press_after_received_close_raises_new_alert_with_slow_gateway_clock(
    tmp_path: Path, authority: Authority, cloud: Cloud, keys: Keys
) -> None:
    """The button sent it late, so that by the gateway's clock it was made before the close arrived."""
    async with gateway_of("-10m", tmp_path, authority, cloud, keys) as (agent, port):
        await until(lambda: agent.logged("connected to the broker") and cloud.sockets)
        async with button(authority, port, DEVICES[0]) as one:
            await one.press(1)
            await until(lambda: cloud.of_kind("alert.raised"))
            close = closed(ALERT)
            await asyncio.sleep(GAP)
            pressed_at = datetime.now(UTC)
            await asyncio.sleep(GAP)
            await cloud.send_message({"type": "alert.updated", "seq": 5, "alert": close})
            await until(lambda: agent.logged("an alert was closed in the cloud"))
            age = int((datetime.now(UTC) - pressed_at) / timedelta(milliseconds=1))
            await one.press(2, age_ms=age)
            await until(lambda: len(cloud.of_kind("alert.raised")) == 2)
        assert not cloud.of_kind("alert.pressed_again")


async def test_arming_received_late_has_no_effect_with_slow_gateway_clock(
    tmp_path: Path, authority: Authority, cloud: Cloud, keys: Keys
) -> None:
    """The command arrives after its expiry, but an hour before it by the gateway's clock."""
    async with gateway_of("-1h", tmp_path, authority, cloud, keys) as (agent, port):
        await until(lambda: agent.logged("connected to the broker") and cloud.sockets)
        await cloud.stop()
        over = rfc3339(datetime.now(UTC) - timedelta(seconds=1))
        command: Json = {"type": "command", "seq": 9, "command": "arm_drill", "device": DEVICES[0]}
        cloud.on_resume = [{**command, "expires_at": over}]
        resumed = len(cloud.resumed)
        await cloud.start()
        await until(lambda: len(cloud.resumed) > resumed)
        await until(lambda: any("armed for a drill" in str(line["event"]) for line in agent.log()))
        async with button(authority, port, DEVICES[0]) as one:
            await asyncio.sleep(CLOCK_ERROR.total_seconds())
            await press_now(one, 1)
            await until(lambda: cloud.of_kind("alert.raised"))
        assert cloud.of_kind("alert.raised")[0]["drill"] is False


async def test_real_press_ends_drill_in_cloud(tmp_path: Path, authority: Authority, cloud: Cloud, keys: Keys) -> None:
    """The real alert is announced over the drill, and the cloud receives which drill it ended."""
    async with gateway_of("+0", tmp_path, authority, cloud, keys) as (agent, port):
        await until(lambda: agent.logged("connected to the broker") and cloud.sockets)
        soon = rfc3339(datetime.now(UTC) + timedelta(seconds=60))
        await cloud.send_message(
            {"type": "command", "seq": 3, "command": "arm_drill", "device": DEVICES[0], "expires_at": soon}
        )
        await until(lambda: agent.logged("armed for a drill"))
        await asyncio.sleep(CLOCK_ERROR.total_seconds())
        async with (
            speakers(authority, port) as announced,
            button(authority, port, DEVICES[0]) as technician,
            button(authority, port, DEVICES[1]) as teacher,
        ):
            await press_now(technician, 1)
            await until(lambda: any(announcement["drill"] for _, announcement in announced))
            await press_now(teacher, 1)
            await until(lambda: any(room == HALL and not announcement["drill"] for room, announcement in announced))
            await until(lambda: cloud.of_kind("alert.resolved"))
    (ended,) = cloud.of_kind("alert.resolved")
    assert (ended["alert_id"], ended["by"]) == (ALERT, {"via": "real_press", "person": None, "name": None})
    assert [event["drill"] for event in cloud.of_kind("alert.raised")] == [True, False]


@pytest.mark.parametrize("step", ["-1h", "+365d"])
async def test_announcements_continue_after_clock_step(
    step: str, tmp_path: Path, authority: Authority, cloud: Cloud, keys: Keys
) -> None:
    """Without the cloud's time: ten seconds later the same alert is announced again."""
    async with gateway_of("+0", tmp_path, authority, cloud, keys) as (agent, port):
        await until(lambda: agent.logged("configuration applied"))
        await until((agent.state / "configuration.jws").exists)
        await asyncio.to_thread(agent.stop)
        await cloud.stop()
        before = agent.logged("connected to the broker")
        agent.start()
        await until(lambda: agent.logged("connected to the broker") > before)
        async with speakers(authority, port) as announced, button(authority, port, DEVICES[0]) as one:
            await one.press(1)
            await until(lambda: any(room == HALL for room, _ in announced))
            agent.set_time(step)
            seq = 1
            while max(int(str(announcement["generation"])) for _, announcement in announced) < 2:
                seq += 1
                assert seq < 60, "no announcement since the clock stepped"
                await one.press(seq)
                await asyncio.sleep(1)
        await cloud.start()


async def press_now(one: Button, seq: int) -> None:
    """Press a button with a correct clock."""
    await one.press(seq, at=rfc3339(datetime.now(UTC)), clock="ntp")
