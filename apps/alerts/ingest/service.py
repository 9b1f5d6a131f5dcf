"""Store one batch of a gateway: decode each event, write them as a set, and return a result for each.

An invalid event does not affect the others, and nothing that must not stop an alarm does (a suspended organization, an
unregistered device, a clock). Everything runs in the transaction of the open tenant scope; the response follows its
commit.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Literal, NamedTuple
from uuid import UUID

import msgspec
from django.db import InterfaceError, OperationalError, connection

from apps.alerts.audit_actions import AuditAction
from apps.alerts.ingest.batch import Batch, Quarantined
from apps.alerts.ingest.core import ReadInPart, read_core
from apps.alerts.ingest.handlers import FOREIGN, apply, armed_for, record_foreign
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
)
from apps.alerts.ingest.names import known_names
from apps.alerts.ingest.raising import bare_press, press_names, press_of, raise_alerts
from apps.alerts.ingest.requests import parse
from apps.common import audit
from apps.common.access import Principal
from apps.common.db.scope import savepoint
from apps.common.db.time_limits import is_lock_conflict, limit_lock_wait
from apps.common.observability import metrics
from apps.devices.services import record_gateway_seen

__all__ = ["ingest", "parse"]

logger = logging.getLogger(__name__)

CLOUDS_OWN: Final = (OperationalError, InterfaceError)
"""Errors of the cloud itself: the whole request fails, nothing is stored, and the gateway sends it again. Any other
error while reading, dating, deciding or applying an event concerns that event only."""
LOCK_WAIT: Final = timedelta(milliseconds=50)
"""How long one event waits for a row that another transaction has locked. The rest of the batch waits with it,
so it is short; the result of the event is `retry`, and the gateway sends it again."""
NO_LOCK_WAIT: Final = timedelta(milliseconds=1)
"""The wait after one alert of the batch turned out to be locked: many locked alerts must not add up."""


class SeenRow(msgspec.Struct, frozen=True, gc=False):
    """A row of received events; `body` is set only for an event that is stored nowhere else."""

    event_id: UUID
    kind: str
    reason: str | None
    body: str | None


class Locked(Exception):
    """An event needs a row that another transaction has locked. `key` names the events that must wait: see `_key`."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


class Undecodable(NamedTuple):
    """An event that does not match the contract, with the readable part of its head."""

    head: EventHead
    body: bytes
    detail: str


Decoded = AnyEvent | ReadInPart | Undecodable


class Numbered(msgspec.Struct, frozen=True, gc=False):
    """An event, its place in the batch, the id that it was sent with, and whether it was stored before."""

    number: int
    event: AnyEvent
    event_id: UUID | None
    is_known: bool

    def result(self, result: Literal["stored", "repeat"]) -> EventResult:
        """Return the result for this event."""
        return EventResult(self.event_id, result)

    def quarantined(self, reason: str, detail: str) -> EventResult:
        """Return the result for this event if it is quarantined."""
        return EventResult(self.event_id, "quarantined", reason, detail)


def ingest(*, gateway: Principal, request: EventsRequest, received_at: datetime) -> EventsAnswer:
    """Store a batch and return a result for each event, in the open scope of the gateway's organization."""
    batch = Batch(
        gateway=gateway,
        organization_id=next(iter(gateway.grants)),
        epoch=request.epoch,
        received_at=received_at,
        clock_error=received_at - request.sent_at if request.sent_at else timedelta(0),
    )
    decoded = [_decode(raw, received_at) for raw in request.events]
    results = _store_unlocked(batch, decoded)
    _count(decoded, results)
    answer = EventsAnswer(watermark=_watermark(batch), results=results)
    record_gateway_seen(organization_id=batch.organization_id, gateway_id=batch.gateway_id, at=received_at)
    return answer


def _decode(raw: msgspec.Raw, received_at: datetime) -> Decoded:
    body = bytes(raw)
    try:
        event: AnyEvent = decode_event(body)
        if not isinstance(event, AlertRaised) or event.alert_id == event.press_id:
            return event
        problem = "alert_id is not this press's"
    except Exception as error:  # any error concerns this event only
        problem = str(error)
    try:
        alarm = read_core(body, received_at)
    except Exception:
        logger.exception("cannot read the core of an event")
        alarm = None
    return alarm or _undecodable(body, problem)


