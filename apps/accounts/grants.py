"""What a person may, read from the database at the door of each request and kept no longer than that.

So a membership that ends, a role that changes or a person who is suspended counts from the next request on, whatever
their token still says.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import groupby
from uuid import UUID

import msgspec
from django.db import connection
from django.utils import timezone

from apps.accounts.models import Role
from apps.common.access import NOTHING, Grant, Pair, Places, Principal, PrincipalKind
from apps.tenancy.models import OrganizationStatus

SUPER_ADMIN = "super_admin"
"""The role of a platform operator in an organization, for as long as a visit runs. No membership has it."""

DAY_ACCOUNT = "day_account"
"""What a membership holds that can trigger only: nothing but FLOOR."""

FLOOR: dict[str, frozenset[Pair]] = {
    role: frozenset({("alerts", "create")}) for role in (Role.ADMIN, Role.MANAGER, Role.OPERATOR, DAY_ACCOUNT)
}
"""Held whatever the permissions table says: no edit takes the right to raise an alarm from staff."""

WHILE_SUSPENDED: frozenset[Pair] = frozenset(
    {("alerts", "create"), ("alerts", "update"), ("silent_alerts", "read"), ("open_alerts", "read")}
)
"""All that a role keeps in a suspended organization: an unpaid bill stops neither an alarm nor its answer, and who
answers sees what there is to answer. `open_alerts:read` is `alerts:read` as far as it is about open ones."""

READ_PLACE: frozenset[Pair] = frozenset({("places", "read")})
"""What a right at a building gives at its site: its name and address."""

_PEOPLE_AND_GRANTS = """
    SELECT u.id, u.email, u.first_name, u.last_name, u.is_super_admin,
           g.organization_id, g.organization_status, g.role, g.held, g.sites, g.parents, g.buildings, g.permissions,
           g.organization_id IN (SELECT second_factor_due(u.id))
    FROM users u LEFT JOIN LATERAL principal_grants(u.id, %s) g ON true
    WHERE u.id = ANY (%s) AND u.status = 'active'
    ORDER BY u.id, g.organization_id
"""


class _Row(msgspec.Struct, array_like=True, frozen=True):
    """A person, and one role that they hold in an organization if any; words that are not known here grant nothing.

    `buildings` is None where the role holds in the whole organization.
    """

    person: UUID
    email: str
    first_name: str | None
    last_name: str | None
    is_super_admin: bool
    organization: UUID | None
    status: str | None
    role: str | None
    held: str | None
    sites: list[UUID] | None
    parents: list[UUID] | None
    buildings: list[UUID] | None
    permissions: tuple[str, ...] | None
    second_factor_due: bool | None

    @property
    def rights(self) -> frozenset[Pair]:
        """The pairs that the role holds."""
        rights = effective_permissions(self.held or "", self.permissions or (), self.status or "")
        return answering(rights) if self.is_withheld else rights

    @property
    def is_withheld(self) -> bool:
        """Whether the organization asks for a second factor first. A visit is the platform's, not a membership."""
        return bool(self.second_factor_due) and self.held != SUPER_ADMIN


def person_principal(user_id: UUID, *, now: datetime | None = None, only: UUID | None = None) -> Principal | None:
    """The person with what they may at this moment; None when they are gone or not active. One statement.

    With `only`, as that organization's own identity provider vouches for them: a member there, and nothing that they
    are elsewhere or of the platform. It was asked there for what the organization asks for, a second factor too.
    """
    rows = _rows([user_id], now).get(user_id)
    if rows is None:
        return None
    if only is None:
        return _principal(rows)
    here = [row for row in rows if row.organization == only and row.held != SUPER_ADMIN]
    held = {only: _grant(only, [msgspec.structs.replace(row, second_factor_due=False) for row in here])} if here else {}
    return dataclasses.replace(_principal(rows), grants=held, is_super_admin=False, only=only)


def person_principals(user_ids: Iterable[UUID], *, now: datetime | None = None) -> dict[UUID, Principal]:
    """The same for several, whoever of them may speak at all. One statement."""
    return {person: _principal(rows) for person, rows in _rows(user_ids, now).items()}


def _rows(user_ids: Iterable[UUID], now: datetime | None) -> dict[UUID, list[_Row]]:
    with connection.cursor() as cursor:
        cursor.execute(_PEOPLE_AND_GRANTS, [now or timezone.now(), list(user_ids)])
        rows = msgspec.convert(cursor.fetchall(), list[_Row])
    return {person: list(of_person) for person, of_person in groupby(rows, lambda row: row.person)}


@lru_cache(maxsize=256)
def effective_permissions(role: str, granted: tuple[str, ...], status: str) -> frozenset[Pair]:
    """The (resource, action) pairs that a role holds: the table's `resource:action`, with what code adds and takes."""
    pairs = frozenset((resource, action) for resource, _, action in (pair.partition(":") for pair in granted))
    pairs |= FLOOR.get(role, NOTHING)
    if status == OrganizationStatus.ACTIVE or role == SUPER_ADMIN:
        return pairs
    return answering(pairs)


def answering(pairs: frozenset[Pair]) -> frozenset[Pair]:
    """What is left of these rights where only alarms count."""
    if ("alerts", "read") in pairs:
        pairs |= {("open_alerts", "read")}
    return pairs & WHILE_SUSPENDED


def _principal(rows: Sequence[_Row]) -> Principal:
    person = rows[0]
    name = " ".join(part for part in (person.first_name, person.last_name) if part)
    return Principal(
        kind=PrincipalKind.PERSON,
        id=person.person,
        name=name or person.email,
        grants={
            organization: _grant(organization, list(held))
            for organization, held in groupby(rows, lambda row: row.organization)
            if organization
        },
        is_super_admin=person.is_super_admin,
    )


def _grant(organization: UUID, rows: Sequence[_Row]) -> Grant:
    """All that one person holds in one organization. Who holds a role everywhere is not narrowed."""
    role = min((row.role or "" for row in rows), key=lambda role: role != SUPER_ADMIN)
    withheld = all(row.is_withheld for row in rows)
    everywhere = [row.rights for row in rows if row.buildings is None]
    if everywhere:
        return Grant(organization, role, NOTHING.union(*everywhere), needs_second_factor=withheld)
    sites: dict[UUID, frozenset[Pair]] = {}
    buildings: dict[UUID, frozenset[Pair]] = {}
    for row in rows:
        for held_at, places, rights in (
            (sites, row.sites, row.rights),
            (sites, row.parents, row.rights & READ_PLACE),
            (buildings, row.buildings, row.rights),
        ):
            for place in places or ():
                held_at[place] = held_at.get(place, NOTHING) | rights
    return Grant(organization, role, NOTHING, Places(sites=sites, buildings=buildings), withheld)
