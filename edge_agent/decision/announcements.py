"""PA announcements: one at a time per speaker, graver ones pre-empt, and none that would reveal the caller."""

from datetime import timedelta

import msgspec

from edge_agent import times
from edge_agent.decision.policy import Zone
from edge_agent.decision.state import Alert, SpeakerState, State
from edge_agent.messages.alert_types import GRAVITY, HIDES
from edge_agent.messages.building import Announcement
from edge_agent.times import Instant

ANNOUNCEMENT_LIFETIME = timedelta(seconds=10)
"""How long an announcement may still start; for as long, the speaker makes none of the same or a lower priority."""

DRILL_PRIORITY = 1
"""Priority of every drill: nothing real ever waits for one."""

Announcements = tuple[tuple[str, Announcement], ...]


def announce(
    state: State, alert: Alert, now: Instant
) -> tuple[Alert, Announcements, tuple[tuple[str, SpeakerState], ...]]:
    """Return the alert with its next generation, and its announcements; a silent alert has none."""
    if alert.silent:
        return alert, (), ()
    priority = DRILL_PRIORITY if alert.drill else GRAVITY[alert.type]
    weight = (not alert.drill, priority)
    zones = [zone for zone in state.policy.zones if _free(state, zone, weight, now) and not _hidden(state, alert, zone)]
    if not zones:
        return alert, (), ()
    alert = msgspec.structs.replace(alert, generation=alert.generation + 1)
    announcement = Announcement(
        alert_id=alert.alert_id,
        generation=alert.generation,
        type=alert.type,
        drill=alert.drill,
        priority=priority,
        expires_at=times.text(now.wall + ANNOUNCEMENT_LIFETIME),
    )
    speaker = SpeakerState(weight, now.elapsed + ANNOUNCEMENT_LIFETIME.total_seconds())
    return alert, tuple((zone.room, announcement) for zone in zones), tuple((zone.room, speaker) for zone in zones)


def _free(state: State, zone: Zone, weight: tuple[bool, int], now: Instant) -> bool:
    speaker = state.speakers.get(zone.room)
    return speaker is None or speaker.until <= now.elapsed or speaker.weight < weight


def _hidden(state: State, alert: Alert, zone: Zone) -> bool:
    """Whether such an alert came from every room in which this speaker can be heard."""
    return alert.type in HIDES and all(_came_from(state, alert, room) for room in zone.covers)


def _came_from(state: State, alert: Alert, room: str) -> bool:
    """Whether an alert of this type came from the room. Silent alerts mute nothing, since one quiet speaker among many
    would reveal them, and drills do not mute real alerts."""
    return alert.room == room or any(
        other.open
        and other.type is alert.type
        and other.room == room
        and other.drill is alert.drill
        and not other.silent
        for other in state.near(room)
    )
