"""Which speakers say what: one message at a time per speaker, the graver pre-empts, and never where it would betray."""

from datetime import timedelta

import msgspec

from edge_agent import times
from edge_agent.decision.policy import Zone
from edge_agent.decision.state import Alert, Sounding, State
from edge_agent.messages.alert_types import GRAVITY, HIDES
from edge_agent.messages.building import Play
from edge_agent.times import Instant

PLAY_LIFETIME = timedelta(seconds=10)
"""How long a message may still begin; and as long, nothing of the same or less weight is said there again."""

DRILL_PRIORITY = 1
"""Whatever is practised: nothing real ever waits for it."""

Plays = tuple[tuple[str, Play], ...]


def sound(state: State, alert: Alert, now: Instant) -> tuple[Alert, Plays, tuple[tuple[str, Sounding], ...]]:
    """The messages for an alert that was just pressed, and the alert with its next generation. Silent: none, ever."""
    if alert.silent:
        return alert, (), ()
    priority = DRILL_PRIORITY if alert.drill else GRAVITY[alert.type]
    weight = (not alert.drill, priority)
    zones = [zone for zone in state.policy.zones if _free(state, zone, weight, now) and not _hidden(state, alert, zone)]
    if not zones:
        return alert, (), ()
    alert = msgspec.structs.replace(alert, generation=alert.generation + 1)
    play = Play(
        alert_id=alert.alert_id,
        generation=alert.generation,
        type=alert.type,
        drill=alert.drill,
        priority=priority,
        expires_at=times.text(now.wall + PLAY_LIFETIME),
    )
    said = Sounding(weight, now.elapsed + PLAY_LIFETIME.total_seconds())
    return alert, tuple((zone.room, play) for zone in zones), tuple((zone.room, said) for zone in zones)


def _free(state: State, zone: Zone, weight: tuple[bool, int], now: Instant) -> bool:
    said = state.sounding.get(zone.room)
    return said is None or said.until <= now.elapsed or said.weight < weight


def _hidden(state: State, alert: Alert, zone: Zone) -> bool:
    """Every room where this speaker is heard is one that such an alert came from; it covers no other."""
    return alert.type in HIDES and all(_came_from(state, alert, room) for room in zone.covers)


def _came_from(state: State, alert: Alert, room: str) -> bool:
    """A silent alert mutes nothing: a speaker that stays quiet where all others speak would betray it. Nor does a
    drill mute what is real."""
    return alert.room == room or any(
        other.open
        and other.type is alert.type
        and other.room == room
        and other.drill is alert.drill
        and not other.silent
        for other in state.near(room)
    )
