"""Properties of all presses in any order, found by search instead of examples."""

import json
from datetime import datetime, timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from contracts.validation import problems
from edge_agent.decision import closing
from edge_agent.decision.policy import Zone
from edge_agent.decision.presses import decide
from edge_agent.decision.state import Decision, State
from edge_agent.ids import EventIds
from edge_agent.messages.alert_types import AlertType
from edge_agent.messages.events import PressedAgain, PressEvent, Raised
from edge_agent.messages.press import Press, read_press
from edge_agent.times import Instant
from tests.edge.support.school import DEVICES, START, STRANGER, at, document, instant, policy, press

devices = st.sampled_from([*DEVICES, STRANGER])
patterns = st.sampled_from(["long", "short", "triple", "double", "sos", None])


class Building(RuleBasedStateMachine):
    """A day in a school: presses, repeats, late closes from the cloud, drills."""

    @initialize()
    def open(self) -> None:
        self.state = State(policy=policy())
        self.ids = EventIds()
        self.now = at(0)
        self.seq = 0
        self.sent: list[Press] = []
        self.raised: set[str] = set()
        self.closed: dict[str, datetime] = {}
        self.armed: dict[str, datetime] = {}
        self.announced: dict[str, tuple[datetime, tuple[bool, int]]] = {}
        self.pressed: set[tuple[str, str | None]] = set()

    @rule(seconds=st.floats(0.001, 30))
    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=round(seconds, 3))

    @rule(
        device=devices, pattern=patterns, age=st.integers(0, 60_000) | st.none(), clock=st.floats(-29, 29) | st.none()
    )
    def press(self, device: str, pattern: str | None, age: int | None, clock: float | None) -> None:
        """Make a new press, which raises an alert, joins one that was open at the time, or is a bounce."""
        self.seq += 1
        pressed = self.now - timedelta(milliseconds=age or 0)
        facts: dict[str, object] = {"age_ms": age}
        if clock is not None:
            facts |= {"at": (pressed + timedelta(seconds=clock)).isoformat(), "clock": "ntp"}
        body = press(self.seq, device, pattern, **facts)
        self.sent.append(body)
        decision = self.accept(body)
        assert not decision.repeat
        if decision.outcome == "bounce":
            assert (device, self.known(pattern)) in self.pressed, "a bounce is of the same button and pattern"
            return
        self.pressed.add((device, self.known(pattern)))
        (event,) = [event for event in decision.events if isinstance(event, PressEvent)]
        self.check_alert(event, pressed)
        self.check_drill(event, device, pressed)
        self.check_speakers(decision, event)

    def known(self, pattern: str | None) -> str | None:
        return self.state.policy.known(pattern)

    def check_alert(self, event: PressEvent, pressed: datetime) -> None:
        if isinstance(event, Raised):
            assert event.alert_id not in self.raised, "one press, one alert"
            self.raised.add(event.alert_id)
        closed = self.closed.get(event.alert_id)
        if closed is not None:
            assert isinstance(event, PressedAgain) and pressed <= closed, "never joins an alert closed before the press"
        assert event.live is (closed is None)

    def check_drill(self, event: PressEvent, device: str, pressed: datetime) -> None:
        if event.drill:
            assert self.now <= self.armed.pop(device), "a drill only once and only while armed"

    def check_speakers(self, decision: Decision, event: PressEvent) -> None:
        zones: dict[str, Zone] = {zone.room: zone for zone in self.state.policy.zones}
        assert not (event.silent and decision.announcements), "silent alerts are not announced"
        for room, announcement in decision.announcements:
            if announcement.type in (AlertType.LOCKDOWN, AlertType.ASSIST):
                assert zones[room].covers - {event.room}, "never in the room that raised it"
            weight = (not announcement.drill, announcement.priority)
            until, before = self.announced.get(room, (self.now, (False, 0)))
            assert until <= self.now or weight > before, "one announcement at a time, the graver first"
            self.announced[room] = (self.now + timedelta(seconds=10), weight)

    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        """Repeat a press, as a button does until it is confirmed; nothing happens, however often."""
        if self.sent:
            body = data.draw(st.sampled_from(self.sent))
            assert self.accept(msgspec.structs.replace(body, age_ms=data.draw(st.integers(0, 10**9)))).repeat

    @rule(data=st.data(), ago=st.floats(0, 20))
    def close(self, data: st.DataObject, ago: float) -> None:
        """Close an alert some time in the past, and notify the gateway now."""
        still = sorted(one for one in self.raised - set(self.closed) if self.state.alerts[one].open)
        if still:
            alert_id = data.draw(st.sampled_from(still))
            when = max(self.state.alerts[alert_id].raised_at, self.now - timedelta(seconds=ago))
            update = closing.apply_document(self.state, document(alert_id, resolved_at=when.isoformat()), self.moment())
            assert update is not None and update.alert.closed_at is not None
            self.state.put(update.alert)
            self.closed[alert_id] = update.alert.closed_at

    @rule(device=devices, seconds=st.floats(1, 600))
    def arm(self, device: str, seconds: float) -> None:
        closing.arm(self.state, device, self.now + timedelta(seconds=seconds), self.moment())
        self.armed[device] = self.now + timedelta(seconds=min(seconds, 60))

    @rule()
    def forget(self) -> None:
        self.state.forget(self.moment())

    def moment(self) -> Instant:
        return instant((self.now - START).total_seconds())

    def accept(self, body: Press) -> Decision:
        decision = decide(self.state, body, self.moment())
        self.state.apply(decision)
        for event in decision.events:
            event.event_id = self.ids.next(self.now)
            assert not problems("edge_event", msgspec.json.encode(event)), "valid by the contract"
        for _, announcement in decision.announcements:
            assert not problems("pa_play", msgspec.json.encode(announcement))
        return decision

    @invariant()
    def every_press_is_known(self) -> None:
        assert len(self.state.seen) == len(self.sent)


