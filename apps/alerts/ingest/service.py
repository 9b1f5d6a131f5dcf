"""One batch of one gateway: decoded event by event, written as a set, answered event by event.

A bad event costs the others nothing; what has no right to stop an alarm (a suspended organization, a device of nobody
known, a clock) does not. Everything happens in the transaction of the open tenant scope, and is told after its commit.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import singledispatch
from pathlib import Path
from typing import Final
from uuid import UUID

import msgspec
from django.db import DataError, IntegrityError, connection, transaction

from apps.accounts.grants import person_principal
from apps.alerts import services
from apps.alerts.ingest.messages import (
    ActionEvent,
    AlertAcknowledged,
    AlertPressedAgain,
    AlertRaised,
    AlertResolved,
    AnyEvent,
    BuildingAct,
    DeviceRecovered,
    DeviceTrouble,
    Event,
    EventHead,
    EventResult,
    EventsAnswer,
    EventsRequest,
    GatewayStatus,
    PressFacts,
    PressRefused,
    SelftestDone,
    decode_event,
    decode_head,
    decode_request,
)
from apps.alerts.lifecycle import IllegalTransition
from apps.alerts.models import Alert
from apps.alerts.services import Step
from apps.common.access import Principal, PrincipalKind, allows
from apps.common.problems import Invalid, TooLarge
from apps.devices.services import clear_trouble, raise_trouble

MAX_EVENTS: Final = 500
LATE_AFTER: Final = timedelta(seconds=30)
"""A press that took longer than this to arrive is marked late."""
CLOCK_LIMIT: Final = timedelta(days=1)
"""A gateway's clock that is off by more than this is corrected by what it is off."""
OLDEST_PRESS: Final = timedelta(days=90)
"""A press older than the hot history was dated by a clock that lost its time; it is dated by its arrival."""
TWO_PERSON_TYPES: Final = frozenset({"lockdown"})

REFUSED: Final = (DataError, IntegrityError)
"""PostgreSQL's refusal of what an event says. Any other error is the cloud's own and passes: the whole request fails,
nothing of it is kept, and the gateway sends it again."""

_RAISE_SQL: Final = Path(__file__).with_name("raise_alerts.sql").read_text()


class TooManyEvents(TooLarge):
    """More events than one request takes."""

    code = "too_many_events"
    default_detail = f"Send at most {MAX_EVENTS} events in one request."


class Quarantined(Exception):
    """This one event is kept aside, with a word for programs and a sentence for people."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class Batch(msgspec.Struct, frozen=True):
    """Who sent a batch, when it came, and by how much the sender's clock is off.

    Its times are moved by `clock_offset`; `slow` is by how much, at the most, they are still too early.
    """

    organization_id: UUID
    gateway_id: UUID
    epoch: UUID
    received_at: datetime
    clock_offset: timedelta
    slow: timedelta


class SeenRow(msgspec.Struct, frozen=True):
    """One event to be remembered; `body` only of what is kept nowhere else."""

    event_id: UUID
    kind: str
    reason: str | None
    body: str | None


class RaiseRow(msgspec.Struct, frozen=True):
    """One alert for `raise_alerts.sql`."""

    event_id: UUID
    alert_id: str
    device: str
    room: UUID | None
    type: str
    severity: str
    silent: bool
    drill: bool
    pressed_at: datetime
    live: bool
    approvals: int
    hops: dict[str, str | None]
    metadata: dict[str, object]


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
    decoded = [_decode(raw) for raw in request.events]
    results = _store(batch, decoded)
    return EventsAnswer(watermark=_watermark(batch), results=results)


class Undecodable(Exception):
    """An event that is not one of the contract's, with as much of its head as could be read."""

    def __init__(self, head: EventHead, body: bytes, detail: str) -> None:
        super().__init__(detail)
        self.head = head
        self.body = body
        self.detail = detail


Decoded = AnyEvent | Undecodable


def _decode(raw: msgspec.Raw) -> Decoded:
    body = bytes(raw)
    try:
        event: AnyEvent = decode_event(body)
    except (msgspec.DecodeError, ValueError) as error:
        try:
            head = decode_head(body)
        except msgspec.DecodeError:
            head = EventHead()
        return Undecodable(head, body, str(error)[:1000].replace("\x00", ""))
    return event


