"""Callers: each kind of caller, in each relation to the school that is asked about."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.utils import timezone

from apps.accounts.models import Membership, Role, Visit
from apps.accounts.rights.people_only import PEOPLE_ONLY
from apps.common.db.scope import tenant_scope
from apps.tenancy.models import Organization, OrganizationStatus
from contracts import ROOT
from tests.kit.people import Person, PersonFactory
from tests.kit.presses import alert_elsewhere, raise_alert
from tests.kit.school import School, SchoolFactory
from tests.kit.service_tokens import make_service_token
from tests.matrix.things import Things

ROLE_TABLE: Final[dict[str, frozenset[str]]] = {
    role: frozenset(rights) for role, rights in json.loads((ROOT / "permissions.json").read_text()).items()
}
WHILE_SUSPENDED: Final = frozenset({"alerts:create", "alerts:update", "silent_alerts:read", "open_alerts:read"})
"""Rights that a role keeps in a suspended organization, if it had them."""
DAY_ACCOUNT: Final = frozenset({"alerts:create"})
"""Rights of a day account, regardless of the role table."""


@dataclass(frozen=True)
class Caller:
    """A caller who requests something in a school."""

    name: str
    kind: str
    """"person", "gateway", "service", ...; empty for anonymous callers."""
    asked: Things
    """The school that the requests are about."""
    make_token: Callable[[], str | None]
    home: Things | None = None
    """The school that the caller belongs to."""
    rights: frozenset[str] = frozenset()
    """Rights held there."""
    building: UUID | None = None
    """The building where the rights are held; None: everywhere."""
    is_super_admin: bool = False

    @property
    def is_known(self) -> bool:
        """Whether the caller belongs to the school; other callers must not learn that it exists."""
        return self.home is self.asked

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class World:
    """A school to ask about, a suspended one, and one that belongs to others."""

    school: Things
    suspended: Things
    other: Things

    def forbidden_ids(self, caller: Caller) -> frozenset[str]:
        """Return the ids that no response to this caller may contain."""
        if caller.is_super_admin:
            return frozenset()
        strange = [one for one in (self.school, self.suspended, self.other) if one is not caller.home]
        ids = frozenset().union(*(one.ids for one in strange))
        if caller.home and caller.building == caller.home.school.building:
            ids |= caller.home.elsewhere
        return ids


def make_world() -> World:
    """Create three schools, each with an open alert in both of its buildings."""
    world = World(*(Things(SchoolFactory.create()) for _ in range(3)))
    for things in (world.school, world.suspended, world.other):
        raise_alert(things.school)
        things.elsewhere |= {str(alert_elsewhere(things.school))}
    with tenant_scope([world.suspended.school.organization]):
        Organization.objects.update(status=OrganizationStatus.SUSPENDED)
    return world


def callers(world: World) -> Iterator[Caller]:
    """Return every caller for the school, and for the suspended one where the responses differ."""
    yield Caller("anonymous", "", world.school, lambda: None)
    yield Caller(
        "a person of no organization", "person", world.school, lambda: PersonFactory.create(role=Role.ADMIN).token
    )
    yield Caller("super admin without a visit", "person", world.school, _super_admin, is_super_admin=True)
    yield _visitor(world.school)
    for role in Role:
        yield from _people(world, role)
    for name, home in (("the school", world.school), ("a suspended school", world.suspended)):
        yield Caller(f"day account of {name}", "person", home, _day_account(home.school), home, DAY_ACCOUNT)
    for name, home in (("the school", world.school), ("another school", world.other)):
        yield _service(name, world, home)
        yield Caller(f"gateway of {name}", "gateway", world.school, _always(home.school.gateway_token), home)


def _people(world: World, role: Role) -> Iterator[Caller]:
    rights = ROLE_TABLE[role]
    for name, asked, home in (
        ("the school", world.school, world.school),
        ("another school", world.school, world.other),
        ("a suspended school", world.suspended, world.suspended),
    ):
        held = while_suspended(rights) if home is world.suspended else rights
        yield Caller(f"{role} of {name}", "person", asked, _member(role, home.school), home, held)
    school = world.school.school
    for name, building in (("first", school.building), ("other", school.other_building)):
        token = _narrowed(role, school, building)
        yield Caller(
            f"{role} of the school's {name} building", "person", world.school, token, world.school, rights, building
        )


def while_suspended(rights: frozenset[str]) -> frozenset[str]:
    """Return the rights that a role keeps: reading every alert is reduced to reading open ones."""
    seen = {"open_alerts:read"} if "alerts:read" in rights else set()
    return (rights | seen) & WHILE_SUSPENDED


def _member(role: Role, school: School) -> Callable[[], str]:
    return lambda: PersonFactory.create(role=role, organization=school.organization).token


def _narrowed(role: Role, school: School, building: UUID) -> Callable[[], str]:
    """Return a caller whose role is limited to one building."""
    return lambda: PersonFactory.create(role=role, organization=school.organization, buildings=[building]).token


def _day_account(school: School) -> Callable[[], str]:
    def make() -> str:
        person = PersonFactory.create(role=Role.OPERATOR, organization=school.organization)
        with tenant_scope([school.organization]):
            in_an_hour = timezone.now() + timedelta(hours=1)
            Membership.objects.filter(user_id=person.id).update(trigger_only=True, expires_at=in_an_hour)
        return person.token

    return make


def _service(name: str, world: World, home: Things) -> Caller:
    """Return a service with all rights that a service can have."""
    held = ROLE_TABLE[Role.ADMIN] - {":".join(pair) for pair in PEOPLE_ONLY}
    _, secret = make_service_token(home.school, held)
    return Caller(f"service of {name}", "service", world.school, _always(secret), home, held)


def _super_admin() -> str:
    return _platform_person().token


def _visitor(home: Things) -> Caller:
    """Return a platform operator who visits the school."""

    def make() -> str:
        person, now = _platform_person(), timezone.now()
        with tenant_scope([home.school.organization]):
            Visit.objects.create(
                organization_id=home.school.organization,
                user_id=person.id,
                reason="Asked by the school.",
                started_at=now,
                ends_at=now + timedelta(hours=1),
            )
        return person.token

    rights = ROLE_TABLE["super_admin"]
    return Caller("super admin with a visit", "person", home, make, home, rights, is_super_admin=True)


def _platform_person() -> Person:
    return PersonFactory.create(is_super_admin=True)


def _always(token: str) -> Callable[[], str]:
    return lambda: token
