"""Alerts of a batch, as one set: dated once, written by one statement, announced."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

import msgspec
from django.db import connection

from apps.alerts import services
from apps.alerts.ingest.batch import Batch
from apps.alerts.ingest.messages import AlertRaised, Hops, PressFacts
from apps.common.times import rfc3339
from apps.tenancy import selectors as tenancy

LATE_AFTER: Final = timedelta(seconds=30)
"""A press that took longer than this to arrive is marked late."""

_RAISE_SQL: Final = Path(__file__).with_name("raise_alerts.sql").read_text()


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
    hops: dict[str, str | None]
    metadata: dict[str, object]


def raise_alerts(batch: Batch, rows: Sequence[RaiseRow]) -> set[str]:
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
                "two_person_types": list(tenancy.settings_of(batch.organization_id).two_person_types),
            },
        )
        written = cursor.fetchall()
    if written:
        services.announce_alerts("alert.created", [row[1] for row in written], [row[2] for row in written])
    for _, _, _, device, unattributed in written:
        if unattributed:
            detail = "A press of a device that is not one of this gateway's buildings: find it, then register it."
            batch.remark(device, "unattributed_device", detail)
    return {row[0] for row in written}


def raise_row(batch: Batch, event: PressFacts, alert_id: str) -> RaiseRow:
    """What an alert of this press is written from."""
    pressed_at, original = batch.dated(event.hops.pressed_at)
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
        hops={name: None if at is None else rfc3339(at) for name, at in _passed(event.hops).items()},
        metadata={key: value for key, value in metadata.items() if value is not None},
    )


def _passed(hops: Hops) -> dict[str, datetime | None]:
    """The hops that people are shown."""
    return {
        "pressed_at": hops.pressed_at,
        "arrived_at": hops.arrived_at,
        "stored_at": hops.stored_at,
        "acted_at": hops.acted_at,
    }
