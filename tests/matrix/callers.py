"""Who asks: each kind of caller, at each place that they can have toward the school that is asked about."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from apps.accounts.models import Role, User
from apps.common.scope import tenant_scope
from apps.tenancy.models import Organization, OrganizationStatus
from contracts import ROOT
from tests.cloud.school import School, make_person, make_school, raise_alert
from tests.matrix.things import Things, alert_elsewhere

ROLE_TABLE: Final[dict[str, frozenset[str]]] = {
    role: frozenset(rights) for role, rights in json.loads((ROOT / "permissions.json").read_text()).items()
}
WHILE_SUSPENDED: Final = frozenset({"alerts:create", "alerts:update", "silent_alerts:read", "open_alerts:read"})
"""What a role keeps in a suspended organization, as far as it had it."""


@dataclass(frozen=True)
class Caller:
    """Somebody who asks for something in a school."""

    name: str
    kind: str
    """"person", "gateway", ...; empty for nobody."""
    asked: Things
    """The school that they ask about."""
    make_token: Callable[[], str | None]
    home: Things | None = None
    """The school where they belong."""
    rights: frozenset[str] = frozenset()
    """Held there."""
    building: UUID | None = None
    """Where in it they hold them; None: everywhere."""
    is_super_admin: bool = False

    @property
    def is_known(self) -> bool:
        """Whether the school they ask about is theirs in any way: nobody else must learn that it exists."""
        return self.home is self.asked

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class World:
    """A school to ask about, one that is suspended, and one of others."""

    school: Things
    suspended: Things
    other: Things

    def forbidden_ids(self, caller: Caller) -> frozenset[str]:
        """What no answer to this caller may hold."""
        if caller.is_super_admin:
            return frozenset()
        strange = [one for one in (self.school, self.suspended, self.other) if one is not caller.home]
        ids = frozenset().union(*(one.ids for one in strange))
        if caller.home and caller.building == caller.home.school.building:
            ids |= caller.home.elsewhere
        return ids


def make_world() -> World:
    """Three schools, each with an open alert in both of its buildings."""
    world = World(*(Things(make_school()) for _ in range(3)))
    for things in (world.school, world.suspended, world.other):
        raise_alert(things.school)
        things.elsewhere |= {str(alert_elsewhere(things.school))}
    with tenant_scope([world.suspended.school.organization]):
        Organization.objects.update(status=OrganizationStatus.SUSPENDED)
    return world


def callers(world: World) -> Iterator[Caller]:
    """Everybody, for the school and where it makes a difference for the suspended one."""
    yield Caller("nobody", "", world.school, lambda: None)
    yield Caller("a person of no organization", "person", world.school, lambda: make_person(Role.ADMIN).token)
    yield Caller("super admin without a visit", "person", world.school, _super_admin, is_super_admin=True)
    for role in Role:
        yield from _people(world, role)
    for name, home in (("the school", world.school), ("another school", world.other)):
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


def while_suspended(rights: frozenset[str]) -> frozenset[str]:
    """What is left of a role's rights: who could read every alert reads the open ones."""
    seen = {"open_alerts:read"} if "alerts:read" in rights else set()
    return (rights | seen) & WHILE_SUSPENDED


def _member(role: Role, school: School) -> Callable[[], str]:
    return lambda: make_person(role, school.organization).token


def _super_admin() -> str:
    person = make_person(Role.ADMIN)
    User.objects.filter(pk=person.id).update(is_super_admin=True)
    return person.token


def _always(token: str) -> Callable[[], str]:
    return lambda: token
