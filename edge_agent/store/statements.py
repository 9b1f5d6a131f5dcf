"""Every write that the gateway makes, each a statement with its values."""

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
"""How long a forwarded event is kept, to be sent again should the cloud be restored from a backup."""


def press(taken: Press, outcome: str, alert_id: str | None, arrived_at: datetime, body: bytes) -> Statement:
    """A press that was taken. One that is there already (the file could not be read at start) stays as it is."""
    return (
        PRESS,
        (*taken.id, taken.fingerprint, outcome, alert_id, times.text(arrived_at), body),
    )


def alert(known: Alert) -> Statement:
    """An alert as it is known now."""
    closed = None if known.closed_at is None else times.text(known.closed_at)
    return ALERT, (known.alert_id, closed, msgspec.json.encode(known))


def event(said: Event) -> Statement:
    """An event that the cloud has yet to hear."""
    return (
        EVENT,
        (said.event_id, said.about, 0 if said.about else 1, msgspec.json.encode(said)),
    )


def events(said: Iterable[Event]) -> Iterator[Statement]:
    """Events that the cloud has yet to hear; and which troubles stand by them."""
    for one in said:
        yield event(one)
        if isinstance(one, TroubleBegan):
            body = msgspec.json.encode({"since": one.since, "detail": one.detail})
            yield "INSERT OR REPLACE INTO troubles VALUES (?, ?, ?)", (one.device or "", one.trouble, body)
        elif isinstance(one, TroubleEnded):
            yield "DELETE FROM troubles WHERE device = ? AND trouble = ?", (one.device or "", one.trouble)


def amended(said: Event) -> Statement:
    """The same event, with hops that have been passed meanwhile."""
    return "UPDATE outbox SET payload = ? WHERE event_id = ?", (msgspec.json.encode(said), said.event_id)


def forwarded(event_id: str, result: str, now: datetime) -> Statement:
    """The cloud has it."""
    return (
        "UPDATE outbox SET forwarded_at = ?, result = ?, retry_at = NULL WHERE event_id = ?",
        (times.text(now), result, event_id),
    )


def refused(event_id: str, now: datetime) -> Statement:
    """The cloud refuses any request with this event in it: it waits, out of the others' way."""
    return (
        "UPDATE outbox SET result = 'refused', retry_at = ? WHERE event_id = ?",
        (times.text(now + REFUSED_RETRY), event_id),
    )


def due_again(after: str | None) -> Statement:
    """Everything that the cloud lost: what it had heard after this event id (None: all)."""
    return (
        "UPDATE outbox SET forwarded_at = NULL, result = NULL WHERE forwarded_at IS NOT NULL AND event_id > ?",
        (after or "",),
    )


def meta(key: str, value: str) -> Statement:
    """A single fact: epoch, cursor."""
    return "INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value)


def joined(writes: Iterable[Statement]) -> Iterator[Statement]:
    """The same writes in fewer statements: inserts into one table become one, up to 100 rows of it. Inserts into
    different tables may change places; nothing changes places with an update."""
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
    """What may go: events that the cloud has had for 30 days, alerts closed as long ago. Presses stay for ever."""
    limit = times.text(now - KEPT)
    yield "DELETE FROM outbox WHERE forwarded_at < ?", (limit,)
    yield "DELETE FROM alerts WHERE closed_at < ?", (limit,)
