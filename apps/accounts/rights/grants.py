"""A person's permissions, read from the database for each request and not cached beyond it.

So the end of a sign-in or a membership, a changed role and a suspended person take effect with the next request,
whatever their token contains.
"""

import dataclasses
from collections.abc import Collection, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import groupby
from uuid import UUID

import msgspec
from django.conf import settings
from django.db import connection
from django.utils import timezone

from apps.accounts.models import Role
from apps.common.access import NOTHING, Grant, Pair, Places, Principal, PrincipalKind
from apps.tenancy.models import OrganizationStatus

SUPER_ADMIN = "super_admin"
"""The role of a platform operator in an organization during a visit. No membership has it."""

DAY_ACCOUNT = "day_account"
"""The role of a membership that can only trigger: it has only FLOOR."""

FLOOR: dict[str, frozenset[Pair]] = {
    role: frozenset({("alerts", "create")}) for role in (Role.ADMIN, Role.MANAGER, Role.OPERATOR, DAY_ACCOUNT)
}
"""Always held, whatever the permissions table says: no edit can take the right to raise an alarm from staff."""

WHILE_SUSPENDED: frozenset[Pair] = frozenset(
    {("alerts", "create"), ("alerts", "update"), ("silent_alerts", "read"), ("open_alerts", "read")}
)
"""All that a role keeps in a suspended organization: an unpaid bill must stop neither an alarm nor its answer, and
responders must be able to read open alerts. `open_alerts:read` is `alerts:read` limited to open alerts."""

READ_PLACE: frozenset[Pair] = frozenset({("places", "read")})
"""The right at a site that comes with a role at one of its buildings: reading name and address."""

PEOPLE_AND_GRANTS = """
    SELECT u.id, a.sign_in, s.only_organization, u.email, u.first_name, u.last_name, u.is_super_admin,
           g.organization_id, g.organization_status, g.role, g.held, g.sites, g.parents, g.buildings, g.permissions,
           CASE WHEN g.role = 'admin' THEN g.organization_id IN (SELECT second_factor_due(u.id)) ELSE false END
               AS second_factor_due,
           u.is_super_admin AND %(operators_need_one)s AND NOT EXISTS (
               SELECT 1 FROM mfa_authenticator f WHERE f.user_id = u.id AND f.type IN ('totp', 'webauthn')
           ) AS operator_factor_due
    FROM unnest(%(people)s::uuid[], %(sign_ins)s::uuid[]) a (person, sign_in)
    JOIN users u ON u.id = a.person AND u.status = 'active'
    LEFT JOIN sign_ins s ON s.id = a.sign_in AND s.user_id = u.id AND %(now)s < s.expires_at
    LEFT JOIN LATERAL principal_grants(u.id, %(now)s) g ON true
    WHERE a.sign_in IS NULL OR s.id IS NOT NULL
    ORDER BY u.id, a.sign_in, g.organization_id
"""

Asked = tuple[UUID, UUID | None]
"""A person and their sign-in; None if the platform itself looks up the person without a sign-in."""


class _Row(msgspec.Struct, array_like=True, frozen=True):
    """A person, and one of their roles in an organization, if any; unknown permission names grant nothing.

    `buildings` is None if the role applies in the whole organization.
    """

    person: UUID
    sign_in: UUID | None
    only: UUID | None
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
    operator_factor_due: bool

    @property
    def rights(self) -> frozenset[Pair]:
        """Return the pairs that the role has."""
        if self.held == SUPER_ADMIN and self.operator_factor_due:
            return NOTHING
        rights = effective_permissions(self.held or "", self.permissions or (), self.status or "")
        return answering(rights) if self.is_withheld else rights

    @property
    def is_withheld(self) -> bool:
        """Return whether the role waits for a second factor, which admins and visiting operators may need."""
        return self.operator_factor_due if self.held == SUPER_ADMIN else bool(self.second_factor_due)


def person_principal(
    user_id: UUID, *, sign_in: UUID | None = None, now: datetime | None = None, only: UUID | None = None
) -> Principal | None:
    """Return the person with their current permissions; None if they are gone or inactive, or the sign-in has ended.

    One statement. With `only`, as if their sign-in were limited to that organization.
    """
    rows = _rows([(user_id, sign_in)], now).get((user_id, sign_in))
    return _limited(rows, only or rows[0].only) if rows else None


def person_principals(asked: Collection[Asked], *, now: datetime | None = None) -> dict[Asked, Principal]:
    """Return the principals of several people, leaving out those without access. One statement."""
    return {one: _limited(rows, rows[0].only) for one, rows in _rows(asked, now).items()}


def _rows(asked: Collection[Asked], now: datetime | None) -> dict[Asked, list[_Row]]:
    with connection.cursor() as cursor:
        cursor.execute(
            PEOPLE_AND_GRANTS,
            {
                "people": [person for person, _ in asked],
                "sign_ins": [sign_in for _, sign_in in asked],
                "now": now or timezone.now(),
                "operators_need_one": settings.OPERATORS_NEED_SECOND_FACTOR,
            },
        )
        rows = msgspec.convert(cursor.fetchall(), list[_Row])
    return {one: list(of_one) for one, of_one in groupby(rows, lambda row: (row.person, row.sign_in))}


def _limited(rows: list[_Row], only: UUID | None) -> Principal:
    """Build the principal. With `only`, it is limited to that organization, whose identity provider authenticated the
    person: no rights elsewhere or on the platform, and no second factor, which is the provider's responsibility.
    """
    if only is None:
        return _principal(rows)
    here = [row for row in rows if row.organization == only and row.held != SUPER_ADMIN]
    held = {only: _grant(only, [msgspec.structs.replace(row, second_factor_due=False) for row in here])} if here else {}
    return dataclasses.replace(
        _principal(rows), grants=held, is_super_admin=False, only=only, needs_second_factor=False
    )


@lru_cache(maxsize=256)
def effective_permissions(role: str, granted: tuple[str, ...], status: str) -> frozenset[Pair]:
    """Return the (resource, action) pairs of a role: the table's `resource:action`, plus and minus the fixed rules."""
    pairs = frozenset((resource, action) for resource, _, action in (pair.partition(":") for pair in granted))
    pairs |= FLOOR.get(role, NOTHING)
    if status == OrganizationStatus.ACTIVE or role == SUPER_ADMIN:
        return pairs
    return answering(pairs)


def answering(pairs: frozenset[Pair]) -> frozenset[Pair]:
    """Return the part of these rights that covers alarms."""
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
        is_super_admin=person.is_super_admin and not person.operator_factor_due,
        needs_second_factor=person.operator_factor_due,
        sign_in=person.sign_in,
    )


def _grant(organization: UUID, rows: Sequence[_Row]) -> Grant:
    """Build the grant of one person in one organization. A role in the whole organization outweighs roles at places."""
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
