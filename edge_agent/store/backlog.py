"""Events waiting for the cloud, read so that every device gets its turn."""

import sqlite3
from collections.abc import Set
from dataclasses import dataclass
from datetime import datetime

from edge_agent import times
from edge_agent.store.statements import REFUSED_RETRY

_AFTER_DEVICE = ";"
"""The character after the colon that ends a device name: alert ids from here on are of later devices."""
_DUE = "forwarded_at IS NULL AND (retry_at IS NULL OR retry_at <= ? OR retry_at > ?)"
"""A refused event waits for its retry, but never longer than the retry interval, even if the clock was wrong."""


@dataclass(frozen=True, slots=True)
class Row:
    """An outbox event, ready to be sent."""

    event_id: str
    alert_id: str | None
    payload: bytes

    @property
    def device(self) -> str:
        """The device of the alert, which is named after the press that raised it; empty for events without an alert."""
        return (self.alert_id or "").partition(":")[0]

    @property
    def is_press_event(self) -> bool:
        """Whether the cloud can raise an alert from this event alone."""
        return self.payload.startswith(b'{"kind":"alert.')


@dataclass(frozen=True, slots=True)
class Busy:
    """Events being sent or held in memory, and the alerts whose order further events would break."""

    events: Set[str]
    alerts: Set[str]


@dataclass(frozen=True, slots=True)
class Due:
    """The next events of the backlog. `skipped`: more events exist, of busy alerts."""

    rows: list[Row]
    skipped: bool


def due(connection: sqlite3.Connection, limit: int, each: int, busy: Busy, now: datetime, turn: str) -> tuple[Due, str]:
    """Return at most `limit` events, `each` per device, starting at the first alert after `turn`, and the start of the
    next turn. Events without an alert come last."""
    rows: list[Row] = []
    skipped, wrapped, place = False, False, turn
    while len(rows) < limit:
        alert_id = _next_alert(connection, place)
        if alert_id is None or (wrapped and alert_id > turn):
            if wrapped or not turn:
                break
            wrapped, place = True, ""
            continue
        if alert_id in busy.alerts:
            skipped, place = True, alert_id
            continue
        due_rows = [row for row in of_alert(connection, alert_id, each, now) if row.event_id not in busy.events]
        rows += due_rows[: limit - len(rows)]
        place = alert_id.partition(":")[0] + _AFTER_DEVICE if due_rows else alert_id
    if not rows:
        rows = _of_no_alert(connection, limit, busy, now)
    return Due(rows, skipped), place


def of_alert(
    connection: sqlite3.Connection, alert_id: str, limit: int, now: datetime, *, before: str | None = None
) -> list[Row]:
    """Return the first due events of an alert, in order."""
    rows = connection.execute(
        f"SELECT event_id, alert_id, payload FROM outbox WHERE alert_id = ? AND {_DUE}"
        " AND (? IS NULL OR event_id < ?) ORDER BY event_id LIMIT ?",
        (alert_id, *_times(now), before, before, limit),
    )
    return [Row(*row) for row in rows]


def _next_alert(connection: sqlite3.Connection, after: str) -> str | None:
    row = connection.execute(
        "SELECT alert_id FROM outbox WHERE forwarded_at IS NULL AND alert_id > ? ORDER BY alert_id LIMIT 1", (after,)
    ).fetchone()
    return None if row is None else str(row[0])


def _of_no_alert(connection: sqlite3.Connection, limit: int, busy: Busy, now: datetime) -> list[Row]:
    rows = connection.execute(
        f"SELECT event_id, alert_id, payload FROM outbox WHERE urgency = 1 AND {_DUE} ORDER BY event_id LIMIT ?",
        (*_times(now), limit + len(busy.events)),
    )
    return [Row(*row) for row in rows if row[0] not in busy.events][:limit]


def _times(now: datetime) -> tuple[str, str]:
    return times.text(now), times.text(now + REFUSED_RETRY)
