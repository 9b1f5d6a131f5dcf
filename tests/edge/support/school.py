"""A small school: three rooms with a button and a speaker each, and a hall speaker that is audible in all."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec

from edge_agent.decision.policy import Policy
from edge_agent.decision.presses import decide
from edge_agent.decision.state import Decision, State
from edge_agent.messages.cloud import AlertDocument, Configuration
from edge_agent.messages.events import PressEvent
from edge_agent.messages.press import Press
from edge_agent.times import Bounds, Instant

Json = dict[str, object]

GATEWAY = str(UUID(int=1))
ROOMS = [str(UUID(int=0xA00 + number)) for number in range(3)]
HALL = str(UUID(int=0xAFF))
DEVICES = [f"ss-00000{number}" for number in range(3)]
STRANGER = "ss-999999"
START = datetime(2026, 9, 1, 8, 0, tzinfo=UTC)


def configuration(**changes: object) -> Json:
    names = {"name": "a room", "floor": "1", "building": "main"}
    return {
        "v": 1,
        "organization": str(UUID(int=2)),
        "gateway": GATEWAY,
        "version": 7,
        "issued_at": "2026-09-01T00:00:00.000Z",
        "rooms": [{"id": room, **names} for room in [*ROOMS, HALL]],
        "devices": [
            {"device": device, "room": room, "lifecycle": "active", "power": "mains"}
            for device, room in zip(DEVICES, ROOMS, strict=True)
        ],
        "rules": [{"pattern": "double", "type": "lockdown", "silent": True}],
        "speakers": [
            *({"room": room, "covers": [room]} for room in ROOMS),
            {"room": HALL, "covers": [HALL, *ROOMS]},
        ],
        **changes,
    }


def policy(**changes: object) -> Policy:
    return Policy.of(msgspec.convert(configuration(**changes), Configuration))


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def instant(seconds: float) -> Instant:
    """Return a moment after the start, by clocks that agree exactly."""
    return Instant(at(seconds), seconds, Bounds(at(seconds), at(seconds)))


def press(seq: int = 1, device: str = DEVICES[0], pattern: str | None = "long", **more: object) -> Press:
    """Build a press; by default made `seq` seconds after the button started."""
    facts: Json = {"inst": "a1b2c3d4", "boot": 1, "uptime_ms": 1000 * seq, "age_ms": 0, **more}
    return msgspec.convert({"device": device, "seq": seq, "pattern": pattern, **facts}, Press)


def accept(state: State, what: Press, seconds: float) -> Decision:
    """Decide on a press arriving at `seconds`, and apply the decision."""
    decision = decide(state, what, instant(seconds))
    state.apply(decision)
    return decision


def press_event(decision: Decision) -> PressEvent:
    """Return the single event of the press itself."""
    (event,) = [event for event in decision.events if isinstance(event, PressEvent)]
    return event


def document(alert_id: str, **changes: object) -> AlertDocument:
    """Build an alert document; by default of an alert closed 60 s after the start."""
    facts: Json = {
        "alert_id": alert_id,
        "alert_type": "lockdown",
        "severity": "critical",
        "status": "resolved",
        "source": "button",
        "is_drill": False,
        "is_silent": False,
        "device": {"device_id": alert_id.partition(":")[0]},
        "place": {"room": {"id": ROOMS[0]}},
        "triggered_at": at(0).isoformat(),
        "last_pressed_at": at(0).isoformat(),
        "resolved_at": at(60).isoformat(),
        **changes,
    }
    return msgspec.convert(facts, AlertDocument)
