"""What the gateway knows while it decides: a value in memory, made again from the store at start."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from edge_agent.decision.dating import GREATEST_AGE
from edge_agent.decision.lifecycle import Stage
from edge_agent.decision.policy import Policy
from edge_agent.messages.building import Play
from edge_agent.messages.events import Event
from edge_agent.messages.press import ONLY_KEY, Press, PressId
from edge_agent.messages.words import AlertType, Severity


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """An alert as the gateway knows it. Only the cloud, or a person in the building, closes one."""

    alert_id: str
    type: AlertType
    severity: Severity
    silent: bool
    drill: bool
    device: str | None
    room: str | None
    raised_at: datetime
    closed_at: datetime | None = None
    stage: Stage = Stage.DECIDED
    generation: int = 0
    """How often it has sounded; 0: not yet."""

    @property
    def open(self) -> bool:
        """Nobody has ended it, as far as is known here."""
        return self.closed_at is None


Gesture = tuple[str, str | None, int]
"""Device, pattern (None: one that means nothing) and key."""


@dataclass(frozen=True, slots=True)
class LastPress:
    """The latest press of one gesture, which the bounce rule compares with."""

    pressed_at: datetime
    alert_id: str


@dataclass(frozen=True, slots=True)
class Armed:
    """A technician made the next press of one device a drill: of that time only, and of that one press."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Sounding:
    """What a speaker was last told, and until when nothing of the same or less weight is said there."""

    weight: tuple[bool, int]
    until: datetime


@dataclass(slots=True)
class Floods:
    """Refused messages of one device and reason, collapsed: told at once, then counted up."""

    told_at: datetime
    count: int = 0
    digest: str = ""
    topic: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a press leads to. `path` is how far the press itself went through the transition table."""

    press: Press
    path: tuple[Stage, ...]
    repeat: bool = False
    alert: Alert | None = None
    last: LastPress | None = None
    disarms: bool = False
    events: tuple[Event, ...] = ()
    plays: tuple[tuple[str, Play], ...] = ()
    """(room of the speaker, message)."""
    sounding: tuple[tuple[str, Sounding], ...] = ()
    troubles: tuple[tuple[tuple[str | None, str], datetime], ...] = ()
    outcome: str = ""


@dataclass(slots=True)
class State:
    """`seen` holds every press for ever (about 200 bytes each): a lower seq that comes later is still new."""

    policy: Policy = field(default_factory=Policy)
    seen: dict[PressId, str] = field(default_factory=dict)
    alerts: dict[str, Alert] = field(default_factory=dict)
    last: dict[Gesture, LastPress] = field(default_factory=dict)
    armed: dict[str, Armed] = field(default_factory=dict)
    sounding: dict[str, Sounding] = field(default_factory=dict)
    troubles: dict[tuple[str | None, str], datetime] = field(default_factory=dict)
    floods: dict[tuple[str | None, str], Floods] = field(default_factory=dict)
    _near: dict[str, dict[str, None]] = field(default_factory=dict)

    def put(self, alert: Alert) -> None:
        """Know this alert, as it is now."""
        before = self.alerts.get(alert.alert_id)
        if before is not None and (before.device, before.room) != (alert.device, alert.room):
            self._drop(before)
        self.alerts[alert.alert_id] = alert
        for place in _places(alert):
            self._near.setdefault(place, {})[alert.alert_id] = None

    def near(self, *places: str | None) -> Iterator[Alert]:
        """The alerts of a device or a room, open ones and those closed of late, the latest first."""
        for place in places:
            if place is not None:
                for alert_id in reversed(self._near.get(place, {})):
                    yield self.alerts[alert_id]

    def gesture(self, press: Press) -> Gesture:
        """What the hand did, as far as it means something: another key or pattern is no bounce."""
        return press.device, self.policy.known(press.pattern), press.key or ONLY_KEY

    def apply(self, decision: Decision) -> None:
        """Take a decision in."""
        press = decision.press
        self.seen[press.id] = press.fingerprint
        if decision.alert is not None:
            self.put(decision.alert)
        if decision.last is not None:
            self.last[self.gesture(press)] = decision.last
        if decision.disarms:
            self.armed.pop(press.device, None)
        self.sounding.update(decision.sounding)
        self.troubles.update(decision.troubles)

    def load(self, seen: Iterable[tuple[PressId, str]], alerts: Iterable[Alert]) -> None:
        """What the store remembers; what was decided since (while it could not be read) stays."""
        for press_id, fingerprint in seen:
            self.seen.setdefault(press_id, fingerprint)
        for alert in alerts:
            if alert.alert_id not in self.alerts:
                self.put(alert)

    def forget(self, now: datetime) -> None:
        """Let go of alerts that closed so long ago that no press can belong to them any more."""
        limit = now - GREATEST_AGE - timedelta(minutes=1)
        for alert in [a for a in self.alerts.values() if a.closed_at is not None and a.closed_at < limit]:
            self._drop(alert)
        self.sounding = {room: said for room, said in self.sounding.items() if said.until > now}
        self.armed = {device: armed for device, armed in self.armed.items() if armed.until > now}

    def _drop(self, alert: Alert) -> None:
        del self.alerts[alert.alert_id]
        for place in _places(alert):
            self._near[place].pop(alert.alert_id, None)


def _places(alert: Alert) -> Iterator[str]:
    return (place for place in (alert.device, alert.room) if place is not None)
