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
from tests.cloud.school import School, make_person, make_school
from tests.matrix.things import Things

ROLE_TABLE: Final[dict[str, frozenset[str]]] = {
    role: frozenset(rights) for role, rights in json.loads((ROOT / "permissions.json").read_text()).items()
}
WHILE_SUSPENDED: Final = frozenset({"alerts:create", "alerts:update"})
"""What a role keeps in a suspended organization, as far as it had it."""


@dataclass(frozen=True)
class Caller:
    """Somebody who asks for something in a school."""

    name: str
    kind: str
    """"person", "gateway", ...; empty for nobody."""
    school: Things
    """Which they ask about."""
    make_token: Callable[[], str | None]
    is_known: bool = False
    """Whether the school is theirs in any way: whoever else must not learn that it exists."""
    rights: frozenset[str] = frozenset()
    """Held in that school."""
    building: UUID | None = None
    """Where they hold them; None: everywhere in it."""
    is_super_admin: bool = False

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
        ids = self.other.ids | self.suspended.ids | self.school.ids
        if caller.is_super_admin:
            return frozenset()
        if not caller.is_known:
            return ids - (self.other.ids if "other" in caller.name else frozenset())
        own = caller.school.school
        if caller.building == own.building:
            return ids - caller.school.ids | {str(own.other_building), own.other_device}
        return ids - caller.school.ids


def make_world() -> World:
    school, suspended, other = make_school(), make_school(), make_school()
    with tenant_scope([suspended.organization]):
        Organization.objects.update(status=OrganizationStatus.SUSPENDED)
    return World(Things(school), Things(suspended), Things(other))


def callers(world: World) -> Iterator[Caller]:
    """Everybody, for the school and where it makes a difference for the suspended one."""
    yield Caller("nobody", "", world.school, lambda: None)
    yield Caller("a person of no organization", "person", world.school, lambda: make_person(Role.ADMIN).token)
    yield Caller("super admin without a visit", "person", world.school, _super_admin, is_super_admin=True)
    for role in Role:
        yield from _people(world, role)
    for name, of in (("the school", world.school), ("another school", world.other)):
        own = of is world.school
        token = _always(of.school.gateway_token)
        yield Caller(f"gateway of {name}", "gateway", world.school, token, is_known=own)


def _people(world: World, role: Role) -> Iterator[Caller]:
    rights = ROLE_TABLE[role]
    ours, theirs, shut = (one.school for one in (world.school, world.other, world.suspended))
    yield Caller(f"{role} of the school", "person", world.school, _member(role, ours), True, rights)
    yield Caller(f"{role} of another school", "person", world.school, _member(role, theirs))
    yield Caller(
        f"{role} of a suspended school",
        "person",
        world.suspended,
        _member(role, shut),
        True,
        rights & WHILE_SUSPENDED,
    )


def _member(role: Role, school: School) -> Callable[[], str]:
    return lambda: make_person(role, school.organization).token


def _super_admin() -> str:
    person = make_person(Role.ADMIN)
    User.objects.filter(pk=person.id).update(is_super_admin=True)
    return person.token


def _always(token: str) -> Callable[[], str]:
    return lambda: token
