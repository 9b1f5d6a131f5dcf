"""What the gateway does with a decision, and tells of it."""

from datetime import timedelta
from pathlib import Path

import msgspec

from edge_agent import times
from edge_agent.messages.events import ActionFailed, ActionStarted, TroubleBegan
from tests.edge.support.rig import rig, rows, until
from tests.edge.support.school import DEVICES, HALL, ROOMS, document


async def test_each_message_to_a_speaker_is_told(tmp_path: Path) -> None:
    """`started`: the broker has it; the speaker itself has not confirmed it."""
    async with rig(tmp_path) as one:
        one.press(1)
        await until(lambda: one.cloud.kinds().count("action.started") == 3)
        started = [event for event in one.cloud.offered if isinstance(event, ActionStarted)]
        assert {event.room for event in started} == {*ROOMS[1:], HALL} and not any(e.confirmed for e in started)


async def test_a_speaker_that_could_not_be_told_is_tried_again_at_the_next_press(tmp_path: Path) -> None:
    """The ten seconds of one message hold only where it was said."""
    async with rig(tmp_path) as one:
        one.building.reachable = False
        one.press(1)
        await until(lambda: one.cloud.kinds().count("action.failed") == 3)
        assert {e.reason for e in one.cloud.offered if isinstance(e, ActionFailed)} == {"not_delivered"}
        one.building.reachable = True
        one.press(1, DEVICES[1])
        await until(lambda: {room for room, _ in one.building.plays} == {ROOMS[2], HALL})


async def test_an_alert_of_a_phone_sounds_here(tmp_path: Path) -> None:
    """The cloud may add alarms."""
    async with rig(tmp_path) as one:
        now = times.now().isoformat()
        phone = document("mobile-1", source="mobile", device=None, status="new", resolved_at=None, triggered_at=now)
        one.gateway.learn(phone)
        await until(lambda: {room for room, _ in one.building.plays} == {*ROOMS[1:], HALL})
    assert rows(tmp_path, "SELECT alert_id, closed_at FROM alerts") == [("mobile-1", None)]


async def test_a_close_is_kept(tmp_path: Path) -> None:
    """After a restart the gateway still knows what is over."""
    async with rig(tmp_path) as one:
        one.press(1)
        await until(lambda: "alert.raised" in one.cloud.kinds())
        soon = (times.now() + timedelta(milliseconds=1)).isoformat()
        one.gateway.learn(document(f"{DEVICES[0]}:a1b2c3d4:1", resolved_at=soon))
    async with rig(tmp_path) as after:
        assert after.gateway.state.alerts[f"{DEVICES[0]}:a1b2c3d4:1"].stage == "cleared"
        after.press(2)
        await until(lambda: "alert.raised" in after.cloud.kinds())


async def test_every_message_of_a_button_is_an_alarm_and_stored(tmp_path: Path) -> None:
    """Also one that nobody can read, from a name that no message can carry; the next press is taken as ever."""
    async with rig(tmp_path) as one:
        for body in (b"", b"\0" * 512, b"{" * 512, msgspec.json.encode(list(range(100))), b"\xf0\x28\x8c\x28"):
            one.gateway.receive(DEVICES[0], body)
        one.gateway.receive("not a device\0", b"{}")
        one.press(1, DEVICES[1])
        await until(lambda: len(one.building.acks) == 7)
        await until(lambda: one.cloud.kinds().count("alert.raised") == 3)
    outcomes = rows(tmp_path, "SELECT outcome, count(*) FROM presses GROUP BY outcome ORDER BY outcome")
    assert outcomes == [("bounce", 4), ("raised", 3)]
    assert {"unreadable_press", "unidentified_press", "device_name"} <= {
        event.trouble for event in one.cloud.offered if isinstance(event, TroubleBegan)
    }


async def test_a_press_is_heard_even_when_what_is_known_is_broken(tmp_path: Path) -> None:
    """Should a fault of ours make a room undecidable, its presses are taken as if nothing were known."""
    async with rig(tmp_path) as one:
        one.gateway.state._near[ROOMS[0]] = {"an alert that is not there": None}
        one.press(1)
        await until(lambda: one.building.acks and one.building.plays)
        await until(lambda: {"alert.raised", "device.trouble"} <= set(one.cloud.kinds()))


async def test_a_stop_does_not_wait_for_what_will_never_be_stored(tmp_path: Path) -> None:
    async with rig(tmp_path) as one:
        await one.store.submit(("CREATE TRIGGER no BEFORE INSERT ON presses BEGIN SELECT RAISE(ABORT, 'no'); END", ()))
        one.press(1)
        await until(lambda: "alert.raised" in one.cloud.kinds())
        await one.gateway.finish(5)
