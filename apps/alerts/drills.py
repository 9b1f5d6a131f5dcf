"""Drills: one button is armed for a minute, and its next press starts a drill; every other press is real.

A drill ends by itself within the hour. There is a way from drill to real (a real press), and none from real to drill.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from apps.alerts import lifecycle, services
from apps.alerts.models import Alert
from apps.alerts.services import Step
from apps.common import audit, feed
from apps.common.access import Principal, PrincipalKind, grant_in, require
from apps.common.ids import new_id
from apps.common.problems import NotFound
from apps.common.scope import system_scope
from apps.common.times import rfc3339
from apps.devices.models import Device

ARMED_FOR: Final = timedelta(seconds=60)
LONGEST: Final = timedelta(minutes=60)


class DeviceNotFound(NotFound):
    """No such button here."""

    code = "device_not_found"
    default_detail = "There is no button with this device_id in this organization."


@dataclass(frozen=True, slots=True)
class ArmedDrill:
    """A button whose next press, until `expires_at`, starts a drill."""

    device_id: str
    expires_at: datetime


def arm(*, principal: Principal, organization: UUID, device_id: str, now: datetime) -> ArmedDrill:
    """Arm one button through its gateway. Raises NotFound or Forbidden."""
    device = (
        Device.objects.filter(organization_id=organization, device_id=device_id).select_related("room__floor").first()
    )
    building = device.room.floor.building_id if device and device.room else None
    grant = grant_in(principal, organization)
    if grant.places and not grant.at(building):
        raise DeviceNotFound()
    require(principal, organization, "drills", "create", building)
    if device is None:
        raise DeviceNotFound()
    drill = ArmedDrill(device_id, now + ARMED_FOR)
    expires_at = rfc3339(drill.expires_at)
    feed.announce(
        organization_id=organization,
        kind="command",
        audience=feed.Audience.GATEWAY,
        building_id=building,
        payload=msgspec.json.encode({"command": "arm_drill", "device": device_id, "expires_at": expires_at}).decode(),
    )
    audit.record(
        actor=principal,
        action="drill.arm",
        target_kind="device",
        target_id=device.id,
        organization_id=organization,
    )
    return drill


def end_overdue(*, now: datetime) -> None:
    """End the drills that are older than LONGEST, of every organization; by the system, without a second person."""
    with system_scope():
        overdue = Alert.objects.select_for_update(skip_locked=True).filter(
            is_drill=True, status__in=lifecycle.OPEN, triggered_at__lt=now - LONGEST
        )
        for alert in overdue:
            services.end_by_itself(alert, Step(new_id(), now, PrincipalKind.SYSTEM, None, None, "timeout"), "drill")
