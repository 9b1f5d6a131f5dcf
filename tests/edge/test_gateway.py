"""Effects of a decision, and the events that report them."""

from datetime import timedelta
from pathlib import Path

import msgspec

from edge_agent import times
from edge_agent.messages.events import ActionFailed, ActionStarted, TroubleBegan
from tests.edge.support.rig import rig, rows, until
from tests.edge.support.school import DEVICES, HALL, ROOMS, document


async def test_each_announcement_is_reported(tmp_path: Path) -> None:
    """`started` means that the broker accepted the message; the speaker has not confirmed it."""
    async with rig(tmp_path) as one:
        one.press(1)
        await until(lambda: one.cloud.kinds().count("action.started") == 3)
        started = [event for event in one.cloud.offered if isinstance(event, ActionStarted)]
        assert {event.room for event in started} == {*ROOMS[1:], HALL} and not any(e.confirmed for e in started)


async def test_failed_announcement_is_retried_at_next_press(tmp_path: Path) -> None:
    """The ten seconds without repetition only apply where the announcement was made."""
    async with rig(tmp_path) as one:
        one.building.reachable = False
        one.press(1)
        await until(lambda: one.cloud.kinds().count("action.failed") == 3)
        assert {e.reason for e in one.cloud.offered if isinstance(e, ActionFailed)} == {"not_delivered"}
        one.building.reachable = True
        one.press(1, DEVICES[1])
        await until(lambda: {room for room, _ in one.building.announcements} == {ROOMS[2], HALL})


async def test_alert_of_phone_is_announced(tmp_path: Path) -> None:
    """The cloud may add alerts."""
    async with rig(tmp_path) as one:
        now = times.now().isoformat()
        phone = document("mobile-1", source="mobile", device=None, status="new", resolved_at=None, triggered_at=now)
        one.gateway.apply_document(phone)
        await until(lambda: {room for room, _ in one.building.announcements} == {*ROOMS[1:], HALL})
    assert rows(tmp_path, "SELECT alert_id, closed_at FROM alerts") == [("mobile-1", None)]


async def test_close_survives_restart(tmp_path: Path) -> None:
    """After a restart the gateway still knows that the alert is closed."""
    async with rig(tmp_path) as one:
        one.press(1)
        await until(lambda: "alert.raised" in one.cloud.kinds())
        soon = (times.now() + timedelta(milliseconds=1)).isoformat()
        one.gateway.apply_document(document(f"{DEVICES[0]}:a1b2c3d4:1", resolved_at=soon))
    async with rig(tmp_path) as after:
        assert after.gateway.state.alerts[f"{DEVICES[0]}:a1b2c3d4:1"].stage == "cleared"
        after.press(2)
        await until(lambda: "alert.raised" in after.cloud.kinds())


async def test_every_button_message_raises_alarm_and_is_stored(tmp_path: Path) -> None:
    """Even an unreadable message, or one from an invalid name; the next press is processed as usual."""
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


async def test_press_raises_alert_with_inconsistent_state(tmp_path: Path) -> None:
    """If a bug makes a room undecidable, its presses are decided without the state."""
    async with rig(tmp_path) as one:
        one.gateway.state._near[ROOMS[0]] = {"a missing alert": None}
        one.press(1)
        await until(lambda: one.building.acks and one.building.announcements)
        await until(lambda: {"alert.raised", "device.trouble"} <= set(one.cloud.kinds()))


async def test_finish_does_not_wait_for_rejected_writes(tmp_path: Path) -> None:
    async with rig(tmp_path) as one:
        await one.store.submit(("CREATE TRIGGER no BEFORE INSERT ON presses BEGIN SELECT RAISE(ABORT, 'no'); END", ()))
        one.press(1)
        await until(lambda: "alert.raised" in one.cloud.kinds())
        await one.gateway.finish(5)
