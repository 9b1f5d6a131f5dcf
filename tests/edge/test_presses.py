"""What becomes of a press: the gateway's rules one by one, each with the case that it is for."""

from datetime import timedelta
from itertools import pairwise

import pytest

from edge_agent.decision import closing
from edge_agent.decision.lifecycle import FOLLOWS, IllegalStage, Stage, advance
from edge_agent.decision.state import Decision, State
from edge_agent.messages.alert_types import AlertType
from edge_agent.messages.events import PressedAgain, PressEvent, Raised, TroubleBegan
from tests.edge.support.school import (
    DEVICES,
    HALL,
    ROOMS,
    START,
    STRANGER,
    at,
    document,
    instant,
    policy,
    press,
    take,
)


@pytest.fixture
def state() -> State:
    return State(policy=policy())


def told(decision: Decision) -> PressEvent:
    """The one event of the press itself."""
    (event,) = [event for event in decision.events if isinstance(event, PressEvent)]
    return event


def troubles_of(decision: Decision) -> set[str]:
    return {event.trouble for event in decision.events if isinstance(event, TroubleBegan)}


def close(state: State, decision: Decision, seconds: float) -> None:
    closed = document(told(decision).alert_id, resolved_at=at(seconds).isoformat())
    learned = closing.learn(state, closed, instant(seconds))
    assert learned is not None
    state.put(learned.alert)


def test_a_press_is_an_alert_named_after_it(state: State) -> None:
    event = told(take(state, press(7), 0))
    assert isinstance(event, Raised)
    assert (event.alert_id, event.type, event.room) == (f"{DEVICES[0]}:a1b2c3d4:7", AlertType.LOCKDOWN, ROOMS[0])
    assert event.live and not event.drill and not event.silent and event.policy == 7


@pytest.mark.parametrize("pattern", ["sos", "LONG", None])
def test_a_pattern_that_is_not_known_is_the_gravest(state: State, pattern: str | None) -> None:
    decision = take(state, press(pattern=pattern), 0)
    assert told(decision).type is AlertType.LOCKDOWN
    assert troubles_of(decision) == {"unknown_pattern"}


def test_an_unknown_device_is_the_gravest_and_its_place_unknown(state: State) -> None:
    """A device that the configuration does not list was let in by the broker: its press is as real as any."""
    decision = take(state, press(device=STRANGER, pattern="short"), 0)
    assert (told(decision).type, told(decision).room) == (AlertType.LOCKDOWN, None)
    assert troubles_of(decision) == {"unknown_device"}
    assert {room for room, _ in decision.plays} == {*ROOMS, HALL}


def test_two_unknown_devices_are_two_alerts(state: State) -> None:
    """They have no known room in common."""
    take(state, press(device=STRANGER), 0)
    assert isinstance(told(take(state, press(device="ss-888888"), 1)), Raised)


@pytest.mark.parametrize("room", [None, "00000000-0000-0000-0000-00000000dead"])
def test_an_unknown_room_is_the_gravest(room: str | None) -> None:
    devices = [{"device": DEVICES[0], "room": room, "lifecycle": "active", "power": "mains"}]
    decision = take(State(policy=policy(devices=devices)), press(pattern="short"), 0)
    assert told(decision).type is AlertType.LOCKDOWN
    assert troubles_of(decision) == {"unknown_room"}


@pytest.mark.parametrize("lifecycle", ["inactive", "maintenance", "decommissioned", "a word of tomorrow"])
def test_no_administrative_state_stops_a_press(lifecycle: str) -> None:
    devices = [{"device": DEVICES[0], "room": ROOMS[0], "lifecycle": lifecycle, "power": "mains"}]
    decision = take(State(policy=policy(devices=devices)), press(), 0)
    assert told(decision).type is AlertType.LOCKDOWN and decision.plays
    assert len(troubles_of(decision)) == 1


def test_without_any_configuration_every_press_is_the_gravest() -> None:
    assert told(take(State(), press(pattern="short"), 0)).type is AlertType.LOCKDOWN


