"""One batch of one gateway: decoded event by event, written as a set, answered event by event.

A bad event costs the others nothing; what has no right to stop an alarm (a suspended organization, a device of nobody
known, a clock) does not. Everything happens in the transaction of the open tenant scope, and is told after its commit.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec
from django.db import DataError, IntegrityError, OperationalError, connection, transaction

from apps.alerts.ingest.batch import CLOCK_LIMIT, Batch, Quarantined
from apps.alerts.ingest.core import ReadInPart, read_core
from apps.alerts.ingest.handlers import apply
from apps.alerts.ingest.messages import (
    AlertRaised,
    AnyEvent,
    EventHead,
    EventResult,
    EventsAnswer,
    EventsRequest,
    PressFacts,
    decode_event,
    decode_head,
    decode_request,
)
from apps.alerts.ingest.raising import raise_alerts, raise_row
from apps.common import metrics
from apps.common.access import Principal
from apps.common.problems import Invalid, TooLarge
from apps.common.scope import current_scope
from apps.common.time_limits import is_lock_conflict, limit_lock_wait
from apps.devices.services import record_gateway_seen

MAX_EVENTS: Final = 500
REFUSED: Final = (DataError, IntegrityError)
"""PostgreSQL's refusal of what an event says. Any other error is the cloud's own and passes: the whole request fails,
nothing of it is kept, and the gateway sends it again."""
LOCK_WAIT: Final = timedelta(milliseconds=50)
"""How long one event waits for a row that another transaction has locked. Everything else in the batch waits with it,
so it is short; the event is answered `retry`, and the gateway sends it again."""
NO_LOCK_WAIT: Final = timedelta(milliseconds=1)
"""The wait once one alert of the batch was found locked: many locked alerts must not add up."""


class TooManyEvents(TooLarge):
    """More events than one request takes."""

    code = "too_many_events"
    default_detail = f"Send at most {MAX_EVENTS} events in one request."


class SeenRow(msgspec.Struct, frozen=True):
    """One event to be remembered; `body` only of what is kept nowhere else."""

    event_id: UUID
    kind: str
    reason: str | None
    body: str | None


def parse(body: bytes) -> EventsRequest:
    """The request as a type. Raises Invalid or TooManyEvents."""
    try:
        request = decode_request(body)
    except msgspec.DecodeError as error:
        raise Invalid(f"The body is not what contracts/edge_events asks for: {error}") from None
    if len(request.events) > MAX_EVENTS:
        raise TooManyEvents()
    return request


def ingest(*, gateway: Principal, request: EventsRequest, received_at: datetime) -> EventsAnswer:
    """Store a batch and answer each event; in the open scope of the gateway's organization."""
    offset = received_at - request.sent_at if request.sent_at else timedelta(0)
    batch = Batch(
        organization_id=next(iter(gateway.grants)),
        gateway_id=gateway.id,
        epoch=request.epoch,
        received_at=received_at,
        clock_offset=offset if abs(offset) > CLOCK_LIMIT else timedelta(0),
        slow=offset if timedelta(0) < offset <= CLOCK_LIMIT else timedelta(0),
    )
    decoded = [_decode(raw, received_at) for raw in request.events]
    results = _store_what_is_free(batch, decoded)
    _count(decoded, results)
    answer = EventsAnswer(watermark=_watermark(batch), results=results)
    record_gateway_seen(organization_id=batch.organization_id, gateway_id=batch.gateway_id, at=received_at)
    return answer


class Locked(Exception):
    """An event needs a row that another transaction holds. `key` names what has to wait: see `_key`."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


class Undecodable(Exception):
    """An event that is not one of the contract's, with as much of its head as could be read."""

    def __init__(self, head: EventHead, body: bytes, detail: str) -> None:
        super().__init__(detail)
        self.head = head
        self.body = body
        self.detail = detail


Decoded = AnyEvent | ReadInPart | Undecodable


def _decode(raw: msgspec.Raw, received_at: datetime) -> Decoded:
    body = bytes(raw)
    try:
        event: AnyEvent = decode_event(body)
    except (msgspec.DecodeError, ValueError) as error:
        return read_core(body, received_at) or _undecodable(body, error)
    return event


def _undecodable(body: bytes, error: Exception) -> Undecodable:
    try:
        head = decode_head(body)
    except msgspec.DecodeError:
        head = EventHead()
    return Undecodable(head, body, str(error)[:1000].replace("\x00", ""))


def _store_what_is_free(batch: Batch, decoded: Sequence[Decoded]) -> list[EventResult]:
    """Store the batch without the alerts that another transaction has locked: their events are answered `retry`.

    A retried event must not have been remembered, or it would be a repeat when it comes again: so the batch is stored
    anew without it. All events of a locked alert wait together, in their order.
    """
    locked: set[str] = set()
    while True:
        try:
            with _undone_feed_too(), transaction.atomic():
                return _store(batch, decoded, locked)
        except Locked as conflict:
            locked.add(conflict.key)


@contextmanager
def _undone_feed_too() -> Iterator[None]:
    """What was queued for the feed goes with the savepoint that it belongs to."""
    queue = current_scope().feed
    queued = len(queue)
    try:
        yield
    except Locked:
        del queue[queued:]
        raise


def _key(event: AnyEvent) -> str:
    """What an event waits with when a row is locked: its alert, or itself."""
    alert_id: str | None = getattr(event, "alert_id", None)
    return alert_id or str(event.event_id)


def _is_locked(one: Decoded, locked: Collection[str]) -> bool:
    if isinstance(one, Undecodable):
        return False
    return _key(one.event if isinstance(one, ReadInPart) else one) in locked


