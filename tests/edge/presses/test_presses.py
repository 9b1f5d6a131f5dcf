"""The gateway's rules for presses, one by one, each with an example."""

from datetime import timedelta
from itertools import pairwise

import pytest

from edge_agent.decision import closing
from edge_agent.decision.lifecycle import FOLLOWS, IllegalStage, Stage, advance
from edge_agent.decision.state import Decision, State
from edge_agent.messages.alert_types import AlertType
from edge_agent.messages.events import PressedAgain, Raised, TroubleBegan
from tests.edge.support.school import (
    DEVICES,
    HALL,
    ROOMS,
    START,
    STRANGER,
    accept,
    at,
    document,
    instant,
    policy,
    press,
    press_event,
)


def troubles_of(decision: Decision) -> set[str]:
    return {event.trouble for event in decision.events if isinstance(event, TroubleBegan)}


def close(state: State, decision: Decision, seconds: float) -> None:
    closed = document(press_event(decision).alert_id, resolved_at=at(seconds).isoformat())
    update = closing.apply_document(state, closed, instant(seconds))
    assert update is not None
    state.put(update.alert)


def test_press_raises_alert_named_after_it(state: State) -> None:
    event = press_event(accept(state, press(7), 0))
    assert isinstance(event, Raised)
    assert (event.alert_id, event.type, event.room) == (f"{DEVICES[0]}:a1b2c3d4:7", AlertType.LOCKDOWN, ROOMS[0])
    assert event.live and not event.drill and not event.silent and event.policy == 7


@pytest.mark.parametrize("pattern", ["sos", "LONG", None])
def test_unknown_pattern_raises_gravest_type(state: State, pattern: str | None) -> None:
    decision = accept(state, press(pattern=pattern), 0)
    assert press_event(decision).type is AlertType.LOCKDOWN
    assert troubles_of(decision) == {"unknown_pattern"}


def test_unknown_device_raises_gravest_type_without_place(state: State) -> None:
    """The broker authenticated a device that the configuration does not list: its press is as real as any."""
    decision = accept(state, press(device=STRANGER, pattern="short"), 0)
    assert (press_event(decision).type, press_event(decision).room) == (AlertType.LOCKDOWN, None)
    assert troubles_of(decision) == {"unknown_device"}
    assert {room for room, _ in decision.announcements} == {*ROOMS, HALL}


def test_two_unknown_devices_raise_two_alerts(state: State) -> None:
    """They share no known room."""
    accept(state, press(device=STRANGER), 0)
    assert isinstance(press_event(accept(state, press(device="ss-888888"), 1)), Raised)


@pytest.mark.parametrize("room", [None, "00000000-0000-0000-0000-00000000dead"])
def test_unknown_room_raises_gravest_type(room: str | None) -> None:
    devices = [{"device": DEVICES[0], "room": room, "lifecycle": "active", "power": "mains"}]
    decision = accept(State(policy=policy(devices=devices)), press(pattern="short"), 0)
    assert press_event(decision).type is AlertType.LOCKDOWN
    assert troubles_of(decision) == {"unknown_room"}


@pytest.mark.parametrize("lifecycle", ["inactive", "maintenance", "decommissioned", "a future lifecycle"])
def test_no_lifecycle_blocks_press(lifecycle: str) -> None:
    devices = [{"device": DEVICES[0], "room": ROOMS[0], "lifecycle": lifecycle, "power": "mains"}]
    decision = accept(State(policy=policy(devices=devices)), press(), 0)
    assert press_event(decision).type is AlertType.LOCKDOWN and decision.announcements
    assert len(troubles_of(decision)) == 1


def test_press_raises_gravest_type_without_configuration() -> None:
    assert press_event(accept(State(), press(pattern="short"), 0)).type is AlertType.LOCKDOWN


