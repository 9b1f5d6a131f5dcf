"""What the cloud tells: alerts that people closed or raised there, and a device armed for a drill."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from edge_agent.decision.lifecycle import Stage, advance
from edge_agent.decision.sounding import Plays, sound
from edge_agent.decision.state import Alert, Armed, Sounding, State
from edge_agent.messages.cloud import AlertDocument
from edge_agent.times import Instant

ARMED_AT_MOST = timedelta(seconds=60)
FRESH = timedelta(minutes=2)
"""An alert of a phone or the web that is older is told to people, but not spoken in the building."""


@dataclass(frozen=True, slots=True)
class Learned:
    """An alert as it is known now, and what to say of it."""

    alert: Alert
    plays: Plays = ()
    sounding: tuple[tuple[str, Sounding], ...] = ()


def learn(state: State, document: AlertDocument, now: Instant) -> Learned | None:
    """Take in an alert document; None when it says nothing new. What is closed stays closed."""
    known = state.alerts.get(document.alert_id)
    closed_at = _closed_at(document, now)
    if known is None:
        return _new(state, document, closed_at, now)
    if closed_at is None or not known.open:
        return None
    return Learned(msgspec.structs.replace(known, closed_at=closed_at, stage=advance(known.stage, Stage.CLEARED)))


def arm(state: State, device: str, expires_at: datetime, now: Instant) -> bool:
    """Make the next press of a device a drill, until `expires_at` by the cloud's clock and for 60 s at most.

    False when that is over, or may be: a real press must not become a drill because a clock here is slow.
    """
    if now.cloud is None or expires_at <= now.cloud.latest:
        return False
    left = min(expires_at - now.cloud.latest, ARMED_AT_MOST)
    state.armed[device] = Armed(now.elapsed, now.elapsed + left.total_seconds())
    return True


def _new(state: State, document: AlertDocument, closed_at: datetime | None, now: Instant) -> Learned:
    alert = Alert(
        alert_id=document.alert_id,
        type=document.alert_type,
        severity=document.severity,
        silent=document.is_silent,
        drill=document.is_drill,
        device=None if document.device is None else document.device.device_id,
        room=None if document.place is None else document.place.room.id,
        raised_at=document.triggered_at,
        opened_at=document.triggered_at,
        closed_at=closed_at,
        stage=Stage.FORWARDED if closed_at is None else Stage.CLEARED,
    )
    if alert.open and document.source != "button" and _fresh(document, now):
        return Learned(*sound(state, alert, now))
    return Learned(alert)


def _fresh(document: AlertDocument, now: Instant) -> bool:
    """Raised of late, as far as is known: an alarm is rather spoken too late than not at all."""
    return now.cloud is None or now.cloud.earliest - document.triggered_at <= FRESH


def _closed_at(document: AlertDocument, now: Instant) -> datetime | None:
    """By the cloud's clock, and no later than it is known here; where no time is given, the earliest that it can have
    been: a press that came after a close must never be taken for one before it."""
    if document.status in ("new", "acknowledged"):
        return None
    closed_at = document.resolved_at or document.last_pressed_at
    return closed_at if now.cloud is None else min(closed_at, now.cloud.latest)
