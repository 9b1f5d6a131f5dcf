"""Presses in doubt: unknown identity, unknown time, next to silent alerts, during a drill."""

import msgspec
import pytest

from edge_agent.decision import closing
from edge_agent.decision.presses import decide
from edge_agent.decision.state import State
from edge_agent.messages.events import PressedAgain, Raised, Resolved, TroubleBegan
from edge_agent.messages.press import UNIDENTIFIED, read_press
from edge_agent.times import Bounds, Instant
from tests.edge.support.school import DEVICES, HALL, ROOMS, accept, at, document, instant, policy, press, press_event


def body(**changes: object) -> bytes:
    facts = {"v": 1, "device": DEVICES[0], "inst": "a1b2c3d4", "seq": 7, "boot": 1, "uptime_ms": 5, "age_ms": 0}
    return msgspec.json.encode({**facts, "pattern": "long", **changes})


def test_time_at_edge_of_calendar_is_suspect(state: State) -> None:
    """And the invalid time is not sent to the cloud."""
    parsed = read_press(DEVICES[0], body(at="9999-12-31T23:59:59-23:59", clock="ntp"))
    decision = accept(state, parsed, 0)
    assert press_event(decision).clock_suspect and press_event(decision).claimed_at is msgspec.UNSET
    assert [event.trouble for event in decision.events if isinstance(event, TroubleBegan)] == ["clock_suspect"]


@pytest.mark.parametrize("surround", [b"%b\0", b"\xef\xbb\xbf%b", b"junk %b junk", b"[%b]", b"%b}}"])
def test_message_with_surrounding_bytes_is_read_completely(surround: bytes) -> None:
    """The age is read as well, so that a late press is dated correctly."""
    parsed = read_press(DEVICES[0], surround % body(age_ms=5000))
    assert (parsed.id, parsed.pattern, parsed.age_ms) == ((DEVICES[0], "a1b2c3d4", 7), "long", 5000)
    assert parsed.doubts == ("unreadable_press",)


def test_age_of_unknown_version_is_ignored() -> None:
    """It may be counted differently in that version, and would date the press before a close."""
    assert read_press(DEVICES[0], body(v=2, age_ms=60_000)).age_ms is None


def test_unidentified_body_is_repeat_within_seconds_and_new_press_later(state: State) -> None:
    """The broker redelivers unconfirmed messages, and a broken button sends the same body for each press."""
    rubbish = read_press(DEVICES[0], b"press!")
    assert UNIDENTIFIED in rubbish.doubts
    first = accept(state, rubbish, 0)
    assert accept(state, rubbish, 5).repeat
    again = accept(state, rubbish, 20)
    assert isinstance(press_event(again), PressedAgain) and again.press.id != first.press.id
    closed = document(press_event(first).alert_id, resolved_at=at(30).isoformat())
    update = closing.apply_document(state, closed, instant(31))
    assert update is not None
    state.put(update.alert)
    assert isinstance(press_event(accept(state, rubbish, 40)), Raised), "pressed after the close"


def test_pattern_is_kept_without_readable_identity(state: State) -> None:
    """An invalid seq must not make a silent press audible."""
    decision = accept(state, read_press(DEVICES[0], body(seq=-1, pattern="double")), 0)
    assert press_event(decision).silent and not decision.announcements


def test_press_after_close_raises_new_alert_without_cloud_time(state: State) -> None:
    """After a restart without the cloud it is unknown whether an old press came before a stored close."""
    first = accept(state, press(1), 0)
    update = closing.apply_document(state, document(press_event(first).alert_id), instant(60))
    assert update is not None
    state.put(update.alert)
    unknown = Instant(at(100), 100.0)
    event = press_event(decide(state, press(2, age_ms=50_000), unknown))
    assert isinstance(event, Raised)
    assert (event.hops.earliest_at, event.hops.latest_at) == (None, None)


