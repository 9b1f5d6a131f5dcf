"""A model of two gateways with skewed and stepping clocks, disconnections, restarts, late closes, silent and audible
presses, and drills. Every press stays open somewhere unless a person closed its alert after the press; silent and
audible presses never share an alert; no real press becomes a drill; announcements do not depend on the wall clock."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from contracts.validation import problems
from edge_agent.decision import closing
from edge_agent.decision.announcements import ANNOUNCEMENT_LIFETIME
from edge_agent.decision.presses import decide
from edge_agent.decision.state import State
from edge_agent.ids import EventIds
from edge_agent.messages.cloud import AlertDocument
from edge_agent.messages.events import Event, PressEvent
from edge_agent.messages.press import Press, read_press
from edge_agent.times import Bounds, Instant
from tests.edge.support.model_cloud import ModelCloud
from tests.edge.support.school import DEVICES, at, policy

MEASURED_WITHIN = 1.0
"""Accuracy of a gateway's measurement of the cloud's clock, in seconds."""
CONTACT_SECONDS = 0.8
STEPS = st.sampled_from([-31_536_000.0, -3600.0, -600.0, -5.0, 5.0, 600.0, 3600.0, 31_536_000.0])
PATTERNS = st.sampled_from(["long", "short", "double", "other"])
"""`double` is a silent lockdown in this school."""
GATEWAYS = st.integers(0, 1)
Arm = tuple[str, datetime]


@dataclass
class ButtonPress:
    """A press made `seconds` after the start; `could_be_drill`: certainly within an armed minute."""

    press: Press
    seconds: float
    silent: bool
    could_be_drill: bool
    queued: bool


@dataclass
class Site:
    """A gateway with its connections to the buttons and the cloud."""

    devices: list[str]
    state: State
    skew: float = 0.0
    linked: bool = True
    measured: tuple[float, float] | None = (0.0, 0.0)
    """(error in seconds, time of the measurement)."""
    outbox: list[Event] = field(default_factory=list)
    downlink: list[AlertDocument | Arm] = field(default_factory=list)
    coming: list[ButtonPress] = field(default_factory=list)
    accepted: dict[str, ButtonPress] = field(default_factory=dict)
    announced: dict[str, tuple[float, tuple[bool, int]]] = field(default_factory=dict)
    ids: EventIds = field(default_factory=EventIds)

    def instant(self, seconds: float) -> Instant:
        cloud = None
        if self.measured is not None:
            middle = at(seconds + self.measured[0])
            cloud = Bounds(middle - timedelta(seconds=MEASURED_WITHIN), middle + timedelta(seconds=MEASURED_WITHIN))
        return Instant(at(seconds + self.skew), 1000 + seconds, cloud)


class District(RuleBasedStateMachine):
    """Times are true times in seconds; the cloud's clock is exact."""

    @initialize(skews=st.tuples(STEPS, STEPS))
    def open(self, skews: tuple[float, float]) -> None:
        self.now = 0.0
        self.seq = 0
        self.cloud = ModelCloud()
        self.sites = [
            Site(devices, State(policy=policy(), boot="1"), skew=skew)
            for devices, skew in zip((DEVICES[:2], DEVICES[2:]), skews, strict=True)
        ]
        self.armed: dict[str, list[tuple[float, float]]] = {}

    @rule(seconds=st.floats(0.05, 40))
    def wait(self, seconds: float) -> None:
        self.now += round(seconds, 3)

    @rule(number=GATEWAYS, step=STEPS)
    def step_wall_clock(self, number: int, step: float) -> None:
        self.sites[number].skew += step

    @rule(
        number=GATEWAYS,
        pattern=PATTERNS,
        which=st.integers(0, 1),
        slow=st.floats(0, 25) | st.none(),
        way=st.sampled_from(["at once", "later", "through the broker's queue"]),
    )
    def press(self, number: int, pattern: str, which: int, slow: float | None, way: str) -> None:
        """Press a button; `slow` is the delay of its synchronized clock (None: it has none). `later`: it sends
        again."""
        site = self.sites[number]
        device = site.devices[which % len(site.devices)]
        self.seq += 1
        body: dict[str, object] = {"v": 1, "device": device, "inst": "a1b2c3d4", "seq": self.seq, "boot": 1}
        body |= {"uptime_ms": int(self.now * 1000), "age_ms": 0, "pattern": pattern}
        if slow is not None:
            reported = at(self.now + site.skew - slow).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            body |= {"at": reported, "clock": "ntp"}
        press = read_press(device, msgspec.json.encode(body))
        armed = any(since <= self.now <= until for since, until in self.armed.get(device, ()))
        button_press = ButtonPress(press, self.now, pattern == "double", armed, queued=way.startswith("through"))
        if way == "at once":
            self.arrive(site, button_press)
        else:
            site.coming.append(button_press)

    @rule(number=GATEWAYS, data=st.data())
    def late_press_arrives(self, number: int, data: st.DataObject) -> None:
        site = self.sites[number]
        if site.coming:
            button_press = site.coming.pop(data.draw(st.integers(0, len(site.coming) - 1)))
            if not button_press.queued:
                age = int((self.now - button_press.seconds) * 1000)
                button_press.press = msgspec.structs.replace(button_press.press, age_ms=age)
            self.arrive(site, button_press)

    def arrive(self, site: Site, button_press: ButtonPress) -> None:
        instant = site.instant(self.now)
        decision = decide(site.state, button_press.press, instant, queued=button_press.queued)
        assert not decision.repeat
        site.state.apply(decision)
        for event in decision.events:
            event.event_id = site.ids.next(instant.wall)
            assert not problems("edge_event", msgspec.json.encode(event)), "valid by the contract"
        site.outbox += decision.events
        for room, announcement in decision.announcements:
            site.announced[room] = (self.now, (not announcement.drill, announcement.priority))
        if decision.outcome == "bounce":
            return
        (event,) = [event for event in decision.events if isinstance(event, PressEvent)]
        site.accepted[":".join(map(str, button_press.press.id))] = button_press
        assert event.silent is button_press.silent
        assert not event.drill or button_press.could_be_drill, "a drill only if it was made within the armed minute"
        known = site.state.alerts[event.alert_id]
        assert (known.silent, known.drill) == (event.silent, event.drill), "neither silence nor drills are mixed"
        if event.live and not event.drill and not event.silent:
            assert not list(site.state.drills), "a real press ends drills"
            self.check_announced(site, button_press, event)

    def check_announced(self, site: Site, button_press: ButtonPress, event: PressEvent) -> None:
        """Check that every permitted speaker announced this, or something as grave within the last ten seconds."""
        since = self.now - ANNOUNCEMENT_LIFETIME.total_seconds()
        for zone in site.state.policy.zones:
            alerts = site.state.alerts.values()
            others = {other.room for other in alerts if other.open and not other.silent and not other.drill}
            if zone.covers <= {event.room, *others}:
                continue
            when, (real, _) = site.announced.get(zone.room, (-1.0, (False, 0)))
            assert when > since and real, "announced, whatever the wall clock did"

    @rule(number=GATEWAYS)
    def cut(self, number: int) -> None:
        self.sites[number].linked = False

    @rule(number=GATEWAYS, wrong=st.floats(-MEASURED_WITHIN, MEASURED_WITHIN))
    def link(self, number: int, wrong: float) -> None:
        """Reconnect to the cloud: its time arrives first, then all pending messages in both directions."""
        site = self.sites[number]
        site.linked, site.measured = True, (wrong, self.now)
        self.sync(site)

    @rule(number=GATEWAYS)
    def restart(self, number: int) -> None:
        """Lose what is only in memory; the cloud's clock is unknown until its next response."""
        site = self.sites[number]
        before, site.state = site.state, State(policy=policy(), boot="1", seen=site.state.seen)
        site.state.load(before.alerts.values())
        site.measured, site.linked = None, False
        site.announced.clear()

    @rule(number=GATEWAYS)
    def talk(self, number: int) -> None:
        if self.sites[number].linked:
            self.sync(self.sites[number])

    def sync(self, site: Site) -> None:
        sent, site.outbox = site.outbox, []
        for changed in self.cloud.accept(sent, at(self.now)):
            site.downlink.append(changed.document())
        reported, site.downlink = site.downlink, []
        for message in reported:
            instant = site.instant(self.now)
            if isinstance(message, AlertDocument):
                update = closing.apply_document(site.state, message, instant)
                if update is not None:
                    site.state.put(update.alert)
            elif closing.arm(site.state, message[0], message[1], instant):
                armed = site.state.armed[message[0]]
                window = (armed.since - 1000, armed.until - 1000)
                assert at(window[1]) <= message[1], "never armed beyond the requested time"
                self.armed.setdefault(message[0], []).append(window)

    @rule(data=st.data())
    def close_in_the_cloud(self, data: st.DataObject) -> None:
        if self.cloud.open:
            alert = data.draw(st.sampled_from(self.cloud.open))
            alert.closed_at = at(self.now)
            self.site_of(alert.device).downlink.append(alert.document())

    @rule(number=GATEWAYS, which=st.integers(0, 1))
    def arm_in_the_cloud(self, number: int, which: int) -> None:
        site = self.sites[number]
        device = site.devices[which % len(site.devices)]
        site.downlink.append((device, at(self.now + 60)))
        if site.linked:
            self.sync(site)

    @rule(number=GATEWAYS)
    def forget(self, number: int) -> None:
        self.sites[number].state.forget(self.sites[number].instant(self.now))

    def site_of(self, device: str) -> Site:
        return next(site for site in self.sites if device in site.devices)

    @invariant()
    def every_press_is_open_or_was_closed_after_it_was_made(self) -> None:
        """Check the cloud's alerts for all presses that it has received."""
        for site in getattr(self, "sites", []):
            waiting = {
                f"{event.device}:{event.inst}:{event.seq}" for event in site.outbox if isinstance(event, PressEvent)
            }
            for press_id, button_press in site.accepted.items():
                alert = self.cloud.alert_of(press_id)
                if alert is None:
                    assert press_id in waiting, "stored here until the cloud has it"
                    continue
                assert alert.silent is button_press.silent
                assert not alert.drill or button_press.could_be_drill
                ended_by_press = alert.drill and alert.closed_at is not None
                assert alert.closed_at is None or ended_by_press or alert.closed_at >= at(button_press.seconds)


District.TestCase.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
TestDistrict = pytest.mark.slow(District.TestCase)
