"""Raise the alerts of a batch as one set: date them, write them with one statement, and announce them."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple
from uuid import UUID

import msgspec
from django.db import connection

from apps.alerts import drills, services
from apps.alerts.ingest.batch import Batch, Dated
from apps.alerts.ingest.messages import AlertRaised, AnyEvent, PressFacts
from apps.alerts.ingest.names import Kind, known_names
from apps.alerts.models import DrillArm
from apps.common.db.ids import new_id
from apps.common.times import rfc3339
from apps.tenancy import selectors as tenancy

LATE_AFTER: Final = timedelta(seconds=30)
"""A press that took longer than this to arrive is marked late."""

_RAISE_SQL: Final = Path(__file__).with_name("raise_alerts.sql").read_text()


class RaiseRow(msgspec.Struct, frozen=True, gc=False):
    """One alert for `raise_alerts.sql`. `name` is set where the plain `alert_id` belongs to another alert."""

    number: int
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
    name: str | None = None


class Press(NamedTuple):
    """A press to raise as an alert: the row to write, its time, and whether the gateway says that it is a drill."""

    row: RaiseRow
    dated: Dated
    claims_drill: bool
    is_known: bool
    """Whether this very event was stored before."""
    arm: DrillArm | None = None
    """The arm of the button, if the press is a drill."""

    def renamed(self, name: str) -> "Press":
        """Return the same press for an alert with this name."""
        return self._replace(row=msgspec.structs.replace(self.row, name=name))


class Written(NamedTuple):
    """A row that the statement returned: `id` is None where the name was already in use."""

    number: int
    name: str
    id: UUID | None
    triggered_at: datetime
    device: str
    is_unattributed: bool
    site: UUID | None
    drill_is_open: bool


def raise_alerts(batch: Batch, presses: Sequence[Press]) -> set[int]:
    """Write and announce alerts that do not exist yet; return the numbers of the new rows.

    Where another press already uses the name, raise the alert under a separate name, and open a trouble.
    """
    by_number = {press.row.number: press for press in presses}
    new: set[int] = set()
    waiting: Sequence[Press] = presses
    while waiting:
        written = _write(batch, [press.row for press in waiting])
        made = [row for row in written if row.id is not None]
        _announce(batch, made, by_number)
        new.update(row.number for row in made)
        conflicting = [row for row in written if row.id is None]
        waiting = _renamed(batch, conflicting, by_number) if conflicting else []
        by_number.update((press.row.number, press) for press in waiting)
    return new


def press_of(batch: Batch, event: PressFacts, number: int, *, armed: drills.Armed, is_known: bool = False) -> Press:
    """Return what is needed to write an alert for this press."""
    dated = batch.dated(event.hops)
    arm = armed.take(event.device, event.press_id, dated.earliest, dated.latest) if event.drill else None
    metadata: dict[str, object] = {
        "policy": event.policy,
        "room": event.room,
        "pattern": event.pattern,
        "key": event.key,
    }
    if dated.earliest != dated.pressed_at:
        metadata["earliest_at"] = dated.earliest
    if event.drill and arm is None:
        metadata["drill_claimed"] = True
    if dated.original is not None:
        metadata |= {"clock_suspect": True, "pressed_at_by_gateway": dated.original}
    elif event.clock_suspect:
        metadata["clock_suspect"] = True
    if isinstance(event, AlertRaised) and event.upgrades:
        metadata["upgrades"] = event.upgrades
    hops = event.hops
    row = RaiseRow(
        number=number,
        event_id=event.event_id,
        alert_id=event.press_id,
        device=event.device,
        room=event.room,
        type=event.type,
        severity=event.severity,
        silent=event.silent,
        drill=arm is not None,
        pressed_at=dated.pressed_at,
        live=event.live,
        hops={
            "pressed_at": rfc3339(hops.pressed_at),
            "arrived_at": rfc3339(hops.arrived_at),
            "stored_at": None if hops.stored_at is None else rfc3339(hops.stored_at),
            "acted_at": None if hops.acted_at is None else rfc3339(hops.acted_at),
        },
        metadata={key: value for key, value in metadata.items() if value is not None},
    )
    return Press(row, dated, event.drill, is_known, arm)


def press_names(batch: Batch, event: AnyEvent) -> set[str]:
    """Return the names that a press of this gateway can have; none if the event is not a press."""
    if not isinstance(event, PressFacts):
        return set()
    kind = (event.type, event.silent, event.drill)
    return {event.press_id, batch.own_name(event.press_id), batch.own_name(event.press_id, *kind)}


def bare_press(batch: Batch, event: PressFacts, number: int) -> Press:
    """Return a real alarm built from the core alone and dated by its arrival: the last resort."""
    moment = rfc3339(batch.received_at)
    row = RaiseRow(
        number=number,
        event_id=new_id(),
        alert_id=event.press_id,
        device=event.device,
        room=None,
        type=event.type,
        severity=event.severity,
        silent=event.silent,
        drill=False,
        pressed_at=batch.received_at,
        live=True,
        hops={"pressed_at": moment, "arrived_at": moment, "stored_at": None, "acted_at": None},
        metadata={"drill_claimed": True} if event.drill else {},
    )
    dated = Dated(batch.received_at, batch.received_at, batch.received_at)
    return Press(row, dated, event.drill, is_known=False)


def _write(batch: Batch, rows: Sequence[RaiseRow]) -> list[Written]:
    with connection.cursor() as cursor:
        cursor.execute(
            _RAISE_SQL,
            {
                "events": msgspec.json.encode(rows).decode(),
                "organization": batch.organization_id,
                "gateway": batch.gateway_id,
                "suffix": batch.own_name(""),
                "received_at": batch.received_at,
                "late_before": batch.received_at - LATE_AFTER,
                "drills_since": batch.received_at - drills.LOOKED_BACK,
                "two_person_types": list(tenancy.settings_of(batch.organization_id).two_person_types),
            },
        )
        return [Written._make(row) for row in cursor.fetchall()]


def _announce(batch: Batch, made: Sequence[Written], presses: Mapping[int, Press]) -> None:
    """Announce new alerts and open troubles for their faults; a real alert ends a running drill."""
    if not made:
        return
    services.announce_alerts("alert.created", [row.id for row in made if row.id], [row.triggered_at for row in made])
    drill_is_open = made[0].drill_is_open
    for row in made:
        press = presses[row.number]
        if row.is_unattributed:
            detail = "A press of a device that is not one of this gateway's buildings: find it, then register it."
            batch.remark(row.device, "unattributed_device", detail)
        if press.arm is not None:
            drill_is_open = True
            drills.use(press.arm, press.row.alert_id, at=batch.received_at)
        elif press.claims_drill:
            detail = "A press counts as real: no drill was armed during all of the time in which it can have been made."
            batch.remark(row.device, "drill_not_armed", detail)
    if drill_is_open:
        real = [(row, presses[row.number]) for row in made if presses[row.number].arm is None]
        end_drills(batch, [drills.RealPress(row.name, row.site, one.dated.latest, one.row.silent) for row, one in real])


def end_drills(batch: Batch, real: Sequence[drills.RealPress]) -> None:
    """End drills during which real presses were made, regardless of the origin of the drill."""
    drills.end_for(
        real, organization=batch.organization_id, gateway=batch.gateway, buildings=batch.buildings, at=batch.received_at
    )


def _renamed(batch: Batch, conflicting: Sequence[Written], presses: Mapping[int, Press]) -> list[Press]:
    """Return the presses whose name belongs to another press, each with the next name to try."""
    known = known_names(batch.organization_id, [row.name for row in conflicting])
    renamed: list[Press] = []
    for row in conflicting:
        press, owner = presses[row.number], known.get(row.name)
        kind = Kind(press.row.type, press.row.silent, press.claims_drill)
        last_name = batch.own_name(press.row.alert_id, *msgspec.structs.astuple(kind))
        if press.is_known or row.name == last_name or (owner and owner.is_press(batch, kind, press.dated)):
            continue
        own_name = batch.own_name(press.row.alert_id)
        is_own = owner is not None and owner.gateway == batch.gateway_id
        detail = "A press has the name of another press, so it is a separate alert: two senders use the same names."
        batch.remark(row.device, "alert_name_taken", detail)
        renamed.append(press.renamed(last_name if is_own or row.name == own_name else own_name))
    return renamed