def _store(batch: Batch, decoded: Sequence[Decoded]) -> list[EventResult]:
    """Remember every event id first, so that a repeat does nothing; then alerts as a set, then the rest in order."""
    fresh = _remember(batch, decoded)
    results: list[EventResult | None] = [None] * len(decoded)
    raised: list[tuple[int, AlertRaised]] = []
    others: list[tuple[int, AnyEvent]] = []
    for number, event in enumerate(decoded):
        if isinstance(event, Undecodable):
            results[number] = EventResult(event.head.event_id, "quarantined", "undecodable", event.detail)
        elif event.event_id not in fresh:
            results[number] = EventResult(event.event_id, "repeat")
        else:
            fresh.discard(event.event_id)
            if isinstance(event, AlertRaised):
                raised.append((number, event))
            else:
                others.append((number, event))
    _raise_all(batch, raised, results)
    for number, other in others:
        results[number] = _one_by_one(batch, other)
    bad = [result for result in results if result is not None and result.result == "quarantined"]
    if bad:
        _trouble(batch, None, "quarantined_event", f"{len(bad)} events could not be read, the first: {bad[0].detail}")
    return [result for result in results if result is not None]


def _remember(batch: Batch, decoded: Sequence[Decoded]) -> set[UUID]:
    """Write the ids of a batch down; the ids that were not known before."""
    rows: list[SeenRow] = []
    for event in decoded:
        if isinstance(event, Undecodable):
            if event.head.event_id is not None:
                text = event.body.decode("utf-8", "replace").replace("\x00", "")
                rows.append(SeenRow(event.head.event_id, event.head.kind, "undecodable", text))
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


def _raise_all(batch: Batch, raised: Sequence[tuple[int, AlertRaised]], results: list[EventResult | None]) -> None:
    """Alerts as one set; if PostgreSQL refuses the set, one by one, so that only the bad one waits aside."""
    if not raised:
        return
    try:
        with transaction.atomic():
            new = _raise_rows(batch, [_row(batch, event, event.alert_id) for _, event in raised])
    except REFUSED:
        for number, event in raised:
            results[number] = _one_by_one(batch, event)
        return
    for number, event in raised:
        known = event.alert_id not in new
        new.discard(event.alert_id)
        results[number] = EventResult(event.event_id, "repeat" if known else "stored")


def _raise_rows(batch: Batch, rows: Sequence[RaiseRow]) -> set[str]:
    """Write alerts that are not known yet and announce them; the alert_ids that were new."""
    with connection.cursor() as cursor:
        cursor.execute(
            _RAISE_SQL,
            {
                "events": msgspec.json.encode(rows).decode(),
                "organization": batch.organization_id,
                "gateway": batch.gateway_id,
                "received_at": batch.received_at,
                "late_before": batch.received_at - LATE_AFTER,
            },
        )
        written = cursor.fetchall()
    if written:
        services.announce_alerts("alert.created", [row[1] for row in written], [row[2] for row in written])
    for _, _, _, device, unattributed in written:
        if unattributed:
            detail = "A press of a device that is not one of this gateway's buildings: find it, then register it."
            _trouble(batch, device, "unattributed_device", detail)
    return {row[0] for row in written}


def _row(batch: Batch, event: PressFacts, alert_id: str) -> RaiseRow:
    pressed_at, original = _dated(batch, event.hops.pressed_at)
    metadata: dict[str, object] = {
        "policy": event.policy,
        "room": event.room,
        "pattern": event.pattern,
        "key": event.key,
    }
    if original is not None:
        metadata |= {"clock_suspect": True, "pressed_at_by_gateway": original}
    elif event.clock_suspect:
        metadata["clock_suspect"] = True
    if isinstance(event, AlertRaised) and event.upgrades:
        metadata["upgrades"] = event.upgrades
    return RaiseRow(
        event_id=event.event_id,
        alert_id=alert_id,
        device=event.device,
        room=event.room,
        type=event.type,
        severity=event.severity,
        silent=event.silent,
        drill=event.drill,
        pressed_at=pressed_at,
        live=event.live,
        approvals=2 if event.type in TWO_PERSON_TYPES else 1,
        hops={name: _rfc3339(at) for name, at in msgspec.structs.asdict(event.hops).items()},
        metadata={key: value for key, value in metadata.items() if value is not None},
    )


def _rfc3339(at: datetime | None) -> str | None:
    """In milliseconds, as every time of an alert's document."""
    return None if at is None else at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _dated(batch: Batch, pressed_at: datetime) -> tuple[datetime, datetime | None]:
    """When the press was, and what the gateway had said where that could not be believed."""
    corrected = pressed_at.astimezone(UTC) + batch.clock_offset
    if batch.received_at - OLDEST_PRESS <= corrected <= batch.received_at + CLOCK_LIMIT:
        return corrected, pressed_at if batch.clock_offset else None
    return batch.received_at, pressed_at


def _one_by_one(batch: Batch, event: AnyEvent) -> EventResult:
    """One event under a savepoint."""
    try:
        with transaction.atomic():
            known = _apply(event, batch) is False
    except Quarantined as bad:
        return EventResult(event.event_id, "quarantined", bad.reason, bad.detail)
    except REFUSED as error:
        return EventResult(event.event_id, "quarantined", "refused_by_database", type(error).__name__)
    return EventResult(event.event_id, "repeat" if known else "stored")


