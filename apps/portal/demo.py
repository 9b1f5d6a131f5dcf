"""The demo school: one organization with two buildings, their rooms and buttons, and one person of each role."""

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from apps.accounts.identity import users
from apps.accounts.models import Role
from apps.accounts.people import memberships
from apps.common.access import SYSTEM
from apps.common.db.ids import new_id
from apps.common.db.scope import tenant_scope
from apps.devices import services as devices
from apps.tenancy import services as tenancy
from apps.tenancy.models import Room

SLUG: Final = "lincoln-demo"
DOMAIN: Final = "lincoln.example"
PEOPLE: Final = {
    "admin": ("Ana", "Ruiz"),
    "manager": ("Marcus", "Webb"),
    "operator": ("Dana", "Hill"),
    "viewer": ("Paula", "Osei"),
    "super_admin": ("Sam", "Okafor"),
}
BUILDINGS: Final = ("Main building", "Science wing")
FLOORS: Final = ("Ground floor", "First floor", "Second floor")


class DemoGateway(msgspec.Struct, frozen=True):
    """The gateway, whose key pair exists already."""

    public_key: str


class DemoRule(msgspec.Struct, frozen=True):
    """The alert type of a pattern on one key of a button."""

    key: int
    pattern: str
    alert_type: str
    is_silent: bool


class DemoRequest(msgspec.Struct, frozen=True):
    """Hardware ids of the buttons, the gateway, and its rules."""

    devices: list[str]
    gateway: DemoGateway
    rules: list[DemoRule]


class DemoUser(msgspec.Struct, frozen=True):
    """A person who can sign in."""

    email: str
    password: str


class DemoDevice(msgspec.Struct, frozen=True):
    """A button and its room."""

    device: str
    room_id: UUID


class DemoSchool(msgspec.Struct, frozen=True):
    """What was created, with the passwords, which are stored nowhere else."""

    organization_id: UUID
    gateway_id: UUID
    users: dict[str, DemoUser]
    devices: list[DemoDevice]


def create_demo_school(request: DemoRequest, *, now: datetime) -> DemoSchool:
    """Create the demo school. Raises Conflict if it exists already."""
    organization = new_id()
    with tenant_scope([organization]):
        tenancy.create_organization(actor=SYSTEM, organization_id=organization, name="Lincoln High School", slug=SLUG)
        rooms, buildings = _places(organization, len(request.devices))
        room_of = {device: rooms[number % len(rooms)].id for number, device in enumerate(request.devices)}
        devices.register_devices(actor=SYSTEM, organization_id=organization, rooms=room_of, now=now)
        gateway = devices.register_gateway(
            actor=SYSTEM,
            organization_id=organization,
            name="Gateway North",
            public_key=request.gateway.public_key,
            buildings=buildings,
        )
        for rule in request.rules:
            devices.add_rule(
                actor=SYSTEM,
                organization_id=organization,
                key=rule.key,
                pattern=rule.pattern,
                alert_type=rule.alert_type,
                is_silent=rule.is_silent,
            )
        users = {role: _person(organization, role) for role in PEOPLE}
    return DemoSchool(organization, gateway, users, [DemoDevice(device, room) for device, room in room_of.items()])


def _places(organization: UUID, buttons: int) -> tuple[Sequence[Room], Sequence[UUID]]:
    """Create two buildings of three floors, with a room for each button."""
    site = tenancy.create_site(
        actor=SYSTEM,
        organization_id=organization,
        name="Lincoln High School",
        address="400 Oak Street, Springfield",
        timezone="America/Chicago",
    )
    per_floor = -(-max(buttons, 1) // (len(BUILDINGS) * len(FLOORS)))
    rooms, buildings = [], []
    for wing, name in enumerate(BUILDINGS):
        building = tenancy.create_building(actor=SYSTEM, site=site, name=name, floor_count=len(FLOORS))
        buildings.append(building.id)
        for level, floor_name in enumerate(FLOORS):
            floor = tenancy.create_floor(actor=SYSTEM, building=building, floor_number=level, name=floor_name)
            for number in range(1, per_floor + 1):
                text = f"{'AB'[wing]}{level + 1}{number:02d}"
                rooms.append(tenancy.create_room(actor=SYSTEM, floor=floor, room_number=text, room_type="classroom"))
    return rooms, buildings


def _person(organization: UUID, role: str) -> DemoUser:
    first_name, last_name = PEOPLE[role]
    email, password = f"{first_name}.{last_name}@{DOMAIN}".lower(), secrets.token_urlsafe(15)
    user = users.create_user(
        actor=SYSTEM,
        email=email,
        password=password,
        first_name=first_name,
        last_name=last_name,
        is_super_admin=role == "super_admin",
    )
    if role != "super_admin":
        memberships.add_membership(actor=SYSTEM, user=user, organization_id=organization, role=Role(role))
    return DemoUser(email, password)
