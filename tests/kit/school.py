"""Organizations, and schools with places, buttons and a gateway. Names are unique across tests."""

import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID, uuid4

import factory
from django.utils import timezone

from apps.accounts.identity.keys import tokens
from apps.common.access import SYSTEM, Grant, Principal, PrincipalKind
from apps.common.db.ids import new_id
from apps.common.db.scope import tenant_scope
from apps.devices import services as devices
from apps.devices.gateways.authentication import PERMISSIONS
from apps.tenancy import services as tenancy
from apps.tenancy.models import Organization

TOKEN_LIFETIME = timedelta(minutes=10)


@dataclass(frozen=True)
class School:
    """An organization with a site of two buildings, each with a room and a button; the gateway belongs to the first."""

    organization: UUID
    site: UUID
    building: UUID
    floor: UUID
    room: UUID
    device: str
    other_building: UUID
    other_device: str
    gateway: UUID
    epoch: UUID = field(default_factory=uuid4)

    @property
    def gateway_principal(self) -> Principal:
        grant = Grant(self.organization, "gateway", PERMISSIONS)
        return Principal(PrincipalKind.GATEWAY, self.gateway, "gateway", {self.organization: grant})

    @property
    def gateway_token(self) -> str:
        return tokens.mint(kind=PrincipalKind.GATEWAY, subject=self.gateway, claims={}, lifetime=TOKEN_LIFETIME)


def device_name() -> str:
    return f"ss-{secrets.token_hex(6)}"


class OrganizationFactory(factory.Factory[Organization]):
    """An organization without places or people."""

    class Meta:
        model = Organization

    id = factory.LazyFunction(new_id)
    name = "Lincoln"
    slug = factory.LazyAttribute(lambda made: f"school-{made.id.hex}")

    @classmethod
    def _create(cls, _: type[Organization], *, id: UUID, name: str, slug: str) -> Organization:
        with tenant_scope([id]) as opened:
            made = tenancy.create_organization(actor=SYSTEM, organization_id=id, name=name, slug=slug)
            opened.feed.clear()  # The feed of a test contains only the changes of the test itself.
        return made


class SchoolFactory(factory.Factory[School]):
    """A school in a new organization."""

    class Meta:
        model = School

    organization = factory.LazyFunction(lambda: OrganizationFactory.create().id)

    @classmethod
    def _create(cls, _: type[School], *, organization: UUID) -> School:
        device, other_device = device_name(), device_name()
        number = secrets.randbelow(1_000_000)
        with tenant_scope([organization]) as opened:
            site = tenancy.create_site(
                actor=SYSTEM, organization_id=organization, name="Campus", address="400 Oak Street", timezone="UTC"
            )
            buildings, floors, rooms = [], [], []
            for name in ("Main", "Annex"):
                buildings.append(tenancy.create_building(actor=SYSTEM, site=site, name=name))
                floors.append(
                    tenancy.create_floor(actor=SYSTEM, building=buildings[-1], floor_number=number, name="Low")
                )
                rooms.append(
                    tenancy.create_room(actor=SYSTEM, floor=floors[-1], room_number=str(number), name="Art room")
                )
            devices.register_devices(
                actor=SYSTEM,
                organization_id=organization,
                rooms={device: rooms[0].id, other_device: rooms[1].id},
                now=timezone.now(),
            )
            gateway = devices.register_gateway(
                actor=SYSTEM,
                organization_id=organization,
                name="Gateway",
                public_key="none",
                buildings=[buildings[0].id],
            )
            opened.feed.clear()
        return School(
            organization=organization,
            site=site.id,
            building=buildings[0].id,
            floor=floors[0].id,
            room=rooms[0].id,
            device=device,
            other_building=buildings[1].id,
            other_device=other_device,
            gateway=gateway,
        )