@singledispatch
def _apply(event: Event, batch: Batch) -> bool:
    """What an event does; False when it had been done before. Raises Quarantined."""
    raise Quarantined("unknown_kind", f"This cloud does not know events of {type(event).__name__}.")


@_apply.register
def _(event: AlertRaised, batch: Batch) -> bool:
    return bool(_raise_rows(batch, [_row(batch, event, event.alert_id)]))


@_apply.register
def _(event: AlertPressedAgain, batch: Batch) -> bool:
    """Joins its alert; an alert that a person closed before this press is joined no more: the press is a new one.

    In doubt, with a gateway's clock that is slow, it is a new one.
    """
    row = _row(batch, event, event.press_id)
    alert = services.locked_alert(batch.organization_id, event.alert_id)
    if alert is not None and alert.resolved_at is not None and row.pressed_at + batch.slow > alert.resolved_at:
        alert = services.locked_successor(alert, event.device)
    if alert is None:
        return bool(_raise_rows(batch, [row]))
    return services.join_press(alert, _step(batch, event, row.pressed_at), event.press_id)


@_apply.register
def _(event: AlertAcknowledged, batch: Batch) -> bool:
    alert, step = _required_alert(batch, event.alert_id), _step(batch, event, by=event.by)
    try:
        services.apply_acknowledge(alert, step)
    except IllegalTransition:
        services.tell(alert, step, "alert.acknowledged_too_late")
    return True


@_apply.register
def _(event: AlertResolved, batch: Batch) -> bool:
    alert, step = _required_alert(batch, event.alert_id), _step(batch, event, by=event.by)
    try:
        services.apply_resolve(alert, step, event.reason)
    except IllegalTransition:
        services.tell(alert, step, "alert.resolved_too_late")
    return True


@_apply.register
def _(event: ActionEvent, batch: Batch) -> bool:
    alert = _required_alert(batch, event.alert_id)
    services.tell(
        alert,
        _step(batch, event),
        str(event.__struct_config__.tag),
        action=event.action,
        target=event.target,
        generation=event.generation,
    )
    return True


@_apply.register
def _(event: DeviceTrouble, batch: Batch) -> bool:
    _trouble(batch, event.device, event.trouble, event.detail, since=event.since + batch.clock_offset)
    return True


@_apply.register
def _(event: DeviceRecovered, batch: Batch) -> bool:
    clear_trouble(
        organization_id=batch.organization_id,
        gateway_id=batch.gateway_id,
        device=event.device,
        kind=event.trouble,
        at=event.at + batch.clock_offset,
    )
    return True


@_apply.register
def _(event: PressRefused, batch: Batch) -> bool:
    _trouble(batch, event.device, "press_refused", f"{event.count} messages could not be taken: {event.reason}.")
    return True


@_apply.register(SelftestDone)
@_apply.register(GatewayStatus)
def _(event: Event, batch: Batch) -> bool:
    """Kept as it came, in gateway_events."""
    return True


def _required_alert(batch: Batch, alert_id: str) -> Alert:
    alert = services.locked_alert(batch.organization_id, alert_id)
    if alert is None:
        raise Quarantined("unknown_alert", "No alert of this organization has this alert_id.")
    return alert


def _step(batch: Batch, event: Event, at: datetime | None = None, *, by: BuildingAct | None = None) -> Step:
    return Step(
        event_id=event.event_id,
        at=at or event.at + batch.clock_offset,
        actor_kind=PrincipalKind.GATEWAY,
        actor_id=batch.gateway_id,
        person=_known_person(batch, by.person) if by and by.person else None,
        via=by.via if by else "gateway",
    )


def _known_person(batch: Batch, person: UUID) -> UUID | None:
    """The person whom a gateway named, if they may act on alerts of its organization; any other counts as no name."""
    principal = person_principal(person)
    return person if principal and allows(principal, batch.organization_id, "alerts", "update") else None


def _trouble(batch: Batch, device: str | None, kind: str, detail: str | None, *, since: datetime | None = None) -> None:
    raise_trouble(
        organization_id=batch.organization_id,
        gateway_id=batch.gateway_id,
        device=device,
        kind=kind,
        detail=detail,
        since=since or batch.received_at,
    )


def _watermark(batch: Batch) -> UUID | None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT event_id FROM gateway_events WHERE organization_id = %s AND gateway_id = %s AND epoch = %s"
            " ORDER BY event_id DESC LIMIT 1",
            [batch.organization_id, batch.gateway_id, batch.epoch],
        )
        row = cursor.fetchone()
    return row[0] if row else None
