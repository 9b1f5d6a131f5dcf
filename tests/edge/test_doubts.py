"""What happens to a press in doubt: of unknown identity, of unknown time, beside silent alerts, during a drill."""

import msgspec
import pytest

from edge_agent.decision import closing
from edge_agent.decision.presses import decide
from edge_agent.decision.state import Decision, State
from edge_agent.messages.events import PressedAgain, PressEvent, Raised, Resolved, TroubleBegan
from edge_agent.messages.press import UNIDENTIFIED, read_press
from edge_agent.times import Bounds, Instant
from tests.edge.support.school import DEVICES, HALL, ROOMS, at, document, instant, policy, press, take


@pytest.fixture
def state() -> State:
    return State(policy=policy())


def told(decision: Decision) -> PressEvent:
    """The one event of the press itself."""
    (event,) = [event for event in decision.events if isinstance(event, PressEvent)]
    return event


def body(**changes: object) -> bytes:
    facts = {"v": 1, "device": DEVICES[0], "inst": "a1b2c3d4", "seq": 7, "boot": 1, "uptime_ms": 5, "age_ms": 0}
    return msgspec.json.encode({**facts, "pattern": "long", **changes})


def test_time_at_edge_of_calendar_is_a_suspect_clock(state: State) -> None:
    """And nothing of it is told to the cloud."""
    found = read_press(DEVICES[0], body(at="9999-12-31T23:59:59-23:59", clock="ntp"))
    decision = take(state, found, 0)
    assert told(decision).clock_suspect and told(decision).claimed_at is msgspec.UNSET
    assert [event.trouble for event in decision.events if isinstance(event, TroubleBegan)] == ["clock_suspect"]


@pytest.mark.parametrize("surround", [b"%b\0", b"\xef\xbb\xbf%b", b"junk %b junk", b"[%b]", b"%b}}"])
def test_message_with_something_around_it_is_read_whole(surround: bytes) -> None:
    """Its age too, so that a late press is dated right."""
    found = read_press(DEVICES[0], surround % body(age_ms=5000))
    assert (found.id, found.pattern, found.age_ms) == ((DEVICES[0], "a1b2c3d4", 7), "long", 5000)
    assert found.doubts == ("unreadable_press",)


def test_age_of_unknown_version_is_not_believed() -> None:
    """It may be counted otherwise there, and would put the press before a close."""
    assert read_press(DEVICES[0], body(v=2, age_ms=60_000)).age_ms is None


def test_same_unidentified_body_is_a_repeat_within_seconds_and_a_press_later(state: State) -> None:
    """The broker delivers again what was not confirmed; a button that can say nothing else says the same each time."""
    rubbish = read_press(DEVICES[0], b"press!")
    assert UNIDENTIFIED in rubbish.doubts
    first = take(state, rubbish, 0)
    assert take(state, rubbish, 5).repeat
    again = take(state, rubbish, 20)
    assert isinstance(told(again), PressedAgain) and again.press.id != first.press.id
    closed = document(told(first).alert_id, resolved_at=at(30).isoformat())
    learned = closing.learn(state, closed, instant(31))
    assert learned is not None
    state.put(learned.alert)
    assert isinstance(told(take(state, rubbish, 40)), Raised), "pressed after the close"


def test_pattern_is_kept_when_the_identity_cannot_be_read(state: State) -> None:
    """A silent press must not sound because its number is broken."""
    decision = take(state, read_press(DEVICES[0], body(seq=-1, pattern="double")), 0)
    assert told(decision).silent and not decision.plays


def test_press_after_close_is_new_while_the_clock_of_the_cloud_is_not_known(state: State) -> None:
    """After a restart without the cloud nobody can say whether an old press came before a stored close."""
    first = take(state, press(1), 0)
    learned = closing.learn(state, document(told(first).alert_id), instant(60))
    assert learned is not None
    state.put(learned.alert)
    unknown = Instant(at(100), 100.0)
    event = told(decide(state, press(2, age_ms=50_000), unknown))
    assert isinstance(event, Raised)
    assert (event.hops.earliest_at, event.hops.latest_at) == (None, None)