def test_rules_decide_in_their_order() -> None:
    rules = [
        {"pattern": "short", "device": DEVICES[0], "type": "hold"},
        {"pattern": "short", "room": ROOMS[1], "type": "medical", "severity": "low"},
        {"pattern": "short", "key": 2, "type": "fire"},
        {"pattern": "long", "type": "lockdown", "severity": "low"},
    ]
    state = State(policy=policy(rules=rules))
    seen = [told(take(state, press(pattern="short", device=device), 0)) for device in DEVICES]
    assert [event.type for event in seen] == [AlertType.HOLD, AlertType.MEDICAL, AlertType.ASSIST]
    assert seen[1].severity == "low"
    assert told(take(state, press(2, device=DEVICES[2], pattern="short", key=2), 9)).type is AlertType.FIRE
    assert told(take(state, press(3), 9)).severity == "critical", "a lockdown is critical whatever a rule says"


def test_a_repeat_is_no_press(state: State) -> None:
    """A button sends until it was told; age, battery and clock differ each time, the press does not."""
    take(state, press(age_ms=0), 0)
    repeat = take(state, press(age_ms=4000, clock="ntp", at=at(0).isoformat()), 4)
    assert repeat.repeat and not repeat.events and not repeat.plays


def test_a_lower_number_that_comes_later_is_new(state: State) -> None:
    take(state, press(9), 0)
    assert isinstance(told(take(state, press(3), 5)), PressedAgain)


def test_the_same_number_with_another_body_is_a_real_press(state: State) -> None:
    """Flash that was rolled back counts again from where it was: a person still pressed."""
    take(state, press(1, pattern="short"), 0)
    other = press(1, pattern="long", boot=2)
    decision = take(state, other, 5)
    assert isinstance(told(decision), Raised) and told(decision).seq == 1 and told(decision).inst != other.inst
    assert "identity_reused" in troubles_of(decision)
    assert take(state, other, 6).repeat, "its own repeat is known"
    assert take(state, press(1, pattern="short"), 6).repeat, "and so is the first one's"


def test_another_installation_counts_for_itself(state: State) -> None:
    """Flash wiped, board swapped under the same name: the first press alarms."""
    take(state, press(1), 0)
    close(state, take(state, press(2), 5), 10)
    assert isinstance(told(take(state, press(1, inst="ffffffff"), 20)), Raised)


def test_a_bounce_joins_silently(state: State) -> None:
    take(state, press(1), 0)
    bounce = take(state, press(2), 0.799)
    assert (bounce.outcome, bounce.events, bounce.plays) == ("bounce", (), ())
    assert isinstance(told(take(state, press(3), 0.8)), PressedAgain)


def test_hammering_is_heard(state: State) -> None:
    """Each press is less than 800 ms after the one before; a bounce counts from the first."""
    outcomes = [take(state, press(number + 1), number * 0.5).outcome for number in range(6)]
    assert outcomes == ["raised", "bounce", "pressed_again", "bounce", "pressed_again", "bounce"]


def test_a_flood_is_collapsed_whatever_patterns_it_invents(state: State) -> None:
    """A broken button, 1,000 presses in a second: each is kept, a few are told."""
    patterns = ["long", "short", "triple", "double", "x", "y", "z", None]
    outcomes = [take(state, press(n + 1, pattern=patterns[n % 8]), n / 1000).outcome for n in range(1000)]
    assert len(outcomes) - outcomes.count("bounce") <= 2 * 5
    assert len(state.seen) == 1000


def test_the_same_pattern_on_another_key_is_no_bounce(state: State) -> None:
    """Another key is another meaning: within 800 ms of the first press it is a press of its own all the same."""
    take(state, press(1, pattern="short"), 0)
    assert take(state, press(2, pattern="short", key=2), 0.4).outcome != "bounce"
    assert take(state, press(3, pattern="short", key=1), 0.5).outcome == "bounce"


def test_another_pattern_is_no_bounce(state: State) -> None:
    take(state, press(1, pattern="short"), 0)
    graver = told(take(state, press(2, pattern="long"), 0.3))
    assert isinstance(graver, Raised) and graver.upgrades == f"{DEVICES[0]}:a1b2c3d4:1"


def test_a_lesser_type_is_an_alert_of_its_own_without_a_link(state: State) -> None:
    take(state, press(1, pattern="long"), 0)
    lesser = told(take(state, press(2, pattern="short"), 5))
    assert isinstance(lesser, Raised) and not lesser.upgrades


