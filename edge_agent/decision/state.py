"""The state that decisions are based on: a value in memory, rebuilt from the store at startup."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from edge_agent.decision.dating import GREATEST_AGE
from edge_agent.decision.lifecycle import Stage
from edge_agent.decision.policy import Policy
from edge_agent.decision.seen import Seen
from edge_agent.messages.alert_types import AlertType
from edge_agent.messages.building import Announcement
from edge_agent.messages.events import Event
from edge_agent.messages.press import ONLY_KEY, Press, PressId
from edge_agent.messages.severity import Severity
from edge_agent.times import Instant

FORGOTTEN_AFTER = GREATEST_AGE + timedelta(minutes=1)
"""No press is older than this, so none can belong to an alert that closed before."""
SAME_MESSAGE = timedelta(seconds=10)
"""A broker without a PUBACK redelivers a message within this time."""


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """An alert as known by the gateway. Only the cloud, or a person in the building, closes one."""

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
    """The number of times that it was announced; 0: not yet."""
    opened_at: datetime | None = None
    """The earliest time of its first press, by the cloud's clock like `closed_at`; None if unknown."""
    arrived: float = 0.0
    """`Instant.elapsed` of its first press, valid in the machine boot named by `boot`."""
    boot: str = ""

    @property
    def open(self) -> bool:
        """Whether the alert is still open, as far as the gateway knows."""
        return self.closed_at is None


Gesture = tuple[str, str | None, int]
"""Device, pattern (None: an unknown one) and key."""


@dataclass(frozen=True, slots=True)
class LastPress:
    """The latest press of one gesture, for the bounce rule; `counted` as in `Dated`."""

    counted: float
    alert_id: str


@dataclass(frozen=True, slots=True)
class Unidentified:
    """A body without a readable identity, accepted `at` (`Instant.elapsed`) under a derived one. The same body within
    seconds is the same message; later it is another press."""

    at: float
    press_id: PressId


@dataclass(frozen=True, slots=True)
class Armed:
    """A device that a technician armed: its next press in this interval (`Instant.elapsed`) is a drill, and only
    that."""

    since: float
    until: float


@dataclass(frozen=True, slots=True)
class SpeakerState:
    """The latest announcement of a speaker, and until when (`Instant.elapsed`) it makes none of the same or a lower
    weight."""

    weight: tuple[bool, int]
    until: float


@dataclass(frozen=True, slots=True)
class Standing:
    """An ongoing trouble: its beginning, and the time of its last report (`Instant.elapsed`)."""

    since: datetime
    reported: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The result of deciding on a press. `path` lists the stages that the press passed."""

    press: Press
    path: tuple[Stage, ...]
    repeat: bool = False
    alert: Alert | None = None
    ended: tuple[Alert, ...] = ()
    """Drills that this press ends."""
    last: LastPress | None = None
    unidentified: tuple[PressId, Unidentified] | None = None
    disarms: bool = False
    events: tuple[Event, ...] = ()
    announcements: tuple[tuple[str, Announcement], ...] = ()
    """(room of the speaker, message)."""
    speakers: tuple[tuple[str, SpeakerState], ...] = ()
    troubles: tuple[tuple[tuple[str | None, str], Standing], ...] = ()
    recovered: tuple[tuple[str | None, str], ...] = ()
    """Troubles that this press no longer has."""
    outcome: str = ""


@dataclass(slots=True)
class State:
    """The decision state. Query the disk first for presses that memory does not have (`Seen.uncertain`)."""

    policy: Policy = field(default_factory=Policy)
    seen: Seen = field(default_factory=Seen)
    alerts: dict[str, Alert] = field(default_factory=dict)
    last: dict[Gesture, LastPress] = field(default_factory=dict)
    unidentified: dict[PressId, Unidentified] = field(default_factory=dict)
    boot: str = ""
    """The current boot of the machine: `Instant.elapsed` values of another boot cannot be compared."""
    armed: dict[str, Armed] = field(default_factory=dict)
    speakers: dict[str, SpeakerState] = field(default_factory=dict)
    troubles: dict[tuple[str | None, str], Standing] = field(default_factory=dict)
    _near: dict[str, dict[str, None]] = field(default_factory=dict)
    _drills: dict[str, None] = field(default_factory=dict)
    _closed: dict[str, float | None] = field(default_factory=dict)
    """When (`Instant.elapsed`) `forget` first found each closed alert; None: not yet."""

    def put(self, alert: Alert) -> None:
        """Add or replace an alert."""
        before = self.alerts.get(alert.alert_id)
        if before is not None and (before.device, before.room) != (alert.device, alert.room):
            self._drop(before)
        self.alerts[alert.alert_id] = alert
        if not alert.open:
            self._closed.setdefault(alert.alert_id, None)
            self._drills.pop(alert.alert_id, None)
        elif alert.drill:
            self._drills[alert.alert_id] = None
        for place in _places(alert):
            self._near.setdefault(place, {})[alert.alert_id] = None

    def near(self, *places: str | None) -> Iterator[Alert]:
        """Yield the alerts of a device or a room, open and recently closed, the latest first."""
        for place in places:
            if place is not None:
                for alert_id in reversed(self._near.get(place, {})):
                    yield self.alerts[alert_id]

    @property
    def drills(self) -> Iterator[Alert]:
        """The open drills."""
        return (self.alerts[alert_id] for alert_id in self._drills)

    def gesture(self, press: Press) -> Gesture:
        """Return device, pattern and key; a press that differs in one of them is not a bounce."""
        return press.device, self.policy.known(press.pattern), press.key or ONLY_KEY

    def apply(self, decision: Decision) -> None:
        """Apply a decision."""
        press = decision.press
        self.seen.add(press.id, press.fingerprint)
        for alert in (*decision.ended, *(() if decision.alert is None else (decision.alert,))):
            self.put(alert)
        if decision.unidentified is not None:
            self.unidentified.update([decision.unidentified])
        if decision.last is not None:
            self.last[self.gesture(press)] = decision.last
        if decision.disarms:
            self.armed.pop(press.device, None)
        self.speakers.update(decision.speakers)
        self.troubles.update(decision.troubles)
        for key in decision.recovered:
            self.troubles.pop(key, None)

    def load(self, alerts: Iterable[Alert]) -> None:
        """Add the stored alerts; decisions made before the store could be read take precedence."""
        for alert in alerts:
            if alert.alert_id not in self.alerts:
                self.put(alert)

    def forget(self, now: Instant) -> None:
        """Drop alerts that closed too long ago for any press to belong to them, and expired entries."""
        limit = now.elapsed - FORGOTTEN_AFTER.total_seconds()
        for alert_id, since in list(self._closed.items()):
            if since is None:
                self._closed[alert_id] = now.elapsed
            elif since < limit:
                self._drop(self.alerts[alert_id])
        self.speakers = {room: speaker for room, speaker in self.speakers.items() if speaker.until > now.elapsed}
        self.armed = {device: armed for device, armed in self.armed.items() if armed.until > now.elapsed}
        limit = now.elapsed - SAME_MESSAGE.total_seconds()
        self.unidentified = {press_id: one for press_id, one in self.unidentified.items() if one.at > limit}

    def _drop(self, alert: Alert) -> None:
        del self.alerts[alert.alert_id]
        self._closed.pop(alert.alert_id, None)
        self._drills.pop(alert.alert_id, None)
        for place in _places(alert):
            self._near[place].pop(alert.alert_id, None)


def _places(alert: Alert) -> Iterator[str]:
    return (place for place in (alert.device, alert.room) if place is not None)