def _undecodable(body: bytes, problem: str) -> Undecodable:
    try:
        head = decode_head(body)
    except Exception:
        head = EventHead()
    return Undecodable(head, body, _text(problem.encode("utf-8", "replace"))[:1000])


def _store_unlocked(batch: Batch, decoded: Sequence[Decoded]) -> list[EventResult]:
    """Store the batch without the alerts that another transaction has locked: the result of their events is `retry`.

    The id of an event to retry must not be stored, or the event would be a repeat when it is sent again. So the batch
    is stored anew without it. All events of a locked alert wait together, in their order.
    """
    locked: set[str] = set()
    while True:
        try:
            with savepoint():
                return _store(batch, decoded, locked)
        except Locked as conflict:
            locked.add(conflict.key)


def _key(event: AnyEvent) -> str:
    """Return the key of the events that wait together when a row is locked: the alert, or the event itself."""
    alert_id: str | None = getattr(event, "alert_id", None)
    return alert_id or str(event.event_id)


def _is_locked(one: Decoded, locked: Collection[str]) -> bool:
    if not locked or isinstance(one, Undecodable):
        return False
    return _key(one.event if isinstance(one, ReadInPart) else one) in locked


def _store(batch: Batch, decoded: Sequence[Decoded], locked: Collection[str]) -> list[EventResult]:
    """Store every event id first; then alerts as a set, then the rest in order. Raises Locked.

    An event that was stored before is a repeat. A press is identified by its own name, whatever its event id: if the
    name is new, an alert is raised.
    """
    fresh = _remember(batch, [one for one in decoded if not _is_locked(one, locked)])
    limit_lock_wait(NO_LOCK_WAIT if locked else LOCK_WAIT)
    results: dict[int, EventResult] = {}
    raised: list[Numbered] = []
    others: list[Numbered] = []
    for number, one in enumerate(decoded):
        if isinstance(one, Undecodable):
            results[number] = EventResult(one.head.event_id, "quarantined", "undecodable", one.detail)
            continue
        event = one.event if isinstance(one, ReadInPart) else one
        if _is_locked(one, locked):
            held = "Another transaction has this alert."
            results[number] = EventResult(_id_sent(one), "retry", "locked", held)
            continue
        id_sent = event.event_id if one is event else _id_sent(one)
        numbered = Numbered(number, event, id_sent, event.event_id not in fresh)
        fresh.discard(event.event_id)
        if isinstance(one, ReadInPart) and not numbered.is_known:
            _guarded(partial(_report_defaults, batch, one))
        (raised if isinstance(event, AlertRaised) else others).append(numbered)
    results |= _raise_all(batch, raised)
    results |= _apply_all(batch, others)
    _report(batch, results, [one.number for one in (*raised, *others) if isinstance(one.event, PressFacts)])
    limit_lock_wait(None)
    return [results[number] for number in range(len(decoded))]


def _id_sent(one: AnyEvent | ReadInPart) -> UUID | None:
    if isinstance(one, ReadInPart):
        return None if "event_id" in one.unread else one.event.event_id
    return one.event_id


def _remember(batch: Batch, decoded: Sequence[Decoded]) -> set[UUID]:
    """Store the event ids of a batch; return the ids that are new."""
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


def _report_defaults(batch: Batch, alarm: ReadInPart) -> None:
    named = ", ".join(alarm.unread)
    detail = f"A press could not be read completely ({named}), so it counts as a serious alarm: update the cloud."
    batch.trouble(alarm.event.device, "press_read_in_part", detail)


def _text(body: bytes) -> str:
    """Return the text in a form that PostgreSQL can store."""
    return body.decode("utf-8", "replace").replace("\x00", "")


