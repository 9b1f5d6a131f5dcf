"""Named values for paths and bodies: created in a school on first use, and again once they are used up.

A word that is not part of the school itself has a maker here: `@thing` registers its name as a word of the table. Ids
of the school (`organization`, `site`, `building`, `floor`, `room`, `device`, `gateway`, and `other_building`,
`other_device`) are never used up: objects to delete or close have makers, and so have suspended or deleted
organizations.
"""

import secrets
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from typing import Final, TypeVar
from uuid import UUID

from django.utils import timezone

from apps.accounts.identity import users
from apps.accounts.identity.sign_in import services as sign_in
from apps.accounts.models import Membership, Role, SignIn, SignInKind, User
from apps.accounts.people import memberships
from apps.alerts.models import DrillArm
from apps.common.access import SYSTEM
from apps.common.db.ids import new_id
from apps.common.db.scope import tenant_scope
from apps.devices import services as devices
from apps.devices.models import Device
from apps.tenancy import services as tenancy
from apps.tenancy.models import Building, Floor, Organization, OrganizationStatus, Site
from tests.kit.people import PersonFactory
from tests.kit.presses import alert_elsewhere, raise_alert
from tests.kit.school import OrganizationFactory, School
from tests.kit.service_tokens import make_service_token

PASSWORD: Final = "correct horse battery staple"

T = TypeVar("T")
_makers: dict[str, Callable[[School], object]] = {}
_public: set[str] = set()


class Things:
    """The things of one school."""

    def __init__(self, school: School) -> None:
        self.school = school
        self.elsewhere = frozenset({str(school.other_building), school.other_device})
        """Everything in the other building."""
        self._made: dict[str, object] = {}

    def __getitem__(self, name: str) -> str:
        """Return the id (or other value in a path) of the thing with this name."""
        of_school = asdict(self.school)
        if name in of_school:
            return str(of_school[name])
        if name not in self._made:
            self._made[name] = make(name, self.school)
        return str(self._made[name])

    def use_up(self) -> None:
        """Discard the used things after a request changed them, so that the next request gets new ones."""
        self._made.clear()

    @property
    def ids(self) -> frozenset[str]:
        """Return what a stranger must not receive: every thing of this school with a name in the table."""
        made = (value for name, value in self._made.items() if name not in _public)
        return frozenset(str(value) for value in (*asdict(self.school).values(), *made))


def thing(maker: Callable[[School], T]) -> Callable[[School], T]:
    """Register a word of the table."""
    _makers[maker.__name__] = maker
    return maker


def public(maker: Callable[[School], T]) -> Callable[[School], T]:
    """Register a word of the table that reveals nothing about a school."""
    _public.add(maker.__name__)
    return thing(maker)


def make(name: str, school: School) -> object:
    """Make one more thing with this name."""
    return _makers[name](school)


def number() -> int:
    """Return a new one."""
    return secrets.randbelow(2**31)


def word() -> str:
    """Return a new one."""
    return f"word-{secrets.token_hex(6)}"


@thing
def alert(school: School) -> UUID:
    """An open one in the first building."""
    return raise_alert(school)


thing(alert_elsewhere)


@thing
def armed_button(school: School) -> str:
    """A button in the first building that is armed for a drill."""
    now = timezone.now()
    with tenant_scope([school.organization]):
        device = Device.objects.get(device_id=school.device)
        DrillArm.objects.create(
            organization_id=school.organization,
            device=device,
            hardware_id=school.device,
            site_id=school.site,
            building_id=school.building,
            armed_by=new_id(),
            armed_at=now,
            expires_at=now + timedelta(minutes=1),
        )
    return school.device


@thing
def trouble(school: School) -> str:
    """An open one of the school's first button, by its kind."""
    kind = f"kind_{secrets.token_hex(4)}"
    with tenant_scope([school.organization]):
        devices.raise_trouble(
            organization_id=school.organization,
            gateway_id=school.gateway,
            device=school.device,
            kind=kind,
            detail=None,
            since=timezone.now(),
        )
    return kind