def test_press_within_clock_error_raises_new_alert(state: State) -> None:
    """The press is two seconds before the close, by a clock that may be three seconds off."""
    first = accept(state, press(1), 0)
    update = closing.apply_document(state, document(press_event(first).alert_id), instant(60))
    assert update is not None
    state.put(update.alert)
    arrived = Instant(at(108), 108.0, Bounds(at(105), at(111)))
    assert isinstance(press_event(decide(state, press(2, age_ms=50_000), arrived)), Raised)


def test_press_possibly_queued_at_broker_is_not_a_drill(state: State) -> None:
    """A press without a synchronized time may have been made before the device was armed."""
    assert closing.arm(state, DEVICES[0], at(60), instant(0))
    assert not press_event(decide(state, press(1), instant(30), queued=True)).drill
    clocked = press(1, at=at(29).isoformat(), clock="ntp")
    assert press_event(decide(state, clocked, instant(30), queued=True)).drill


def test_press_with_slow_clock_is_not_a_drill_when_possibly_before_arming(state: State) -> None:
    assert closing.arm(state, DEVICES[0], at(60), instant(0))
    slow = press(1, at=at(-15).isoformat(), clock="ntp")
    assert not press_event(decide(state, slow, instant(10))).drill


def test_arming_is_refused_without_cloud_time(state: State) -> None:
    assert not closing.arm(state, DEVICES[0], at(60), Instant(at(0), 0.0))


def test_real_press_ends_drills_unless_silent(state: State) -> None:
    """A drill that stops would reveal a silent press to bystanders."""
    assert closing.arm(state, DEVICES[0], at(60), instant(0))
    drill = press_event(accept(state, press(1), 2))
    assert drill.drill
    silent = accept(state, press(1, DEVICES[1], "double"), 4)
    assert not [event for event in silent.events if isinstance(event, Resolved)]
    real = accept(state, press(1, DEVICES[2], "short"), 6)
    (ended,) = [event for event in real.events if isinstance(event, Resolved)]
    assert (ended.alert_id, ended.by.via, ended.reason) == (drill.alert_id, "real_press", "drill")
    assert not state.alerts[drill.alert_id].open and not list(state.drills)


def test_drill_does_not_mute_its_room_for_real_alert(state: State) -> None:
    assert closing.arm(state, DEVICES[1], at(60), instant(0))
    assert press_event(accept(state, press(1, DEVICES[1], "long"), 2)).drill
    real = accept(state, press(1, DEVICES[0], "long"), 4)
    assert {room for room, _ in real.announcements} == {ROOMS[1], ROOMS[2], HALL}


def test_silent_alert_mutes_no_speaker_and_upgrades_no_alert(state: State) -> None:
    """A single mute speaker among many would reveal the silent alert."""
    silent = accept(state, press(1, DEVICES[1], "double"), 0)
    loud = accept(state, press(1, DEVICES[0], "long"), 5)
    assert press_event(silent).silent and {room for room, _ in loud.announcements} == {ROOMS[1], ROOMS[2], HALL}
    rules = [{"pattern": "double", "type": "hold", "silent": True}]
    state = State(policy=policy(rules=rules))
    accept(state, press(1, DEVICES[0], "double"), 0)
    assert press_event(accept(state, press(2, DEVICES[0], "long"), 5)).upgrades is msgspec.UNSET


@pytest.mark.parametrize("step", [-31_536_000, -3600, 3600, 31_536_000])
def test_durations_are_independent_of_wall_clock(state: State, step: int) -> None:
    """Announcements, bounces and the armed minute."""

    def stepped(seconds: float) -> Instant:
        return Instant(at(seconds + step), seconds, Bounds(at(seconds), at(seconds)))

    assert accept(state, press(1), 0).announcements
    assert decide(state, press(2), stepped(0.5)).outcome == "bounce"
    assert not decide(state, press(2), stepped(9)).announcements
    assert decide(state, press(2), stepped(10)).announcements
    assert closing.arm(state, DEVICES[1], at(60), instant(1))
    assert press_event(decide(state, press(1, DEVICES[1]), stepped(50))).drill
    assert not press_event(decide(state, press(1, DEVICES[1]), stepped(62))).drill
