"""Drills: a person arms one button for a minute, and its next press starts a drill; every other press is real.

The board displays which buttons are armed. A drill ends automatically within the hour, and at the first real press at
its site. A real press turns a drill into a real alarm; nothing turns a real alarm into a drill.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec
from django.db import connection

from apps.alerts import lifecycle, services
from apps.alerts.audit_actions import AuditAction
from apps.alerts.models import Alert, DrillArm
from apps.alerts.services import Step
from apps.common import audit, feed
from apps.common.access import SYSTEM, Principal, PrincipalKind, grant_in, require
from apps.common.db.ids import new_id
from apps.common.db.scope import system_scope
from apps.common.problems import Conflict, Forbidden, NotFound
from apps.common.times import rfc3339
from apps.devices.models import Device
from apps.tenancy.models import Building

ARMED_FOR: Final = timedelta(seconds=60)
LONGEST: Final = timedelta(minutes=60)
LOOKED_BACK: Final = timedelta(days=1)
"""How far back a real press looks for a drill to end: an older one ended long ago."""
_ARMING_LOCK: Final = 0x5AFE_D1
"""Advisory lock, together with an organization, held while arming: two requests never both find no armed button."""


class DeviceNotFound(NotFound):
    """The organization has no such button."""

    code = "device_not_found"
    default_detail = "There is no button with this device_id in this organization."


class DeviceWithoutRoom(Conflict):
    """A button without a room cannot start a drill: no gateway is responsible for it."""

    code = "device_without_room"
    default_detail = "This button has no room, so its press is always real: give it a room first."


class AlreadyArmed(Conflict):
    """Another button is armed; only one can be at a time."""

    code = "drill_already_armed"
    default_detail = "A button is armed already. Press it, or wait until its minute is over: one button at a time."


@dataclass(frozen=True, slots=True)
class ArmedDrill:
    """A button whose next press, until `expires_at`, starts a drill."""

    device_id: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class RealPress:
    """A press that is not a drill: its site (None if unknown), and the latest time at which it can have been made."""

    alert_id: str
    site: UUID | None
    latest: datetime
    silent: bool

    def ends(self, drill: Alert, sites: frozenset[UUID]) -> bool:
        """Return whether the press was made at the drill's site while the drill may have been running.

        A SILENT press ends no drill that other people can see: the end would reveal it.
        """
        here = drill.site_id == self.site if self.site else drill.site_id in sites
        return here and drill.triggered_at <= self.latest and (drill.is_silent or not self.silent)


@dataclass(frozen=True, slots=True)
class Armed:
    """The periods for which buttons are or were armed, by hardware id."""

    by_device: Mapping[str, Sequence[DrillArm]] = field(default_factory=dict)
    _used: dict[UUID, str] = field(default_factory=dict)

    def take(self, device: str, alert_id: str, earliest: datetime, latest: datetime) -> DrillArm | None:
        """Return the arm that this press uses, or None; the button's next press is real again.

        The button must have been armed during all of the time in which the press can have been made.
        """
        for one in self.by_device.get(device, ()):
            used_by = one.alert_id or self._used.get(one.id, alert_id)
            if one.armed_at <= earliest and latest <= one.expires_at and used_by == alert_id:
                self._used[one.id] = alert_id
                return one
        return None


def arm(*, principal: Principal, organization: UUID, device_id: str, now: datetime) -> ArmedDrill:
    """Arm one button through its gateway. Raises NotFound, Forbidden, DeviceWithoutRoom or AlreadyArmed."""
    device = (
        Device.objects.filter(organization_id=organization, device_id=device_id)
        .select_related("room__floor__building")
        .first()
    )
    building = device.room.floor.building if device and device.room else None
    building_id = building.id if building else None
    grant = grant_in(principal, organization)
    if grant.places and not grant.at(building_id):
        raise DeviceNotFound()
    require(principal, organization, "drills", "create", building_id)
    if principal.kind is not PrincipalKind.PERSON:
        raise Forbidden("Only a person arms a drill, one button at a time.")
    if device is None:
        raise DeviceNotFound()
    if building is None:
        raise DeviceWithoutRoom()
    if _is_one_armed(organization, now):
        raise AlreadyArmed()
    armed = DrillArm(
        organization_id=organization,
        device_id=device.id,
        hardware_id=device_id,
        building_id=building.id,
        site_id=building.site_id,
        armed_by=principal.id,
        armed_at=now,
        expires_at=now + ARMED_FOR,
    )
    DrillArm.objects.bulk_create([armed])
    expires_at = rfc3339(armed.expires_at)
    feed.announce(
        organization_id=organization,
        kind="command",
        audience=feed.Audience.GATEWAY,
        building_id=building_id,
        payload=msgspec.json.encode({"command": "arm_drill", "device": device_id, "expires_at": expires_at}).decode(),
    )
    _announce("drill.armed", armed)
    audit.record(
        actor=principal,
        action=AuditAction.DRILL_ARM,
        target_kind="device",
        target_id=device.id,
        organization_id=organization,
    )
    return ArmedDrill(device_id, armed.expires_at)


def armed_for(organization: UUID, devices: Iterable[str], buildings: frozenset[UUID], *, now: datetime) -> Armed:
    """Return the periods for which these buttons of these buildings were recently armed."""
    arms = DrillArm.objects.filter(
        organization_id=organization,
        hardware_id__in=set(devices),
        building_id__in=buildings,
        expires_at__gt=now - LOOKED_BACK,
    )
    by_device: dict[str, list[DrillArm]] = {}
    for one in arms:
        by_device.setdefault(one.hardware_id, []).append(one)
    return Armed(by_device)


def use(arm: DrillArm, alert_id: str, *, at: datetime) -> None:
    """Mark an arm as used by a press: the button's next press is real."""
    if DrillArm.objects.filter(id=arm.id, alert_id=None).update(alert_id=alert_id, used_at=at):
        _announce("drill.disarmed", arm)