def test_rules_apply_in_order() -> None:
    rules = [
        {"pattern": "short", "device": DEVICES[0], "type": "hold"},
        {"pattern": "short", "room": ROOMS[1], "type": "medical", "severity": "low"},
        {"pattern": "short", "key": 2, "type": "fire"},
        {"pattern": "long", "type": "lockdown", "severity": "low"},
    ]
    state = State(policy=policy(rules=rules))
    seen = [press_event(accept(state, press(pattern="short", device=device), 0)) for device in DEVICES]
    assert [event.type for event in seen] == [AlertType.HOLD, AlertType.MEDICAL, AlertType.ASSIST]
    assert seen[1].severity == "low"
    assert press_event(accept(state, press(2, device=DEVICES[2], pattern="short", key=2), 9)).type is AlertType.FIRE
    assert press_event(accept(state, press(3), 9)).severity == "critical", (
        "a lockdown is critical whatever the rule says"
    )


def test_repeat_has_no_effect(state: State) -> None:
    """A button sends until confirmed; age, battery and clock differ each time, the press does not."""
    accept(state, press(age_ms=0), 0)
    repeat = accept(state, press(age_ms=4000, clock="ntp", at=at(0).isoformat()), 4)
    assert repeat.repeat and not repeat.events and not repeat.announcements


def test_lower_seq_arriving_later_is_new(state: State) -> None:
    accept(state, press(9), 0)
    assert isinstance(press_event(accept(state, press(3), 5)), PressedAgain)


def test_same_seq_with_different_body_is_new_press(state: State) -> None:
    """A rolled-back flash restarts an old count, but a person still pressed."""
    accept(state, press(1, pattern="short"), 0)
    other = press(1, pattern="long", boot=2)
    decision = accept(state, other, 5)
    assert (
        isinstance(press_event(decision), Raised)
        and press_event(decision).seq == 1
        and press_event(decision).inst != other.inst
    )
    assert "identity_reused" in troubles_of(decision)
    assert accept(state, other, 6).repeat, "its own repeat is recognized"
    assert accept(state, press(1, pattern="short"), 6).repeat, "so is that of the first"


def test_new_installation_has_its_own_seq(state: State) -> None:
    """After erased flash or a replaced board under the same name, the first press raises an alarm."""
    accept(state, press(1), 0)
    close(state, accept(state, press(2), 5), 10)
    assert isinstance(press_event(accept(state, press(1, inst="ffffffff"), 20)), Raised)


def test_bounce_joins_without_event(state: State) -> None:
    accept(state, press(1), 0)
    bounce = accept(state, press(2), 0.799)
    assert (bounce.outcome, bounce.events, bounce.announcements) == ("bounce", (), ())
    assert isinstance(press_event(accept(state, press(3), 0.8)), PressedAgain)


def test_continuous_hammering_is_reported(state: State) -> None:
    """Presses less than 800 ms apart; bounces are measured from the first one."""
    outcomes = [accept(state, press(number + 1), number * 0.5).outcome for number in range(6)]
    assert outcomes == ["raised", "bounce", "pressed_again", "bounce", "pressed_again", "bounce"]


def test_flood_with_invented_patterns_is_collapsed(state: State) -> None:
    """A broken button with 1,000 presses in a second: all are recorded, a few are reported."""
    patterns = ["long", "short", "triple", "double", "x", "y", "z", None]
    outcomes = [accept(state, press(n + 1, pattern=patterns[n % 8]), n / 1000).outcome for n in range(1000)]
    assert len(outcomes) - outcomes.count("bounce") <= 2 * 5
    assert len(state.seen) == 1000


def test_same_pattern_on_other_key_is_not_a_bounce(state: State) -> None:
    """Another key has another meaning, so within 800 ms it is still a press of its own."""
    accept(state, press(1, pattern="short"), 0)
    assert accept(state, press(2, pattern="short", key=2), 0.4).outcome != "bounce"
    assert accept(state, press(3, pattern="short", key=1), 0.5).outcome == "bounce"


def test_other_pattern_is_not_a_bounce(state: State) -> None:
    accept(state, press(1, pattern="short"), 0)
    graver = press_event(accept(state, press(2, pattern="long"), 0.3))
    assert isinstance(graver, Raised) and graver.upgrades == f"{DEVICES[0]}:a1b2c3d4:1"