@thing
def closed_alert(school: School) -> UUID:
    one = raise_alert(school)
    person = PersonFactory.create(role=Role.ADMIN, organization=school.organization)
    assert person.client.put(f"/api/v1/alerts/{one}/resolve").status_code == 200
    return one


@thing
@public
def problem(school: School) -> str:
    """A code that has a page."""
    return "not_found"


@thing
def person(school: School) -> UUID:
    """An operator of the school."""
    return PersonFactory.create(role=Role.OPERATOR, organization=school.organization).id


@thing
def email(school: School) -> str:
    """The address of an operator who signs in with `PASSWORD`."""
    with tenant_scope([school.organization]):
        user = users.create_user(actor=SYSTEM, email=f"{word()}@school.example", password=PASSWORD)
        memberships.add_membership(actor=SYSTEM, user=user, organization_id=school.organization, role=Role.OPERATOR)
    return user.email


@thing
def refresh_token(school: School) -> str:
    """The token of a person who has just signed in."""
    return sign_in.login(email=email(school), password=PASSWORD, address="2001:db8::1").refresh


@thing
def sister_organization(school: School) -> UUID:
    """Another organization, which the administrators of the school also belong to."""
    organization = vacant_organization(school)
    with tenant_scope([school.organization, organization]):
        for admin in Membership.objects.filter(organization_id=school.organization, role=Role.ADMIN).select_related(
            "user"
        ):
            memberships.add_membership(actor=SYSTEM, user=admin.user, organization_id=organization, role=Role.ADMIN)
    return organization


@thing
def vacant_organization(_: School) -> UUID:
    """An organization without members or data."""
    return OrganizationFactory.create(name="Vacant").id


@thing
def suspended_organization(school: School) -> UUID:
    """A suspended organization without members."""
    return _with_status(vacant_organization(school), OrganizationStatus.SUSPENDED)


@thing
def deleted_organization(school: School) -> UUID:
    """A deleted organization without members."""
    return _with_status(vacant_organization(school), OrganizationStatus.DELETED)


def _with_status(organization: UUID, status: OrganizationStatus) -> UUID:
    with tenant_scope([organization]):
        Organization.objects.update(status=status)
    return organization


@thing
def vacant_site(school: School) -> UUID:
    """A site with nothing on it."""
    with tenant_scope([school.organization]):
        return tenancy.create_site(actor=SYSTEM, organization_id=school.organization, name=word()).id


@thing
def vacant_building(school: School) -> UUID:
    """A building on the school's site with nothing in it."""
    with tenant_scope([school.organization]):
        return tenancy.create_building(actor=SYSTEM, site=Site.objects.get(id=school.site), name=word()).id


@thing
def vacant_floor(school: School) -> UUID:
    """A floor of the first building with nothing on it."""
    with tenant_scope([school.organization]):
        building = Building.objects.get(id=school.building)
        return tenancy.create_floor(actor=SYSTEM, building=building, floor_number=number()).id


@thing
def vacant_room(school: School) -> UUID:
    """A room of the first building with nothing in it."""
    with tenant_scope([school.organization]):
        return tenancy.create_room(actor=SYSTEM, floor=Floor.objects.get(id=school.floor), room_number=word()).id


@thing
def sign_in_of_everybody(school: School) -> UUID:
    """Create a sign-in for each person of the school; return the id of one that belongs to none of the callers."""
    now = timezone.now()
    with tenant_scope([school.organization]):
        owners = [membership.user for membership in Membership.objects.select_related("user")]
    stranger = User.objects.create(email=f"{word()}@school.example")
    made = SignIn.objects.bulk_create(
        SignIn(
            user=owner,
            kind=SignInKind.APP,
            device="A phone",
            created_at=now,
            used_at=now,
            expires_at=now + timedelta(days=1),
        )
        for owner in (*owners, stranger)
    )
    return made[-1].id


def in_a_year(_: Things) -> str:
    return (timezone.now() + timedelta(days=365)).isoformat()


@thing
def service_token(school: School) -> UUID:
    """The id of one that may read the places of the school."""
    return make_service_token(school, frozenset({"places:read"}))[0]