def test_the_same_room_joins(state: State) -> None:
    devices = [{"device": device, "room": ROOMS[0], "lifecycle": "active", "power": "mains"} for device in DEVICES]
    state = State(policy=policy(devices=devices))
    first = told(take(state, press(1), 0))
    again = told(take(state, press(1, device=DEVICES[1]), 0.1))
    assert isinstance(again, PressedAgain) and again.alert_id == first.alert_id
    assert again.device == DEVICES[1]


def test_silent_and_loud_are_never_one(state: State) -> None:
    """A loud press that joined a silent alert would be muted by it."""
    silent = take(state, press(1, pattern="double"), 0)
    assert told(silent).silent and silent.plays == ()
    loud = take(state, press(2, pattern="long"), 5)
    assert isinstance(told(loud), Raised) and loud.plays


@pytest.mark.parametrize(("first", "then"), [("double", "long"), ("long", "double")], ids=["silent", "loud"])
def test_late_press_joins_no_closed_alert_that_others_hear_of(state: State, first: str, then: str) -> None:
    """Though it was made while that one was open."""
    close(state, take(state, press(1, pattern=first), 0), 60)
    late = take(state, press(2, pattern=then, age_ms=50_000), 100)
    assert isinstance(told(late), Raised) and told(late).live


@pytest.mark.parametrize("silent", [True, False])
def test_press_that_became_silent_or_loud_is_no_bounce(state: State, silent: bool) -> None:
    """The rule was changed between two presses of the same button and pattern."""
    state.policy = policy(rules=[{"pattern": "double", "type": "lockdown", "silent": silent}])
    take(state, press(1, pattern="double"), 0)
    state.policy = policy(rules=[{"pattern": "double", "type": "lockdown", "silent": not silent}])
    again = take(state, press(2, pattern="double"), 0.5)
    assert isinstance(told(again), Raised) and told(again).silent is not silent


def test_pressed_after_the_close_is_a_new_alert(state: State) -> None:
    first = take(state, press(1), 0)
    close(state, first, 60)
    assert isinstance(told(take(state, press(2), 60.5)), Raised)


def test_pressed_before_the_close_and_late_is_recorded(state: State) -> None:
    """Late and closed: recorded, told to nobody, no sound."""
    first = take(state, press(1), 0)
    close(state, first, 60)
    late = take(state, press(2, age_ms=50_000), 100)
    assert isinstance(told(late), PressedAgain) and told(late).alert_id == told(first).alert_id
    assert not told(late).live and late.plays == ()


def test_late_and_still_open_is_live(state: State) -> None:
    take(state, press(1), 0)
    assert told(take(state, press(2, age_ms=50_000), 100)).live


def test_a_slow_clock_never_hides_a_press_behind_a_close(state: State) -> None:
    """The button says 25 s ago, within what its clock may be off; its own count says now: it was after the close."""
    close(state, take(state, press(1), 0), 60)
    decision = take(state, press(2, age_ms=0, at=at(50).isoformat(), clock="ntp"), 75)
    assert isinstance(told(decision), Raised) and told(decision).live


def test_an_absurd_age_never_hides_a_press_behind_a_close(state: State) -> None:
    close(state, take(state, press(1), 0), 60)
    decision = take(state, press(2, age_ms=2**40), 75)
    assert isinstance(told(decision), Raised)
    assert "clock_suspect" in troubles_of(decision)


def test_a_close_that_the_cloud_dates_ahead_is_dated_by_arrival(state: State) -> None:
    """The cloud's clock is 5 minutes ahead: what is pressed after we heard of the close is still after it."""
    alert_id = told(take(state, press(1), 0)).alert_id
    learned = closing.learn(state, document(alert_id, resolved_at=at(400).isoformat()), instant(100))
    assert learned is not None and learned.alert.closed_at == at(100)
    state.put(learned.alert)
    assert isinstance(told(take(state, press(2), 101)), Raised)


def test_what_is_closed_stays_closed(state: State) -> None:
    """An older document that comes later opens nothing."""
    first = take(state, press(1), 0)
    close(state, first, 60)
    assert closing.learn(state, document(told(first).alert_id, status="new", resolved_at=None), instant(70)) is None