def test_press_within_the_error_of_the_measured_clock_is_new(state: State) -> None:
    """Two seconds before the close, by a clock that may be three seconds off."""
    first = take(state, press(1), 0)
    learned = closing.learn(state, document(told(first).alert_id), instant(60))
    assert learned is not None
    state.put(learned.alert)
    arrived = Instant(at(108), 108.0, Bounds(at(105), at(111)))
    assert isinstance(told(decide(state, press(2, age_ms=50_000), arrived)), Raised)


def test_press_that_may_have_waited_at_the_broker_is_no_drill(state: State) -> None:
    """Without a clock of its own it may have been made before the button was armed."""
    assert closing.arm(state, DEVICES[0], at(60), instant(0))
    assert not told(decide(state, press(1), instant(30), queued=True)).drill
    clocked = press(1, at=at(29).isoformat(), clock="ntp")
    assert told(decide(state, clocked, instant(30), queued=True)).drill


def test_press_of_a_button_with_a_slow_clock_is_no_drill_when_it_may_be_older_than_the_arming(state: State) -> None:
    assert closing.arm(state, DEVICES[0], at(60), instant(0))
    slow = press(1, at=at(-15).isoformat(), clock="ntp")
    assert not told(decide(state, slow, instant(10))).drill


def test_arming_is_refused_while_the_clock_of_the_cloud_is_not_known(state: State) -> None:
    assert not closing.arm(state, DEVICES[0], at(60), Instant(at(0), 0.0))


def test_real_press_ends_the_drills_and_a_silent_one_does_not(state: State) -> None:
    """A drill that stopped would tell a bystander of the silent press."""
    assert closing.arm(state, DEVICES[0], at(60), instant(0))
    drill = told(take(state, press(1), 2))
    assert drill.drill
    silent = take(state, press(1, DEVICES[1], "double"), 4)
    assert not [event for event in silent.events if isinstance(event, Resolved)]
    real = take(state, press(1, DEVICES[2], "short"), 6)
    (ended,) = [event for event in real.events if isinstance(event, Resolved)]
    assert (ended.alert_id, ended.by.via, ended.reason) == (drill.alert_id, "real_press", "drill")
    assert not state.alerts[drill.alert_id].open and not list(state.drills)


def test_drill_does_not_mute_its_room_for_the_real_alert_that_ends_it(state: State) -> None:
    assert closing.arm(state, DEVICES[1], at(60), instant(0))
    assert told(take(state, press(1, DEVICES[1], "long"), 2)).drill
    real = take(state, press(1, DEVICES[0], "long"), 4)
    assert {room for room, _ in real.plays} == {ROOMS[1], ROOMS[2], HALL}


def test_silent_alert_mutes_no_speaker_and_is_linked_to_nothing_loud(state: State) -> None:
    """Where all others speak, the one that is mute would betray it."""
    silent = take(state, press(1, DEVICES[1], "double"), 0)
    loud = take(state, press(1, DEVICES[0], "long"), 5)
    assert told(silent).silent and {room for room, _ in loud.plays} == {ROOMS[1], ROOMS[2], HALL}
    rules = [{"pattern": "double", "type": "hold", "silent": True}]
    state = State(policy=policy(rules=rules))
    take(state, press(1, DEVICES[0], "double"), 0)
    assert told(take(state, press(2, DEVICES[0], "long"), 5)).upgrades is msgspec.UNSET


@pytest.mark.parametrize("step", [-31_536_000, -3600, 3600, 31_536_000])
def test_durations_do_not_depend_on_the_wall_clock(state: State, step: int) -> None:
    """Sounding, bounce and the armed minute."""

    def stepped(seconds: float) -> Instant:
        return Instant(at(seconds + step), seconds, Bounds(at(seconds), at(seconds)))

    assert take(state, press(1), 0).plays
    assert decide(state, press(2), stepped(0.5)).outcome == "bounce"
    assert not decide(state, press(2), stepped(9)).plays
    assert decide(state, press(2), stepped(10)).plays
    assert closing.arm(state, DEVICES[1], at(60), instant(1))
    assert told(decide(state, press(1, DEVICES[1]), stepped(50))).drill
    assert not told(decide(state, press(1, DEVICES[1]), stepped(62))).drill
