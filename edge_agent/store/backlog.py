"""What the cloud has yet to hear, read so that every device has its turn."""

import sqlite3
from collections.abc import Set
from dataclasses import dataclass
from datetime import datetime

from edge_agent import times
from edge_agent.store.statements import REFUSED_RETRY

_AFTER_DEVICE = ";"
"""The character after the colon that ends a device's name: alerts that are named from here on are of later devices."""
_DUE = "forwarded_at IS NULL AND (retry_at IS NULL OR retry_at <= ? OR retry_at > ?)"
"""An event that was refused waits; but for no longer than it may, whatever the clock said then."""


@dataclass(frozen=True, slots=True)
class Row:
    """An event of the outbox, ready to be sent."""

    event_id: str
    alert_id: str | None
    payload: bytes

    @property
    def device(self) -> str:
        """Whose alert it belongs to; empty: none's. Alerts are named after the press that raised them."""
        return (self.alert_id or "").partition(":")[0]

    @property
    def tells_of_press(self) -> bool:
        """The cloud can make an alert of it alone."""
        return self.payload.startswith(b'{"kind":"alert.')


@dataclass(frozen=True, slots=True)
class Busy:
    """Events that are being sent or wait in memory, and the alerts whose order they would break."""

    events: Set[str]
    alerts: Set[str]


@dataclass(frozen=True, slots=True)
class Due:
    """The next events of the backlog. `skipped`: there is more, of alerts that are busy."""

    rows: list[Row]
    skipped: bool


def due(connection: sqlite3.Connection, limit: int, each: int, busy: Busy, now: datetime, turn: str) -> tuple[Due, str]:
    """At most `limit` events, `each` of a device, beginning with the first alert after the name `turn`; and where the
    next turn begins. Events that belong to no alert come when there is nothing else."""
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
        found = [row for row in of_alert(connection, alert_id, each, now) if row.event_id not in busy.events]
        rows += found[: limit - len(rows)]
        place = alert_id.partition(":")[0] + _AFTER_DEVICE if found else alert_id
    if not rows:
        rows = _of_no_alert(connection, limit, busy, now)
    return Due(rows, skipped), place


def of_alert(
    connection: sqlite3.Connection, alert_id: str, limit: int, now: datetime, *, before: str | None = None
) -> list[Row]:
    """The first events of an alert that are due, in order."""
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
