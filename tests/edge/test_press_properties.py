"""What holds for every press, whatever comes in whichever order: shown by search, not by examples."""

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
    """A day in the school: presses, repeats of them, closes in the cloud that are heard of late, drills."""

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
        self.said: dict[str, tuple[datetime, tuple[bool, int]]] = {}
        self.pressed: set[tuple[str, str | None]] = set()

    @rule(seconds=st.floats(0.001, 30))
    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=round(seconds, 3))

    @rule(
        device=devices, pattern=patterns, age=st.integers(0, 60_000) | st.none(), clock=st.floats(-29, 29) | st.none()
    )
    def press(self, device: str, pattern: str | None, age: int | None, clock: float | None) -> None:
        """A new press: it raises an alert, joins one that was not over when it was made, or is a bounce."""
        self.seq += 1
        pressed = self.now - timedelta(milliseconds=age or 0)
        facts: dict[str, object] = {"age_ms": age}
        if clock is not None:
            facts |= {"at": (pressed + timedelta(seconds=clock)).isoformat(), "clock": "ntp"}
        body = press(self.seq, device, pattern, **facts)
        self.sent.append(body)
        decision = self.take(body)
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
            assert isinstance(event, PressedAgain) and pressed <= closed, "never merged into what was over before it"
        assert event.live is (closed is None)

    def check_drill(self, event: PressEvent, device: str, pressed: datetime) -> None:
        if event.drill:
            assert self.now <= self.armed.pop(device), "a drill only while armed, and once"

    def check_speakers(self, decision: Decision, event: PressEvent) -> None:
        zones: dict[str, Zone] = {zone.room: zone for zone in self.state.policy.zones}
        assert not (event.silent and decision.plays), "silent makes no sound"
        for room, play in decision.plays:
            if play.type in (AlertType.LOCKDOWN, AlertType.ASSIST):
                assert zones[room].covers - {event.room}, "never where it came from"
            weight = (not play.drill, play.priority)
            until, before = self.said.get(room, (self.now, (False, 0)))
            assert until <= self.now or weight > before, "one message at a time, the graver first"
            self.said[room] = (self.now + timedelta(seconds=10), weight)

    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        """A button sends again until it was told: nothing happens, however often."""
        if self.sent:
            body = data.draw(st.sampled_from(self.sent))
            assert self.take(msgspec.structs.replace(body, age_ms=data.draw(st.integers(0, 10**9)))).repeat

    @rule(data=st.data(), ago=st.floats(0, 20))
    def close(self, data: st.DataObject, ago: float) -> None:
        """Somebody closed an alert some time ago, and the gateway hears of it now."""
        still = sorted(one for one in self.raised - set(self.closed) if self.state.alerts[one].open)
        if still:
            alert_id = data.draw(st.sampled_from(still))
            when = max(self.state.alerts[alert_id].raised_at, self.now - timedelta(seconds=ago))
            learned = closing.learn(self.state, document(alert_id, resolved_at=when.isoformat()), self.moment())
            assert learned is not None and learned.alert.closed_at is not None
            self.state.put(learned.alert)
            self.closed[alert_id] = learned.alert.closed_at

    @rule(device=devices, seconds=st.floats(1, 600))
    def arm(self, device: str, seconds: float) -> None:
        closing.arm(self.state, device, self.now + timedelta(seconds=seconds), self.moment())
        self.armed[device] = self.now + timedelta(seconds=min(seconds, 60))

    @rule()
    def forget(self) -> None:
        self.state.forget(self.moment())

    def moment(self) -> Instant:
        return instant((self.now - START).total_seconds())

    def take(self, body: Press) -> Decision:
        decision = decide(self.state, body, self.moment())
        self.state.apply(decision)
        for event in decision.events:
            event.event_id = self.ids.next(self.now)
            assert not problems("edge_event", msgspec.json.encode(event)), "the contract holds"
        for _, play in decision.plays:
            assert not problems("pa_play", msgspec.json.encode(play))
        return decision

    @invariant()
    def every_press_is_known(self) -> None:
        assert len(self.state.seen) == len(self.sent)


Building.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestBuilding = pytest.mark.slow(Building.TestCase)


@given(order=st.permutations([(device, seq) for device in range(20) for seq in range(3)]), again=st.integers(1, 3))
@settings(max_examples=30, deadline=None)
def test_shuffled_and_doubled_presses_are_as_many_alerts(order: list[tuple[int, int]], again: int) -> None:
    """Each button with a room of its own: as many alerts as buttons, each press counted once, in any order."""
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
def test_no_bytes_can_stop_the_gateway(body: bytes) -> None:
    """Whatever a button sends is a press."""
    assert read_press("ss-7c9ebd12f0a4", body).device == "ss-7c9ebd12f0a4"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
beside = st.sampled_from(["v", "boot", "uptime_ms", "age_ms", "at", "clock", "key", "batt_mv", "later"])


@pytest.mark.slow
@given(st.dictionaries(beside, json_values))
def test_a_readable_core_is_an_alarm_whatever_stands_beside(others: dict[str, object]) -> None:
    """The frozen core is read whatever the version and whatever else is broken."""
    core = {"device": DEVICES[0], "inst": "a1b2c3d4", "seq": 7, "pattern": "long"}
    body = json.dumps({**others, **core}).encode()
    if len(body) > 512:
        return
    found = read_press(DEVICES[0], body)
    assert isinstance(found, Press)
    assert (found.id, found.pattern) == ((DEVICES[0], "a1b2c3d4", 7), "long")
    decision = decide(State(policy=policy()), found, instant(0))
    assert isinstance(decision.events[0], Raised)


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=50))
def test_event_ids_only_go_up(steps: list[float]) -> None:
    """Whatever the clock does, and after a restart: the cloud compares ids to say how far it has heard."""
    ids, now, before = EventIds(), at(0), ""
    for seconds in steps:
        now += timedelta(seconds=seconds)
        new = ids.next(now)
        assert new > before
        assert new[14] == "7" and new[19] in "89ab"
        before = new
        ids = EventIds(floor=new)
