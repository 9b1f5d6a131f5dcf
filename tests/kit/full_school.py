"""A school with at least one row in every tenant table, created through the services where there are some."""

import secrets
from datetime import timedelta
from uuid import uuid4

from django.utils import timezone

from apps.accounts.audit_actions import AuditAction
from apps.accounts.models import (
    ExternalIdentity,
    IdentityDomain,
    IdentityProvider,
    Invitation,
    Membership,
    MembershipScope,
    Role,
    ServiceToken,
    Visit,
)
from apps.accounts.people.memberships import RoleAt, grant_places
from apps.alerts.models import Alert, AlertNote, Incident
from apps.common import audit
from apps.common.access import ANONYMOUS
from apps.common.db.ids import new_id
from apps.common.db.scope import tenant_scope
from apps.devices import services as devices
from apps.devices.models import Device, DeviceMetric, GatewayAssertion, GatewayRule
from tests.kit.people import PersonFactory
from tests.kit.presses import arm, raise_alert
from tests.kit.school import School, SchoolFactory


def make_full_school() -> School:
    school = SchoolFactory.create()
    organization = school.organization
    raise_alert(school)
    arm(school)
    person = PersonFactory.create(role=Role.ADMIN, organization=organization)
    now = timezone.now()
    with tenant_scope([organization]):
        Membership.objects.update(scope=MembershipScope.PLACES)
        somewhere = RoleAt(
            Role.ADMIN, MembershipScope.PLACES, sites=frozenset({school.site}), buildings=frozenset({school.building})
        )
        grant_places(Membership.objects.get(user_id=person.id), somewhere)
        Visit.objects.create(
            organization_id=organization, user_id=person.id, reason="A look", started_at=now, ends_at=now
        )
        with audit.coming_from("192.0.2.1"):
            audit.record(
                actor=ANONYMOUS,
                action=AuditAction.AUTH_LOGIN,
                target_kind="user",
                target_id=person.id,
                organization_id=organization,
            )
        device = Device.objects.get(device_id=school.device)
        alert = Alert.objects.get()
        Incident.objects.create(
            organization_id=organization, site_id=school.site, alert_type="medical", opened_at=alert.triggered_at
        )
        AlertNote.objects.create(
            organization_id=organization,
            alert=alert.id,
            triggered_at=alert.triggered_at,
            author_id=uuid4(),
            body="The nurse is on her way.",
            created_at=now,
        )
        DeviceMetric.objects.create(organization_id=organization, device=device, rssi=-60)
        GatewayRule.objects.create(
            organization_id=organization, device=device, room_id=school.room, pattern="long", alert_type="lockdown"
        )
        GatewayAssertion.objects.create(
            organization_id=organization,
            gateway_id=school.gateway,
            jti=str(new_id()),
            expires_at=now + timedelta(minutes=1),
        )
        ServiceToken.objects.create(
            organization_id=organization,
            name="Bells",
            scopes=["alerts:read"],
            digest=secrets.token_bytes(32),
            created_at=now,
            expires_at=now + timedelta(days=1),
        )
        Invitation.objects.create(
            organization_id=organization,
            email=f"{new_id()}@school.example",
            role=Role.VIEWER,
            expires_at=now + timedelta(days=7),
        )
        provider = IdentityProvider.objects.create(
            organization_id=organization, name="District", issuer="https://issuer.example", sealed_secret="none"
        )
        IdentityDomain.objects.create(
            organization_id=organization, domain=f"{new_id()}.example", verified_at=now, verified_by=new_id()
        )
        ExternalIdentity.objects.create(
            organization_id=organization, provider=provider, issuer=provider.issuer, subject="1", user_id=person.id
        )
        devices.raise_trouble(
            organization_id=organization,
            gateway_id=school.gateway,
            device=school.device,
            kind="battery_low",
            detail=None,
            since=now,
        )
    return school
