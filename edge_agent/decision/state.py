"""What the gateway knows while it decides: a value in memory, made again from the store at start."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from edge_agent.decision.dating import GREATEST_AGE
from edge_agent.decision.lifecycle import Stage
from edge_agent.decision.policy import Policy
from edge_agent.decision.seen import Seen
from edge_agent.messages.alert_types import AlertType
from edge_agent.messages.building import Play
from edge_agent.messages.events import Event
from edge_agent.messages.press import ONLY_KEY, Press, PressId
from edge_agent.messages.words import Severity
from edge_agent.times import Instant

FORGOTTEN_AFTER = GREATEST_AGE + timedelta(minutes=1)
"""No press is older than that, so none can belong to what closed before."""
SAME_MESSAGE = timedelta(seconds=10)
"""A broker that was not confirmed delivers a message again within that."""


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
    opened_at: datetime | None = None
    """The earliest time of its first press by the cloud's clock, as `closed_at` is; None where that is not known."""
    arrived: float = 0.0
    """`Instant.elapsed` of its first press, in the boot of the machine named by `boot`."""
    boot: str = ""

    @property
    def open(self) -> bool:
        """Nobody has ended it, as far as is known here."""
        return self.closed_at is None


Gesture = tuple[str, str | None, int]
"""Device, pattern (None: one that means nothing) and key."""


@dataclass(frozen=True, slots=True)
class LastPress:
    """The latest press of one gesture, which the bounce rule compares with; `counted` as in `Dated`."""

    counted: float
    alert_id: str


@dataclass(frozen=True, slots=True)
class Unidentified:
    """A body without a readable identity that was taken `at` (`Instant.elapsed`), under the name that was made for it.
    The same body again within seconds is the same message; later it is another press."""

    at: float
    press_id: PressId


@dataclass(frozen=True, slots=True)
class Armed:
    """A technician made the next press of one device a drill: of that time only (`Instant.elapsed`), and of that one
    press."""

    since: float
    until: float


@dataclass(frozen=True, slots=True)
class Sounding:
    """What a speaker was last told, and until when (`Instant.elapsed`) nothing of the same or less weight is said
    there."""

    weight: tuple[bool, int]
    until: float


@dataclass(frozen=True, slots=True)
class Standing:
    """A trouble that stands: since when, and when (`Instant.elapsed`) that was last said."""

    since: datetime
    told: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a press leads to. `path` is how far the press itself went through the transition table."""

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
    plays: tuple[tuple[str, Play], ...] = ()
    """(room of the speaker, message)."""
    sounding: tuple[tuple[str, Sounding], ...] = ()
    troubles: tuple[tuple[tuple[str | None, str], Standing], ...] = ()
    recovered: tuple[tuple[str | None, str], ...] = ()
    """Troubles that this press shows no more."""
    outcome: str = ""


@dataclass(slots=True)
class State:
    """A value: what the disk remembers besides has to be asked before a decision (`Seen.uncertain`)."""

    policy: Policy = field(default_factory=Policy)
    seen: Seen = field(default_factory=Seen)
    alerts: dict[str, Alert] = field(default_factory=dict)
    last: dict[Gesture, LastPress] = field(default_factory=dict)
    unidentified: dict[PressId, Unidentified] = field(default_factory=dict)
    boot: str = ""
    """Names this boot of the machine: `Instant.elapsed` of another says nothing here."""
    armed: dict[str, Armed] = field(default_factory=dict)
    sounding: dict[str, Sounding] = field(default_factory=dict)
    troubles: dict[tuple[str | None, str], Standing] = field(default_factory=dict)
    _near: dict[str, dict[str, None]] = field(default_factory=dict)
    _drills: dict[str, None] = field(default_factory=dict)
    _closed: dict[str, float | None] = field(default_factory=dict)
    """Since when (`Instant.elapsed`) each closed alert is seen to be closed; None: not seen by `forget` yet."""

    def put(self, alert: Alert) -> None:
        """Know this alert, as it is now."""
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
        """The alerts of a device or a room, open ones and those closed of late, the latest first."""
        for place in places:
            if place is not None:
                for alert_id in reversed(self._near.get(place, {})):
                    yield self.alerts[alert_id]

    @property
    def drills(self) -> Iterator[Alert]:
        """The drills that are open."""
        return (self.alerts[alert_id] for alert_id in self._drills)

    def gesture(self, press: Press) -> Gesture:
        """What the hand did, as far as it means something: another key or pattern is no bounce."""
        return press.device, self.policy.known(press.pattern), press.key or ONLY_KEY

    def apply(self, decision: Decision) -> None:
        """Take a decision in."""
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
        self.sounding.update(decision.sounding)
        self.troubles.update(decision.troubles)
        for key in decision.recovered:
            self.troubles.pop(key, None)

    def load(self, alerts: Iterable[Alert]) -> None:
        """What the store remembers; what was decided since (while it could not be read) stays."""
        for alert in alerts:
            if alert.alert_id not in self.alerts:
                self.put(alert)

    def forget(self, now: Instant) -> None:
        """Let go of alerts that closed so long ago that no press can belong to them any more, and of what is over."""
        limit = now.elapsed - FORGOTTEN_AFTER.total_seconds()
        for alert_id, since in list(self._closed.items()):
            if since is None:
                self._closed[alert_id] = now.elapsed
            elif since < limit:
                self._drop(self.alerts[alert_id])
        self.sounding = {room: said for room, said in self.sounding.items() if said.until > now.elapsed}
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