def test_less_grave_type_raises_separate_alert_without_link(state: State) -> None:
    accept(state, press(1, pattern="long"), 0)
    lesser = press_event(accept(state, press(2, pattern="short"), 5))
    assert isinstance(lesser, Raised) and not lesser.upgrades


def test_press_in_same_room_joins_alert(state: State) -> None:
    devices = [{"device": device, "room": ROOMS[0], "lifecycle": "active", "power": "mains"} for device in DEVICES]
    state = State(policy=policy(devices=devices))
    first = press_event(accept(state, press(1), 0))
    again = press_event(accept(state, press(1, device=DEVICES[1]), 0.1))
    assert isinstance(again, PressedAgain) and again.alert_id == first.alert_id
    assert again.device == DEVICES[1]


def test_silent_and_audible_presses_never_share_alert(state: State) -> None:
    """A loud press that joined a silent alert would be muted."""
    silent = accept(state, press(1, pattern="double"), 0)
    assert press_event(silent).silent and silent.announcements == ()
    loud = accept(state, press(2, pattern="long"), 5)
    assert isinstance(press_event(loud), Raised) and loud.announcements


@pytest.mark.parametrize(("first", "then"), [("double", "long"), ("long", "double")], ids=["silent", "loud"])
def test_late_press_does_not_join_closed_alert_with_other_audience(state: State, first: str, then: str) -> None:
    """Even if the press was made while that alert was open."""
    close(state, accept(state, press(1, pattern=first), 0), 60)
    late = accept(state, press(2, pattern=then, age_ms=50_000), 100)
    assert isinstance(press_event(late), Raised) and press_event(late).live


@pytest.mark.parametrize("silent", [True, False])
def test_press_with_changed_silence_is_not_a_bounce(state: State, silent: bool) -> None:
    """The rule changed between two presses of the same button and pattern."""
    state.policy = policy(rules=[{"pattern": "double", "type": "lockdown", "silent": silent}])
    accept(state, press(1, pattern="double"), 0)
    state.policy = policy(rules=[{"pattern": "double", "type": "lockdown", "silent": not silent}])
    again = accept(state, press(2, pattern="double"), 0.5)
    assert isinstance(press_event(again), Raised) and press_event(again).silent is not silent


def test_press_after_close_raises_new_alert(state: State) -> None:
    first = accept(state, press(1), 0)
    close(state, first, 60)
    assert isinstance(press_event(accept(state, press(2), 60.5)), Raised)


def test_late_press_before_close_is_recorded_silently(state: State) -> None:
    """The press is recorded without an announcement or notification."""
    first = accept(state, press(1), 0)
    close(state, first, 60)
    late = accept(state, press(2, age_ms=50_000), 100)
    assert isinstance(press_event(late), PressedAgain) and press_event(late).alert_id == press_event(first).alert_id
    assert not press_event(late).live and late.announcements == ()


def test_late_press_on_open_alert_is_live(state: State) -> None:
    accept(state, press(1), 0)
    assert press_event(accept(state, press(2, age_ms=50_000), 100)).live


def test_slow_clock_never_dates_press_before_close(state: State) -> None:
    """The button's clock shows 25 s ago, within its tolerance, but its age counter shows now: after the close."""
    close(state, accept(state, press(1), 0), 60)
    decision = accept(state, press(2, age_ms=0, at=at(50).isoformat(), clock="ntp"), 75)
    assert isinstance(press_event(decision), Raised) and press_event(decision).live


def test_excessive_age_never_dates_press_before_close(state: State) -> None:
    close(state, accept(state, press(1), 0), 60)
    decision = accept(state, press(2, age_ms=2**40), 75)
    assert isinstance(press_event(decision), Raised)
    assert "clock_suspect" in troubles_of(decision)


def test_close_dated_in_future_is_dated_by_arrival(state: State) -> None:
    """The cloud's clock is 5 minutes ahead; presses after the close arrived are still after it."""
    alert_id = press_event(accept(state, press(1), 0)).alert_id
    update = closing.apply_document(state, document(alert_id, resolved_at=at(400).isoformat()), instant(100))
    assert update is not None and update.alert.closed_at == at(100)
    state.put(update.alert)
    assert isinstance(press_event(accept(state, press(2), 101)), Raised)


