"""What a person may, read from the database at the door of each request and kept no longer than that.

So a membership that ends, a role that changes or a person who is suspended counts from the next request on, whatever
their token still says.
"""

from collections.abc import Iterable
from uuid import UUID

import msgspec
from django.db import connection

from apps.accounts.models import MembershipScope, Role
from apps.common.access import Grant, Principal, PrincipalKind
from apps.tenancy.models import OrganizationStatus

Pair = tuple[str, str]

FLOOR: dict[str, frozenset[Pair]] = {
    role: frozenset({("alerts", "create")}) for role in (Role.ADMIN, Role.MANAGER, Role.OPERATOR)
}
"""Held whatever the permissions table says: no edit takes the right to raise an alarm from staff."""

WHILE_SUSPENDED: frozenset[Pair] = frozenset({("alerts", "create"), ("alerts", "update")})
"""All that a role keeps in a suspended organization: an unpaid bill stops neither an alarm nor its answer."""

_PERSON_AND_GRANTS = """
    SELECT u.email, u.first_name, u.last_name, u.is_super_admin,
           g.organization_id, g.organization_status, g.role, g.scope, g.permissions
    FROM users u LEFT JOIN LATERAL principal_grants(u.id) g ON true
    WHERE u.id = %s AND u.status = 'active'
"""


class _Row(msgspec.Struct, array_like=True, frozen=True):
    """A person, and one of their memberships if they have any; words that this version does not know grant nothing."""

    email: str
    first_name: str | None
    last_name: str | None
    is_super_admin: bool
    organization_id: UUID | None
    organization_status: str | None
    role: str | None
    scope: str | None
    permissions: list[str] | None


def person_principal(user_id: UUID) -> Principal | None:
    """The person with what they may at this moment; None when they are gone or not active. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(_PERSON_AND_GRANTS, [user_id])
        rows = msgspec.convert(cursor.fetchall(), list[_Row])
    if not rows:
        return None
    person = rows[0]
    name = " ".join(part for part in (person.first_name, person.last_name) if part)
    return Principal(
        kind=PrincipalKind.PERSON,
        id=user_id,
        name=name or person.email,
        grants={grant.organization_id: grant for grant in map(_grant, rows) if grant},
        is_super_admin=person.is_super_admin,
    )


def effective_permissions(role: str, granted: Iterable[str], status: str) -> frozenset[Pair]:
    """The (resource, action) pairs that a role holds: the table's `resource:action`, with what code adds and takes."""
    pairs = {(resource, action) for resource, _, action in (pair.partition(":") for pair in granted)}
    permissions = frozenset(pairs) | FLOOR.get(role, frozenset())
    return permissions if status == OrganizationStatus.ACTIVE else permissions & WHILE_SUSPENDED


def _grant(row: _Row) -> Grant | None:
    """None for a membership of scope `places`: it holds only where a place was granted, which nothing can do yet."""
    if row.organization_id is None or row.role is None or row.scope != MembershipScope.ORGANIZATION:
        return None
    return Grant(
        organization_id=row.organization_id,
        role=row.role,
        permissions=effective_permissions(row.role, row.permissions or (), row.organization_status or ""),
    )