def test_an_alert_that_the_cloud_made_is_joined(state: State) -> None:
    """The cloud made an alert of a press that had been joined here to one closed there."""
    learned = closing.learn(state, document(f"{DEVICES[0]}:a1b2c3d4:5", status="new", resolved_at=None), instant(5))
    assert learned is not None and learned.plays == ()
    state.put(learned.alert)
    assert told(take(state, press(6), 10)).alert_id == f"{DEVICES[0]}:a1b2c3d4:5"


@pytest.mark.parametrize(("is_silent", "pattern"), [(True, "long"), (False, "double")], ids=["silent", "loud"])
def test_alert_that_the_cloud_made_is_joined_by_no_press_that_others_hear_of(
    state: State, is_silent: bool, pattern: str
) -> None:
    """Cut off, a press was joined here to an alert that had been closed there."""
    made = document(f"{DEVICES[0]}:a1b2c3d4:5", status="new", resolved_at=None, is_silent=is_silent)
    learned = closing.learn(state, made, instant(5))
    assert learned is not None
    state.put(learned.alert)
    assert isinstance(told(take(state, press(6, pattern=pattern), 10)), Raised)


def test_an_alert_of_a_phone_is_spoken_but_never_joined(state: State) -> None:
    phone = document("mobile-1", source="mobile", device=None, status="new", resolved_at=None)
    learned = closing.learn(state, phone, instant(3))
    assert learned is not None and {room for room, _ in learned.plays} == {*ROOMS[1:], HALL}
    state.put(learned.alert)
    assert isinstance(told(take(state, press(1), 20)), Raised)


def test_an_old_alert_of_a_phone_is_not_spoken(state: State) -> None:
    phone = document("mobile-1", source="mobile", device=None, status="new", resolved_at=None)
    learned = closing.learn(state, phone, instant(121))
    assert learned is not None and learned.plays == ()


@pytest.mark.parametrize("pattern", ["long", "short"])
def test_lockdown_and_assist_never_sound_where_they_came_from(state: State, pattern: str) -> None:
    """A speaker that is heard in other rooms too is not muted by it."""
    assert {room for room, _ in take(state, press(pattern=pattern), 0).plays} == {*ROOMS[1:], HALL}


def test_a_room_that_pressed_is_not_betrayed_by_another(state: State) -> None:
    take(state, press(1, device=DEVICES[0]), 0)
    second = take(state, press(1, device=DEVICES[1]), 20)
    assert {room for room, _ in second.plays} == {ROOMS[2], HALL}


def test_other_types_sound_everywhere(state: State) -> None:
    assert {room for room, _ in take(state, press(pattern="triple"), 0).plays} == {*ROOMS, HALL}


def test_alerted_again_at_most_every_ten_seconds(state: State) -> None:
    first = take(state, press(1), 0)
    assert {play.generation for _, play in first.plays} == {1}
    assert take(state, press(2), 9).plays == ()
    again = take(state, press(3), 10)
    assert {(play.generation, play.alert_id) for _, play in again.plays} == {(2, told(first).alert_id)}


def test_the_graver_message_pre_empts(state: State) -> None:
    """One message at a time per speaker."""
    medical = take(state, press(1, pattern="triple"), 0)
    graver = take(state, press(1, device=DEVICES[1]), 1)
    lesser = take(state, press(2, device=DEVICES[2], pattern="triple"), 2)
    assert len(medical.plays) == 4 and {room for room, _ in graver.plays} == {ROOMS[0], ROOMS[2], HALL}
    assert {room for room, _ in lesser.plays} == set()
    assert graver.plays[0][1].priority > medical.plays[0][1].priority


def test_a_message_expires_after_ten_seconds(state: State) -> None:
    assert take(state, press(), 0).plays[0][1].expires_at == "2026-09-01T08:00:10.000Z"


def test_only_an_armed_device_makes_one_drill(state: State) -> None:
    """Every press is real, but the one that a technician armed: of that device, once, for 60 s at most."""
    closing.arm(state, DEVICES[0], at(600), instant(0))
    assert not told(take(state, press(1, device=DEVICES[1]), 1)).drill
    assert told(take(state, press(1), 59)).drill
    real = told(take(state, press(2), 60))
    assert not real.drill and isinstance(real, Raised), "and what follows is real, and no part of the drill"


