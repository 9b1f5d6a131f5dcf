"""Updates from the cloud: alerts that people closed or raised there, and devices armed for a drill."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from edge_agent.decision.announcements import Announcements, announce
from edge_agent.decision.lifecycle import Stage, advance
from edge_agent.decision.state import Alert, Armed, SpeakerState, State
from edge_agent.messages.cloud import AlertDocument
from edge_agent.times import Instant

ARMED_AT_MOST = timedelta(seconds=60)
FRESH = timedelta(minutes=2)
"""An older alert from a phone or the web notifies people, but is not announced in the building."""


@dataclass(frozen=True, slots=True)
class AlertUpdate:
    """An alert's new state and the announcements to make for it."""

    alert: Alert
    announcements: Announcements = ()
    speakers: tuple[tuple[str, SpeakerState], ...] = ()


def apply_document(state: State, document: AlertDocument, now: Instant) -> AlertUpdate | None:
    """Apply an alert document; None if it changes nothing. A closed alert stays closed."""
    known = state.alerts.get(document.alert_id)
    closed_at = _closed_at(document, now)
    if known is None:
        return _new(state, document, closed_at, now)
    if closed_at is None or not known.open:
        return None
    return AlertUpdate(msgspec.structs.replace(known, closed_at=closed_at, stage=advance(known.stage, Stage.CLEARED)))


def arm(state: State, device: str, expires_at: datetime, now: Instant) -> bool:
    """Make the next press of a device a drill, until `expires_at` by the cloud's clock and for at most 60 s.

    Return False if that time has or may have passed: a slow local clock must not turn a real press into a drill.
    """
    if now.cloud is None or expires_at <= now.cloud.latest:
        return False
    left = min(expires_at - now.cloud.latest, ARMED_AT_MOST)
    state.armed[device] = Armed(now.elapsed, now.elapsed + left.total_seconds())
    return True


def _new(state: State, document: AlertDocument, closed_at: datetime | None, now: Instant) -> AlertUpdate:
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
        return AlertUpdate(*announce(state, alert, now))
    return AlertUpdate(alert)


def _fresh(document: AlertDocument, now: Instant) -> bool:
    """Whether the alert is recent, as far as is known: a late announcement is better than none."""
    return now.cloud is None or now.cloud.earliest - document.triggered_at <= FRESH


def _closed_at(document: AlertDocument, now: Instant) -> datetime | None:
    """The closing time by the cloud's clock, at most the current time. If the document has none, the earliest possible
    time: a press after the close must never count as one before it."""
    if document.status in ("new", "acknowledged"):
        return None
    closed_at = document.resolved_at or document.last_pressed_at
    return closed_at if now.cloud is None else min(closed_at, now.cloud.latest)
