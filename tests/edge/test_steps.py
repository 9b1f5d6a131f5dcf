"""Presses, closes and drills at a gateway whose system clock is wrong, or steps while it runs."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge_agent.decision.dating import CLOCK_ERROR
from edge_agent.decision.presses import BOUNCE
from tests.edge.conftest import Keys
from tests.edge.support.authority import Authority
from tests.edge.support.cloud import Cloud, Json
from tests.edge.support.hand import Hand, hand, speakers
from tests.edge.support.rig import until
from tests.edge.support.school import DEVICES, HALL
from tests.edge.test_agent import closed, rfc3339
from tests.edge.test_system_clock import gateway_of

pytestmark = pytest.mark.slow
ALERT = f"{DEVICES[0]}:a1b2c3d4:1"
GAP = BOUNCE.total_seconds()


def latest(event: Json) -> datetime:
    hops = event["hops"]
    assert isinstance(hops, dict)
    return datetime.fromisoformat(hops["latest_at"])


@pytest.mark.parametrize(("wrong", "slow_button"), [("+0", 25.0), ("-10m", 0.0)], ids=["button", "gateway"])
async def test_press_after_close_is_dated_after_it_by_a_slow_clock(
    wrong: str, slow_button: float, tmp_path: Path, authority: Authority, cloud: Cloud, keys: Keys
) -> None:
    """Closed in the cloud while the gateway is cut off; the press joins what the gateway takes for open, and its bounds
    let the cloud make a new alert of it. A slow gateway is corrected before it sends."""
    async with gateway_of(wrong, tmp_path, authority, cloud, keys) as (agent, port):
        await until(lambda: agent.said("the broker is there") and agent.said("configuration applied"))
        async with hand(authority, port, DEVICES[0]) as one:
            await one.press(1)
            await until(lambda: cloud.of_kind("alert.raised"))
            await cloud.stop()
            closed_at = datetime.now(UTC)
            await asyncio.sleep(GAP)
            told = datetime.now(UTC) - timedelta(seconds=slow_button)
            await one.press(2, at=rfc3339(told), clock="ntp")
            await until(lambda: one.stored() == [1, 2])
            agent.set_time("+0")
            await cloud.start()
            await until(lambda: cloud.of_kind("alert.pressed_again"))
    (again,) = cloud.of_kind("alert.pressed_again")
    assert again["alert_id"] == ALERT
    assert latest(again) > closed_at


async def test_press_after_learned_close_is_new_alert_at_a_slow_gateway(
    tmp_path: Path, authority: Authority, cloud: Cloud, keys: Keys
) -> None:
    """The button could not send it at once, so that by the gateway's clock it was made before the close was learned."""
    async with gateway_of("-10m", tmp_path, authority, cloud, keys) as (agent, port):
        await until(lambda: agent.said("the broker is there") and cloud.sockets)
        async with hand(authority, port, DEVICES[0]) as one:
            await one.press(1)
            await until(lambda: cloud.of_kind("alert.raised"))
            close = closed(ALERT)
            await asyncio.sleep(GAP)
            made = datetime.now(UTC)
            await asyncio.sleep(GAP)
            await cloud.tell({"type": "alert.updated", "seq": 5, "alert": close})
            await until(lambda: agent.said("an alert was closed in the cloud"))
            age = int((datetime.now(UTC) - made) / timedelta(milliseconds=1))
            await one.press(2, age_ms=age)
            await until(lambda: len(cloud.of_kind("alert.raised")) == 2)
        assert not cloud.of_kind("alert.pressed_again")


async def test_drill_armed_while_cut_off_makes_no_real_press_a_drill_at_a_slow_gateway(
    tmp_path: Path, authority: Authority, cloud: Cloud, keys: Keys
) -> None:
    """The gateway hears of it when it is over; by its own clock it has an hour to go."""
    async with gateway_of("-1h", tmp_path, authority, cloud, keys) as (agent, port):
        await until(lambda: agent.said("the broker is there") and cloud.sockets)
        await cloud.stop()
        over = rfc3339(datetime.now(UTC) - timedelta(seconds=1))
        command: Json = {"type": "command", "seq": 9, "command": "arm_drill", "device": DEVICES[0]}
        cloud.on_resume = [{**command, "expires_at": over}]
        resumed = len(cloud.resumed)
        await cloud.start()
        await until(lambda: len(cloud.resumed) > resumed)
        await until(lambda: any("armed for a drill" in str(line["event"]) for line in agent.log()))
        async with hand(authority, port, DEVICES[0]) as one:
            await asyncio.sleep(CLOCK_ERROR.total_seconds())
            await press_now(one, 1)
            await until(lambda: cloud.of_kind("alert.raised"))
        assert cloud.of_kind("alert.raised")[0]["drill"] is False


async def test_real_press_ends_drill(tmp_path: Path, authority: Authority, cloud: Cloud, keys: Keys) -> None:
    """It is announced over the drill, and the cloud is told which drill it ended."""
    async with gateway_of("+0", tmp_path, authority, cloud, keys) as (agent, port):
        await until(lambda: agent.said("the broker is there") and cloud.sockets)
        soon = rfc3339(datetime.now(UTC) + timedelta(seconds=60))
        await cloud.tell(
            {"type": "command", "seq": 3, "command": "arm_drill", "device": DEVICES[0], "expires_at": soon}
        )
        await until(lambda: agent.said("armed for a drill"))
        await asyncio.sleep(CLOCK_ERROR.total_seconds())
        async with (
            speakers(authority, port) as said,
            hand(authority, port, DEVICES[0]) as technician,
            hand(authority, port, DEVICES[1]) as teacher,
        ):
            await press_now(technician, 1)
            await until(lambda: any(play["drill"] for _, play in said))
            await press_now(teacher, 1)
            await until(lambda: any(room == HALL and not play["drill"] for room, play in said))
            await until(lambda: cloud.of_kind("alert.resolved"))
    (ended,) = cloud.of_kind("alert.resolved")
    assert (ended["alert_id"], ended["by"]) == (ALERT, {"via": "real_press", "person": None, "name": None})
    assert [event["drill"] for event in cloud.of_kind("alert.raised")] == [True, False]


@pytest.mark.parametrize("step", ["-1h", "+365d"])
async def test_announcements_go_on_when_the_system_clock_steps(
    step: str, tmp_path: Path, authority: Authority, cloud: Cloud, keys: Keys
) -> None:
    """Without a cloud to say what time it is: ten seconds later the same alert is announced again."""
    async with gateway_of("+0", tmp_path, authority, cloud, keys) as (agent, port):
        await until(lambda: agent.said("configuration applied"))
        await until((agent.state / "configuration.jws").exists)
        await asyncio.to_thread(agent.stop)
        await cloud.stop()
        before = agent.said("the broker is there")
        agent.start()
        await until(lambda: agent.said("the broker is there") > before)
        async with speakers(authority, port) as said, hand(authority, port, DEVICES[0]) as one:
            await one.press(1)
            await until(lambda: any(room == HALL for room, _ in said))
            agent.set_time(step)
            seq = 1
            while max(int(str(play["generation"])) for _, play in said) < 2:
                seq += 1
                assert seq < 60, "mute since the clock stepped"
                await one.press(seq)
                await asyncio.sleep(1)
        await cloud.start()


async def press_now(one: Hand, seq: int) -> None:
    """By a button whose clock is right."""
    await one.press(seq, at=rfc3339(datetime.now(UTC)), clock="ntp")
