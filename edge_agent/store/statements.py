"""Every write of the gateway, as a statement with its values."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

import msgspec

from edge_agent import times
from edge_agent.decision.state import Alert
from edge_agent.messages.events import Event, TroubleBegan, TroubleEnded
from edge_agent.messages.press import Press

Value = str | int | bytes | None
Statement = tuple[str, tuple[Value, ...]]

PRESS = "INSERT OR IGNORE INTO presses VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
ALERT = "INSERT OR REPLACE INTO alerts VALUES (?, ?, ?)"
EVENT = "INSERT OR IGNORE INTO outbox (event_id, alert_id, urgency, payload) VALUES (?, ?, ?, ?)"
ROWS_AT_ONCE = 100

REFUSED_RETRY = timedelta(hours=1)
KEPT = timedelta(days=30)
"""How long forwarded events are kept, to be sent again if the cloud is restored from a backup."""


def press(accepted: Press, outcome: str, alert_id: str | None, arrived_at: datetime, body: bytes) -> Statement:
    """Insert an accepted press. An existing row (the file may have been unreadable at startup) is left unchanged."""
    return (
        PRESS,
        (*accepted.id, accepted.fingerprint, outcome, alert_id, times.text(arrived_at), body),
    )


def alert(known: Alert) -> Statement:
    """Insert or replace an alert."""
    closed = None if known.closed_at is None else times.text(known.closed_at)
    return ALERT, (known.alert_id, closed, msgspec.json.encode(known))


def event(outgoing: Event) -> Statement:
    """Insert an event to be sent to the cloud."""
    return (
        EVENT,
        (outgoing.event_id, outgoing.about, 0 if outgoing.about else 1, msgspec.json.encode(outgoing)),
    )


def events(outgoing: Iterable[Event]) -> Iterator[Statement]:
    """Insert events to be sent to the cloud, and update the ongoing troubles accordingly."""
    for one in outgoing:
        yield event(one)
        if isinstance(one, TroubleBegan):
            body = msgspec.json.encode({"since": one.since, "detail": one.detail})
            yield "INSERT OR REPLACE INTO troubles VALUES (?, ?, ?)", (one.device or "", one.trouble, body)
        elif isinstance(one, TroubleEnded):
            yield "DELETE FROM troubles WHERE device = ? AND trouble = ?", (one.device or "", one.trouble)


def amended(outgoing: Event) -> Statement:
    """Update an event with the hops passed meanwhile."""
    return "UPDATE outbox SET payload = ? WHERE event_id = ?", (msgspec.json.encode(outgoing), outgoing.event_id)


def forwarded(event_id: str, result: str, now: datetime) -> Statement:
    """Mark an event as forwarded."""
    return (
        "UPDATE outbox SET forwarded_at = ?, result = ?, retry_at = NULL WHERE event_id = ?",
        (times.text(now), result, event_id),
    )


def refused(event_id: str, now: datetime) -> Statement:
    """Mark an event that the cloud refuses in any request; it waits without blocking others."""
    return (
        "UPDATE outbox SET result = 'refused', retry_at = ? WHERE event_id = ?",
        (times.text(now + REFUSED_RETRY), event_id),
    )


def due_again(after: str | None) -> Statement:
    """Make everything due that the cloud lost: all events after this id (None: all)."""
    return (
        "UPDATE outbox SET forwarded_at = NULL, result = NULL WHERE forwarded_at IS NOT NULL AND event_id > ?",
        (after or "",),
    )


def meta(key: str, value: str) -> Statement:
    """Store a single value: epoch or cursor."""
    return "INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value)


def joined(writes: Iterable[Statement]) -> Iterator[Statement]:
    """Merge writes into fewer statements: inserts into one table are combined, up to 100 rows. Inserts into different
    tables may be reordered; no insert moves across an update."""
    waiting: dict[str, list[tuple[Value, ...]]] = {PRESS: [], ALERT: [], EVENT: []}
    for sql, values in writes:
        rows = waiting.get(sql)
        if rows is None:
            yield from _rows(waiting)
            yield sql, values
        else:
            rows.append(values)
    yield from _rows(waiting)


def _rows(waiting: dict[str, list[tuple[Value, ...]]]) -> Iterator[Statement]:
    for sql, rows in waiting.items():
        place = sql.rpartition(" VALUES ")[2]
        for start in range(0, len(rows), ROWS_AT_ONCE):
            some = rows[start : start + ROWS_AT_ONCE]
            yield sql + f", {place}" * (len(some) - 1), tuple(value for row in some for value in row)
        rows.clear()


def swept(now: datetime) -> Iterable[Statement]:
    """Delete events that the cloud has had for 30 days and alerts closed as long ago. Presses are kept forever."""
    limit = times.text(now - KEPT)
    yield "DELETE FROM outbox WHERE forwarded_at < ?", (limit,)
    yield "DELETE FROM alerts WHERE closed_at < ?", (limit,)