def end_for(
    presses: Sequence[RealPress],
    *,
    organization: UUID,
    gateway: Principal,
    buildings: frozenset[UUID],
    at: datetime,
) -> None:
    """End the drills during which these real presses were made.

    A drill whose row is locked is left to the sweep: an alarm never waits.
    """
    running = list(
        Alert.objects.select_for_update(skip_locked=True).filter(
            organization_id=organization, is_drill=True, status__in=lifecycle.OPEN, triggered_at__gt=at - LOOKED_BACK
        )
    )
    if not running:
        return
    sites = frozenset(Building.objects.filter(id__in=buildings).values_list("site_id", flat=True))
    for drill in running:
        press = next((press for press in presses if press.ends(drill, sites)), None)
        if press is not None:
            step = Step(new_id(), at, gateway.kind, gateway.id, None, "real_press")
            _end(drill, step, gateway, "real_press")


def end_overdue(*, now: datetime) -> None:
    """End drills of every organization that are older than LONGEST or that a real press should have ended.

    The system ends them, without a second person.
    """
    with system_scope():
        running = Alert.objects.select_for_update(skip_locked=True).filter(is_drill=True, status__in=lifecycle.OPEN)
        for alert in running:
            reason = "timeout" if alert.triggered_at < now - LONGEST else "real_press"
            if reason == "timeout" or _real_press_since(alert):
                _end(alert, Step(new_id(), now, PrincipalKind.SYSTEM, None, None, reason), SYSTEM, reason)


def _end(drill: Alert, step: Step, actor: Principal, why: str) -> None:
    services.end_by_itself(drill, step, "drill")
    services.record(actor, drill, AuditAction.DRILL_END, why=why)


def _real_press_since(drill: Alert) -> bool:
    """Return whether a real press was made at the drill's site while it was running."""
    silent = {} if drill.is_silent else {"is_silent": False}
    return Alert.objects.filter(
        organization_id=drill.organization_id,
        site_id=drill.site_id,
        is_drill=False,
        source="button",
        triggered_at__gte=drill.triggered_at,
        **silent,
    ).exists()


def _is_one_armed(organization: UUID, now: datetime) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [_ARMING_LOCK, str(organization)])
    return DrillArm.objects.filter(organization_id=organization, alert_id=None, expires_at__gt=now).exists()


def _announce(kind: str, armed: DrillArm) -> None:
    feed.announce_rows("SELECT * FROM drill_feed_rows(%s, %s)", [kind, armed.id])