def _store(batch: Batch, decoded: Sequence[Decoded], locked: Collection[str]) -> list[EventResult]:
    """Remember every event id first, so that a repeat does nothing; then alerts as a set, then the rest in order.

    Raises Locked.
    """
    fresh = _remember(batch, [one for one in decoded if not _is_locked(one, locked)])
    limit_lock_wait(NO_LOCK_WAIT if locked else LOCK_WAIT)
    results: list[EventResult | None] = [None] * len(decoded)
    raised: list[tuple[int, AlertRaised]] = []
    others: list[tuple[int, AnyEvent]] = []
    for number, one in enumerate(decoded):
        if isinstance(one, Undecodable):
            results[number] = EventResult(one.head.event_id, "quarantined", "undecodable", one.detail)
            continue
        event = one.event if isinstance(one, ReadInPart) else one
        if _is_locked(one, locked):
            results[number] = EventResult(event.event_id, "retry", "locked", "Another transaction has this alert.")
        elif event.event_id not in fresh:
            results[number] = EventResult(event.event_id, "repeat")
        else:
            fresh.discard(event.event_id)
            if isinstance(one, ReadInPart):
                _say_what_was_guessed(batch, one)
            if isinstance(event, AlertRaised):
                raised.append((number, event))
            else:
                others.append((number, event))
    _raise_all(batch, raised, results)
    for number, other in others:
        results[number] = _one_by_one(batch, other)
    bad = [result for result in results if result is not None and result.result == "quarantined"]
    if bad:
        batch.remark(None, "quarantined_event", f"{len(bad)} events could not be read, the first: {bad[0].detail}")
    limit_lock_wait(None)
    return [result for result in results if result is not None]


def _remember(batch: Batch, decoded: Sequence[Decoded]) -> set[UUID]:
    """Write the ids of a batch down; the ids that were not known before."""
    rows: list[SeenRow] = []
    for event in decoded:
        if isinstance(event, Undecodable):
            if event.head.event_id is not None:
                rows.append(SeenRow(event.head.event_id, event.head.kind, "undecodable", _text(event.body)))
        elif isinstance(event, ReadInPart):
            kind = str(event.event.__struct_config__.tag)
            rows.append(SeenRow(event.event.event_id, kind, None, _text(event.body)))
        else:
            body = None if isinstance(event, PressFacts) else msgspec.json.encode(event).decode()
            rows.append(SeenRow(event.event_id, str(event.__struct_config__.tag), None, body))
    seen = msgspec.json.encode(rows).decode()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO gateway_events"
            " (organization_id, gateway_id, epoch, received_at, event_id, kind, quarantine_reason, body)"
            " SELECT DISTINCT ON (event_id) %s, %s, %s, %s::timestamptz, event_id, kind, reason, body"
            " FROM jsonb_to_recordset(%s::jsonb) AS e(event_id uuid, kind text, reason text, body text)"
            " ORDER BY event_id ON CONFLICT DO NOTHING RETURNING event_id",
            [batch.organization_id, batch.gateway_id, batch.epoch, batch.received_at, seen],
        )
        return {row[0] for row in cursor.fetchall()}


def _say_what_was_guessed(batch: Batch, alarm: ReadInPart) -> None:
    named = ", ".join(alarm.unread)
    detail = f"A press could not be read as a whole ({named}), so it counts as grave as any: update the cloud."
    batch.remark(alarm.event.device, "press_read_in_part", detail)


def _text(body: bytes) -> str:
    """As PostgreSQL can keep it."""
    return body.decode("utf-8", "replace").replace("\x00", "")


def _raise_all(batch: Batch, raised: Sequence[tuple[int, AlertRaised]], results: list[EventResult | None]) -> None:
    """Alerts as one set; if PostgreSQL refuses the set, one by one, so that only the bad one waits aside.

    Raising locks no row of an alert that exists.
    """
    if not raised:
        return
    try:
        with transaction.atomic():
            new = raise_alerts(batch, [raise_row(batch, event, event.alert_id) for _, event in raised])
    except (*REFUSED, OperationalError) as error:
        if isinstance(error, OperationalError) and not is_lock_conflict(error):
            raise
        for number, event in raised:
            results[number] = _one_by_one(batch, event)
        return
    for number, event in raised:
        known = event.alert_id not in new
        new.discard(event.alert_id)
        results[number] = EventResult(event.event_id, "repeat" if known else "stored")


def _one_by_one(batch: Batch, event: AnyEvent) -> EventResult:
    """One event under a savepoint. Raises Locked."""
    try:
        with transaction.atomic():
            known = apply(event, batch) is False
    except Quarantined as bad:
        return EventResult(event.event_id, "quarantined", bad.reason, bad.detail)
    except REFUSED as error:
        return EventResult(event.event_id, "quarantined", "refused_by_database", type(error).__name__)
    except OperationalError as error:
        if is_lock_conflict(error):
            raise Locked(_key(event)) from None
        raise
    return EventResult(event.event_id, "repeat" if known else "stored")


def _count(decoded: Sequence[Decoded], results: Sequence[EventResult]) -> None:
    for one, result in zip(decoded, results, strict=True):
        event = one.event if isinstance(one, ReadInPart) else one
        if isinstance(event, AlertRaised) and result.result == "stored":
            metrics.alerts_raised.labels(event.type, "true" if event.drill else "false").inc()


def _watermark(batch: Batch) -> UUID | None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT event_id FROM gateway_events WHERE organization_id = %s AND gateway_id = %s AND epoch = %s"
            " ORDER BY event_id DESC LIMIT 1",
            [batch.organization_id, batch.gateway_id, batch.epoch],
        )
        row = cursor.fetchone()
    return row[0] if row else None
