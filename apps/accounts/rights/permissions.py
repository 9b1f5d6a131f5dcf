"""Permissions of each role: a table that platform operators can change, within fixed rules.

Every role has all permissions of the role below it, and staff can always raise alarms.
"""

from collections.abc import Iterable
from functools import cache
from typing import Final

import msgspec
from django.conf import settings
from django.db import connection

from apps.accounts.audit_actions import AuditAction
from apps.accounts.models import Role
from apps.accounts.rights import selectors
from apps.accounts.rights.documents import RoleDocument, role_document
from apps.accounts.rights.grants import FLOOR, SUPER_ADMIN
from apps.common import audit
from apps.common.access import NOTHING, Principal, require_super_admin
from apps.common.http.writes.etags import require_match
from apps.common.problems import Forbidden, Invalid, NotFound

ROLES: Final = (SUPER_ADMIN, *(role.value for role in Role))
"""From most to least."""


def table(*, principal: Principal) -> list[RoleDocument]:
    """Return the permissions of every role. Raises Forbidden."""
    require_super_admin(principal)
    return [role_document(role, selectors.permissions_of(role)) for role in ROLES]


def of_role(*, principal: Principal, role: str) -> RoleDocument:
    """Return the permissions of one role. Raises Forbidden, NotFound."""
    require_super_admin(principal)
    if role not in ROLES:
        raise NotFound()
    return role_document(role, selectors.permissions_of(role))


def change(*, actor: Principal, role: str, permissions: Iterable[str], if_match: str | None) -> RoleDocument:
    """Replace a role's permissions. Raises Forbidden, NotFound, PreconditionFailed, Invalid."""
    require_super_admin(actor)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('permissions'))")
    before = of_role(principal=actor, role=role)
    require_match(if_match, before)
    wanted = frozenset(permissions)
    _require_valid(role, wanted)
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_permissions(%s, %s, %s)", [actor.id, role, sorted(wanted)])
        (done,) = cursor.fetchone()
    if not done:
        raise Forbidden()
    had = frozenset(before.permissions)
    audit.record(
        actor=actor,
        action=AuditAction.PERMISSIONS_CHANGED,
        target_kind="role",
        target_id=None,
        organization_id=None,
        role=role,
        added=", ".join(sorted(wanted - had)),
        removed=", ".join(sorted(had - wanted)),
    )
    return of_role(principal=actor, role=role)


def _require_valid(role: str, wanted: frozenset[str]) -> None:
    """Raise Invalid with the permissions that are unknown, cannot be removed, or break the order of roles."""
    place = ROLES.index(role)
    floor = frozenset(f"{resource}:{action}" for resource, action in FLOOR.get(role, NOTHING))
    below = frozenset(selectors.permissions_of(ROLES[place + 1])) if place + 1 < len(ROLES) else frozenset()
    above = frozenset(selectors.permissions_of(ROLES[place - 1])) if place else known()
    reasons = [
        *(f"{pair}: there is no such permission." for pair in sorted(wanted - known())),
        *(f"{pair}: staff raise alarms, whatever this table says." for pair in sorted(floor - wanted)),
        *(f"{pair}: {ROLES[place + 1]} may do this, so {role} may." for pair in sorted(below - floor - wanted)),
        *(f"{pair}: give it to {ROLES[place - 1]} first." for pair in sorted((wanted & known()) - above)),
    ]
    if reasons:
        raise Invalid(errors={"permissions": reasons})


@cache
def known() -> frozenset[str]:
    """Return every `resource:action` that the code checks."""
    table_ = msgspec.json.decode(
        (settings.BASE_DIR / "contracts" / "permissions.json").read_bytes(), type=dict[str, list[str]]
    )
    return frozenset(pair for pairs in table_.values() for pair in pairs)