Building.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestBuilding = pytest.mark.slow(Building.TestCase)


@given(order=st.permutations([(device, seq) for device in range(20) for seq in range(3)]), again=st.integers(1, 3))
@settings(max_examples=30, deadline=None)
def test_shuffled_and_repeated_presses_raise_one_alert_per_button(order: list[tuple[int, int]], again: int) -> None:
    """One alert per button in its own room, each press counted once, in any order."""
    names = [f"ss-{number:08x}" for number in range(20)]
    rooms = [f"00000000-0000-0000-0000-{number:012x}" for number in range(20)]
    entries = [{"device": name, "room": room, "lifecycle": "active"} for name, room in zip(names, rooms, strict=True)]
    about = {"name": "r", "floor": "1", "building": "b"}
    state = State(policy=policy(devices=entries, rooms=[{"id": room, **about} for room in rooms]))
    kinds: list[str] = []
    for turn, (device, seq) in enumerate(order * again):
        decision = decide(state, press(seq + 1, names[device]), instant(turn * 2))
        state.apply(decision)
        kinds.append(decision.outcome)
    assert kinds.count("raised") == 20
    assert kinds.count("pressed_again") == 40
    assert kinds.count("repeat") == 60 * (again - 1)


@given(st.binary(max_size=600))
def test_read_press_accepts_any_bytes(body: bytes) -> None:
    """Any message of a button is a press."""
    assert read_press("ss-7c9ebd12f0a4", body).device == "ss-7c9ebd12f0a4"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
beside = st.sampled_from(["v", "boot", "uptime_ms", "age_ms", "at", "clock", "key", "batt_mv", "later"])


@pytest.mark.slow
@given(st.dictionaries(beside, json_values))
def test_readable_core_raises_alarm_with_any_other_fields(others: dict[str, object]) -> None:
    """The frozen core is read whatever the version and the other fields."""
    core = {"device": DEVICES[0], "inst": "a1b2c3d4", "seq": 7, "pattern": "long"}
    body = json.dumps({**others, **core}).encode()
    if len(body) > 512:
        return
    parsed = read_press(DEVICES[0], body)
    assert isinstance(parsed, Press)
    assert (parsed.id, parsed.pattern) == ((DEVICES[0], "a1b2c3d4", 7), "long")
    decision = decide(State(policy=policy()), parsed, instant(0))
    assert isinstance(decision.events[0], Raised)


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=50))
def test_event_ids_only_increase(steps: list[float]) -> None:
    """Ids increase whatever the clock does and across restarts, as the cloud compares them to track its progress."""
    ids, now, before = EventIds(), at(0), ""
    for seconds in steps:
        now += timedelta(seconds=seconds)
        new = ids.next(now)
        assert new > before
        assert new[14] == "7" and new[19] in "89ab"
        before = new
        ids = EventIds(floor=new)