def test_arming_ends(state: State) -> None:
    closing.arm(state, DEVICES[0], at(600), instant(0))
    assert not told(take(state, press(1), 60.001)).drill


def test_arming_that_came_too_late_arms_nothing(state: State) -> None:
    closing.arm(state, DEVICES[0], at(-1), instant(0))
    assert not told(take(state, press(1), 0)).drill


def test_a_press_from_before_the_arming_is_real(state: State) -> None:
    closing.arm(state, DEVICES[0], at(60), instant(0))
    assert not told(take(state, press(1, age_ms=5000), 2)).drill


def test_the_bounce_of_a_drill_is_no_real_alarm(state: State) -> None:
    closing.arm(state, DEVICES[0], at(60), instant(0))
    take(state, press(1), 1)
    assert take(state, press(2), 1.3).outcome == "bounce"


def test_a_real_press_is_heard_over_a_drill(state: State) -> None:
    closing.arm(state, DEVICES[0], at(60), instant(0))
    drill = take(state, press(1), 1)
    real = take(state, press(1, device=DEVICES[1], pattern="triple"), 2)
    assert drill.plays[0][1].drill and drill.plays[0][1].priority < real.plays[0][1].priority
    assert {room for room, _ in real.plays} == {*ROOMS, HALL}


@pytest.mark.parametrize(
    ("facts", "pressed", "suspect"),
    [
        ({"age_ms": 0}, 100, False),
        ({"age_ms": 4000}, 96, False),
        ({"age_ms": None}, 100, False),
        ({"age_ms": 4000, "at": at(95).isoformat(), "clock": "ntp"}, 95, False),
        ({"age_ms": 0, "at": at(110).isoformat(), "clock": "ntp"}, 100, False),
        ({"age_ms": 4000, "at": at(95).isoformat(), "clock": "rtc"}, 96, False),
        ({"age_ms": 4000, "at": at(-172_704).isoformat(), "clock": "ntp"}, 96, True),
        ({"age_ms": 0, "at": "1970-01-01T00:00:01.000Z", "clock": "rtc"}, 100, True),
        ({"age_ms": 25 * 3600 * 1000}, 100, True),
    ],
    ids=[
        "now",
        "aged",
        "rebooted",
        "by its clock",
        "a little ahead",
        "not synchronized",
        "two days off",
        "1970",
        "old",
    ],
)
def test_a_press_is_dated_once(state: State, facts: dict[str, object], pressed: float, suspect: bool) -> None:
    """By its own clock when that is near arrival less age; else by arrival less age, what it said being kept."""
    event = told(take(state, press(1, DEVICES[0], "long", **facts), 100))
    assert event.hops.pressed_at == (START + timedelta(seconds=pressed)).isoformat(timespec="milliseconds").replace(
        "+00:00", "Z"
    )
    assert event.clock_suspect is suspect
    assert bool(event.claimed_at) is (suspect and "at" in facts)


def test_a_trouble_is_told_once_an_hour(state: State) -> None:
    seen = [bool(troubles_of(take(state, press(number + 1, device=STRANGER), number * 1000))) for number in range(5)]
    assert seen == [True, False, False, False, True]


def test_the_stages_go_by_the_table() -> None:
    """received -> validated -> deduplicated -> decided -> acted -> forwarded -> cleared, or rejected."""
    way = list(Stage)[:7]
    for stage, following in pairwise(way):
        assert advance(stage, following) is following
    assert advance(Stage.RECEIVED, Stage.REJECTED) is Stage.REJECTED
    assert FOLLOWS[Stage.CLEARED] == FOLLOWS[Stage.REJECTED] == frozenset()
    with pytest.raises(IllegalStage):
        advance(Stage.CLEARED, Stage.ACTED)
    with pytest.raises(IllegalStage):
        advance(Stage.DEDUPLICATED, Stage.ACTED)


def test_what_was_closed_long_ago_is_let_go(state: State) -> None:
    close(state, take(state, press(1), 0), 60)
    state.forget(instant(3600))
    assert state.alerts
    state.forget(instant(26 * 3600))
    assert not state.alerts and not list(state.near(DEVICES[0], ROOMS[0]))
    assert take(state, press(1), 26 * 3600).repeat, "but no press is ever forgotten"
