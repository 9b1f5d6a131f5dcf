"""What a person may, read from the database for each request and kept no longer than that.

So a sign-in or a membership that ends, a role that changes or a person who is suspended counts from the next request
on, whatever their token still says.
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
"""A person, and the sign-in that they come by; None where the platform itself asks, and they have not signed in."""


class _Row(msgspec.Struct, array_like=True, frozen=True):
    """A person, and one role that they hold in an organization if any; words that are not known here grant nothing.

    `buildings` is None where the role holds in the whole organization.
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
        """The pairs that the role holds."""
        if self.held == SUPER_ADMIN and self.operator_factor_due:
            return NOTHING
        rights = effective_permissions(self.held or "", self.permissions or (), self.status or "")
        return answering(rights) if self.is_withheld else rights

    @property
    def is_withheld(self) -> bool:
        """Whether a second factor is asked for first: by the organization of admins, by the platform of visitors."""
        return self.operator_factor_due if self.held == SUPER_ADMIN else bool(self.second_factor_due)


def person_principal(
    user_id: UUID, *, sign_in: UUID | None = None, now: datetime | None = None, only: UUID | None = None
) -> Principal | None:
    """The person with what they may at this moment; None when they are gone or not active, or their sign-in has ended.

    One statement. With `only`, as if they came by a sign-in that counts in that organization alone.
    """
    rows = _rows([(user_id, sign_in)], now).get((user_id, sign_in))
    return _seen(rows, only or rows[0].only) if rows else None


def person_principals(asked: Collection[Asked], *, now: datetime | None = None) -> dict[Asked, Principal]:
    """The same for several, whoever of them may speak at all. One statement."""
    return {one: _seen(rows, rows[0].only) for one, rows in _rows(asked, now).items()}


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


def _seen(rows: list[_Row], only: UUID | None) -> Principal:
    """With `only`, as that organization's own identity provider vouches for them: a member there, and nothing that they
    are elsewhere or of the platform. It was asked there for what the organization asks for, a second factor too.
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
        is_super_admin=person.is_super_admin and not person.operator_factor_due,
        needs_second_factor=person.operator_factor_due,
        sign_in=person.sign_in,
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