def test_closed_alert_stays_closed(state: State) -> None:
    """An older document that arrives later does not reopen the alert."""
    first = accept(state, press(1), 0)
    close(state, first, 60)
    assert (
        closing.apply_document(
            state, document(press_event(first).alert_id, status="new", resolved_at=None), instant(70)
        )
        is None
    )


def test_alert_raised_by_cloud_is_joined(state: State) -> None:
    """The cloud raised an alert from a press that had joined, here, an alert closed there."""
    update = closing.apply_document(
        state, document(f"{DEVICES[0]}:a1b2c3d4:5", status="new", resolved_at=None), instant(5)
    )
    assert update is not None and update.announcements == ()
    state.put(update.alert)
    assert press_event(accept(state, press(6), 10)).alert_id == f"{DEVICES[0]}:a1b2c3d4:5"


@pytest.mark.parametrize(("is_silent", "pattern"), [(True, "long"), (False, "double")], ids=["silent", "loud"])
def test_alert_raised_by_cloud_is_not_joined_by_press_with_other_audience(
    state: State, is_silent: bool, pattern: str
) -> None:
    """While offline, a press joined an alert here that had been closed in the cloud."""
    cloud_alert = document(f"{DEVICES[0]}:a1b2c3d4:5", status="new", resolved_at=None, is_silent=is_silent)
    update = closing.apply_document(state, cloud_alert, instant(5))
    assert update is not None
    state.put(update.alert)
    assert isinstance(press_event(accept(state, press(6, pattern=pattern), 10)), Raised)


def test_alert_of_phone_is_announced_but_never_joined(state: State) -> None:
    phone = document("mobile-1", source="mobile", device=None, status="new", resolved_at=None)
    update = closing.apply_document(state, phone, instant(3))
    assert update is not None and {room for room, _ in update.announcements} == {*ROOMS[1:], HALL}
    state.put(update.alert)
    assert isinstance(press_event(accept(state, press(1), 20)), Raised)


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
def test_press_is_dated_by_clock_or_age(state: State, facts: dict[str, object], pressed: float, suspect: bool) -> None:
    """By the button's clock when that is near arrival minus age, otherwise by age; the rejected time is kept."""
    event = press_event(accept(state, press(1, DEVICES[0], "long", **facts), 100))
    assert event.hops.pressed_at == (START + timedelta(seconds=pressed)).isoformat(timespec="milliseconds").replace(
        "+00:00", "Z"
    )
    assert event.clock_suspect is suspect
    assert bool(event.claimed_at) is (suspect and "at" in facts)


def test_trouble_is_reported_once_an_hour(state: State) -> None:
    seen = [bool(troubles_of(accept(state, press(number + 1, device=STRANGER), number * 1000))) for number in range(5)]
    assert seen == [True, False, False, False, True]


def test_stages_follow_transition_table() -> None:
    """The stages follow received, validated, deduplicated, decided, acted, forwarded, cleared; or rejected."""
    way = list(Stage)[:7]
    for stage, following in pairwise(way):
        assert advance(stage, following) is following
    assert advance(Stage.RECEIVED, Stage.REJECTED) is Stage.REJECTED
    assert FOLLOWS[Stage.CLEARED] == FOLLOWS[Stage.REJECTED] == frozenset()
    with pytest.raises(IllegalStage):
        advance(Stage.CLEARED, Stage.ACTED)
    with pytest.raises(IllegalStage):
        advance(Stage.DEDUPLICATED, Stage.ACTED)


def test_alert_closed_long_ago_is_forgotten(state: State) -> None:
    close(state, accept(state, press(1), 0), 60)
    state.forget(instant(3600))
    assert state.alerts
    state.forget(instant(26 * 3600))
    assert not state.alerts and not list(state.near(DEVICES[0], ROOMS[0]))
    assert accept(state, press(1), 26 * 3600).repeat, "presses are never forgotten"
