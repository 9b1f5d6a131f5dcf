"""Makers of a row for each admin page about a model that no other route of the table covers."""

import secrets
from collections.abc import Mapping
from typing import Final
from uuid import UUID

from django.utils import timezone

from apps.accounts.audit_actions import AuditAction
from apps.accounts.models import Invitation, Role, Visit
from apps.accounts.people import invitations
from apps.accounts.people.memberships import RoleAt
from apps.alerts.models import Incident
from apps.common import audit
from apps.common.access import SYSTEM
from apps.common.db.ids import new_id
from apps.common.db.scope import tenant_scope
from apps.common.models import AuditEntry
from apps.devices import services as devices
from apps.devices.models import Device, GatewayRule, Trouble
from apps.devices.trouble_kinds import BUTTON_MISSING
from apps.tenancy import services as tenancy
from apps.tenancy.models import Building, Floor, Site
from tests.kit.people import PersonFactory
from tests.kit.presses import raise_alert
from tests.kit.school import School, device_name
from tests.matrix.things import number, thing, word

ROWS: Final[Mapping[str, str]] = {
    "accounts.Invitation": "invitation_row",
    "accounts.User": "person",
    "accounts.Visit": "visit_row",
    "alerts.Alert": "closed_alert",
    "alerts.Incident": "incident_row",
    "common.AuditEntry": "audit_row",
    "devices.Device": "device_row",
    "devices.Gateway": "gateway",
    "devices.GatewayRule": "rule_row",
    "devices.Trouble": "trouble_row",
    "tenancy.Building": "building",
    "tenancy.Floor": "floor",
    "tenancy.Organization": "organization",
    "tenancy.Room": "room",
    "tenancy.Site": "site",
}
"""The word of `things.py` for a row, by the label of its model."""

ONE_MORE: Final[Mapping[str, str]] = {
    "building": "building_row",
    "floor": "floor_row",
    "gateway": "gateway_row",
    "organization": "",
    "room": "room_row",
    "site": "site_row",
}
"""Makers of one more row, for models whose existing row belongs to the school, such as its one organization."""


@thing
def new_word(school: School) -> str:
    return word()


@thing
def new_number(school: School) -> int:
    return number()


@thing
def site_row(school: School) -> UUID:
    with tenant_scope([school.organization]):
        return tenancy.create_site(actor=SYSTEM, organization_id=school.organization, name=word()).id


@thing
def building_row(school: School) -> UUID:
    with tenant_scope([school.organization]):
        return tenancy.create_building(actor=SYSTEM, site=Site.objects.get(id=school.site), name=word()).id


@thing
def floor_row(school: School) -> UUID:
    with tenant_scope([school.organization]):
        building = Building.objects.get(id=school.building)
        return tenancy.create_floor(actor=SYSTEM, building=building, floor_number=number()).id


@thing
def room_row(school: School) -> UUID:
    with tenant_scope([school.organization]):
        floor = Floor.objects.get(id=school.floor)
        return tenancy.create_room(actor=SYSTEM, floor=floor, room_number=word()).id


@thing
def gateway_row(school: School) -> UUID:
    with tenant_scope([school.organization]):
        return devices.register_gateway(
            actor=SYSTEM,
            organization_id=school.organization,
            name=word(),
            public_key="none",
            buildings=[school.other_building],
        )


@thing
def invitation_row(school: School) -> UUID:
    with tenant_scope([school.organization]):
        invitation: Invitation = invitations.invite(
            actor=SYSTEM,
            organization_id=school.organization,
            email=f"{word()}@school.example",
            held=RoleAt(Role.VIEWER),
            now=timezone.now(),
        )
    return invitation.id


@thing
def visit_row(school: School) -> UUID:
    now = timezone.now()
    person = PersonFactory.create(role=Role.VIEWER, organization=school.organization)
    with tenant_scope([school.organization]):
        visit = Visit.objects.create(
            organization_id=school.organization, user_id=person.id, reason="A look", started_at=now, ends_at=now
        )
    return visit.id


@thing
def incident_row(school: School) -> UUID:
    raise_alert(school)
    with tenant_scope([school.organization]):
        incident = Incident.objects.create(
            organization_id=school.organization,
            site_id=school.site,
            alert_type="medical",
            opened_at=timezone.now(),
            closed_at=timezone.now(),
        )
    return incident.id


@thing
def audit_row(school: School) -> UUID:
    target = new_id()
    with tenant_scope([school.organization]):
        audit.record(
            actor=SYSTEM,
            action=AuditAction.PERSON_UPDATED,
            target_kind="user",
            target_id=target,
            organization_id=school.organization,
        )
        return AuditEntry.objects.get(target_id=target).id


@thing
def device_row(school: School) -> UUID:
    """Create one in the first building."""
    name = device_name()
    with tenant_scope([school.organization]):
        devices.register_devices(
            actor=SYSTEM, organization_id=school.organization, rooms={name: school.room}, now=timezone.now()
        )
        return Device.objects.get(device_id=name).id


@thing
def rule_row(school: School) -> UUID:
    key = secrets.randbelow(2**15)
    with tenant_scope([school.organization]):
        devices.add_rule(
            actor=SYSTEM, organization_id=school.organization, key=key, pattern=word()[:20], alert_type="assist"
        )
        return GatewayRule.objects.filter(key=key).latest("id").id


@thing
def trouble_row(school: School) -> UUID:
    name = device_name()
    with tenant_scope([school.organization]):
        devices.raise_trouble(
            organization_id=school.organization,
            gateway_id=school.gateway,
            device=name,
            kind=BUTTON_MISSING,
            detail=None,
            since=timezone.now(),
        )
        return Trouble.objects.get(device_id_text=name).id