def _raise_all(batch: Batch, raised: Sequence[Numbered]) -> dict[int, EventResult]:
    """Raise alerts as one set; if that fails, one by one, so that only the failing one is affected."""
    if not raised:
        return {}
    events = [(one, one.event) for one in raised if isinstance(one.event, AlertRaised)]
    try:
        with savepoint():
            armed = armed_for(batch, [event for _, event in events])
            new = raise_alerts(
                batch,
                [press_of(batch, event, one.number, armed=armed, is_known=one.is_known) for one, event in events],
            )
    except CLOUDS_OWN as error:
        if not is_lock_conflict(error):
            raise
    except Exception:
        logger.exception("alerts cannot be raised as a set")
    else:
        return {one.number: one.result("stored" if one.number in new else "repeat") for one in raised}
    return {one.number: _one_by_one(batch, one) for one in raised}


def _apply_all(batch: Batch, others: Sequence[Numbered]) -> dict[int, EventResult]:
    """Apply events in order. A press stored before is a repeat if it has a name, whatever its event's result."""
    again = {one.number: press_names(batch, one.event) for one in others if one.is_known}
    known = known_names(batch.organization_id, {name for names in again.values() for name in names}).keys()
    results = {}
    for one in others:
        names = again.get(one.number)
        is_repeat = names is not None and not (names and known.isdisjoint(names))
        results[one.number] = one.result("repeat") if is_repeat else _one_by_one(batch, one)
    return results


def _one_by_one(batch: Batch, one: Numbered) -> EventResult:
    """Apply one event under a savepoint, so that an error affects it alone; a failing press is raised from its core."""
    try:
        with savepoint():
            known = apply(one.event, batch) is False
    except CLOUDS_OWN as error:
        if is_lock_conflict(error):
            raise Locked(_key(one.event)) from None
        raise
    except Quarantined as bad:
        if bad.reason == FOREIGN:
            _guarded(partial(record_foreign, batch, one.event))
        return one.quarantined(bad.reason, bad.detail)
    except Exception as error:
        logger.exception("an event cannot be applied")
        if isinstance(one.event, PressFacts):
            return _last_resort(batch, one, one.event)
        return one.quarantined("refused", type(error).__name__)
    return one.result("repeat" if known else "stored")


def _last_resort(batch: Batch, one: Numbered, event: PressFacts) -> EventResult:
    """Raise an alert for a press that cannot be applied, from its core alone and dated by its arrival."""
    try:
        with savepoint():
            new = raise_alerts(batch, [bare_press(batch, event, one.number)])
            detail = (
                "A press could not be processed as it was sent. It is an alert, dated by its arrival: update the cloud."
            )
            batch.trouble(event.device, "press_read_in_part", detail)
    except CLOUDS_OWN as error:
        if is_lock_conflict(error):
            raise Locked(_key(one.event)) from None
        raise
    except Exception as error:
        logger.exception("a press cannot be raised from its core")
        return one.quarantined("refused", type(error).__name__)
    return one.result("stored" if new else "repeat")


def _report(batch: Batch, results: Mapping[int, EventResult], presses: Sequence[int]) -> None:
    """Open troubles and write audit entries that concern a batch as a whole."""
    bad = [result for result in results.values() if result.result == "quarantined"]
    if bad:
        detail = f"{len(bad)} events could not be processed, the first: {bad[0].detail}"
        _guarded(partial(batch.trouble, None, "quarantined_event", detail))
    stored = sum(results[number].result == "stored" for number in presses)
    if stored:
        _guarded(partial(_audit_presses, batch, stored))


def _audit_presses(batch: Batch, stored: int) -> None:
    audit.record(
        actor=batch.gateway,
        action=AuditAction.ALERT_RAISE,
        target_kind="gateway",
        target_id=batch.gateway_id,
        organization_id=batch.organization_id,
        presses=stored,
    )


def _guarded(act: Callable[[], object]) -> None:
    """Run work that accompanies the events of a batch: if it fails, the events are still stored."""
    try:
        with savepoint():
            act()
    except CLOUDS_OWN as error:
        if not is_lock_conflict(error):
            raise
        logger.warning("cannot write the troubles and audit entries of a batch: %s", error)
    except Exception:
        logger.exception("cannot write the troubles and audit entries of a batch")


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
