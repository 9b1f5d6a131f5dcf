"""People of an organization: users, invitations, day accounts; and actions of platform operators."""

from collections.abc import Mapping
from uuid import UUID

from django.utils import timezone

from apps.accounts.models import MembershipScope, Role
from apps.accounts.people import day_accounts, invitations
from apps.accounts.people.memberships import RoleAt
from apps.accounts.rights import visits
from apps.common.access import SYSTEM, Grant, Principal, PrincipalKind
from apps.common.db.ids import new_id
from apps.common.db.scope import tenant_scope
from tests.kit.people import PersonFactory
from tests.kit.school import School
from tests.matrix.callers import ROLE_TABLE
from tests.matrix.entry import At, Entry
from tests.matrix.things import Things, public, thing, word

USERS = "/api/v1/users"
HERE = "?organization={organization}"
SCHOOL = "/api/v1/organizations/{organization}"


def an_admin(school: School) -> Principal:
    """An administrator of the school."""
    rights = frozenset({("people", "create")})
    return Principal(
        PrincipalKind.PERSON, new_id(), "Ada", {school.organization: Grant(school.organization, "", rights)}
    )


@thing
def invitation(school: School) -> UUID:
    """An open one."""
    with tenant_scope([school.organization]):
        return invitations.invite(
            actor=SYSTEM,
            organization_id=school.organization,
            email=f"{word()}@school.example",
            held=RoleAt(Role.OPERATOR),
            now=timezone.now(),
        ).id


def new_day_account(school: School) -> tuple[UUID, str]:
    with tenant_scope([school.organization]):
        membership, code = day_accounts.create(
            actor=an_admin(school),
            organization_id=school.organization,
            first_name="Sam",
            last_name=word(),
            email=None,
            held=RoleAt(Role.OPERATOR, MembershipScope.ORGANIZATION),
            expires_at=None,
            now=timezone.now(),
        )
    return membership.user_id, str(code)


@thing
def day_account(school: School) -> UUID:
    """One for today."""
    return new_day_account(school)[0]


@thing
def day_code(school: School) -> str:
    """The unused code of one."""
    return new_day_account(school)[1]


@thing
def visit(school: School) -> UUID:
    """One in progress."""
    person = PersonFactory.create(is_super_admin=True)
    operator = Principal(PrincipalKind.PERSON, person.id, person.name, is_super_admin=True)
    with tenant_scope([school.organization]):
        return visits.begin(
            actor=operator,
            organization_id=school.organization,
            reason="Asked by the school.",
            ends_at=None,
            now=timezone.now(),
        ).id


@public
def role_name(_: School) -> str:
    """The name of a role of the table."""
    return Role.VIEWER.value


def changed_person(_: Things) -> Mapping[str, object]:
    return {"name": word(), "title": "School nurse"}


def a_member(things: Things) -> Mapping[str, object]:
    return {"organization": things["organization"], "role": "viewer"}


def a_guest(_: Things) -> Mapping[str, object]:
    return {"email": f"{word()}@school.example", "role": "operator"}


def a_substitute(_: Things) -> Mapping[str, object]:
    return {"first_name": "Sam", "last_name": word()}


ENTRIES = [
    Entry("GET", USERS + HERE, "people:read", rows="person"),
    Entry("GET", f"{USERS}{HERE}&search=teacher", "people:read", rows="person"),
    Entry("GET", f"{USERS}/{{person}}{HERE}", "people:read"),
    Entry("PUT", f"{USERS}/{{person}}{HERE}", "people:update", body=changed_person, changes="person.updated"),
    Entry("PATCH", f"{USERS}/{{person}}{HERE}", "people:update", body=changed_person, changes="person.updated"),
    Entry("DELETE", f"{USERS}/{{person}}{HERE}", "people:delete", ok=204, changes="membership.ended"),
    # An administrator of this school alone can list only people who belong to it.
    Entry("POST", f"{USERS}/{{person}}/organizations", "people:create", ok=409, body=a_member),
    Entry(
        "PATCH",
        f"{USERS}/{{person}}/organizations/{{organization}}",
        "people:update",
        body=lambda _: {"role": "viewer"},
        changes="membership.changed",
    ),
    Entry(
        "DELETE",
        f"{USERS}/{{person}}/organizations/{{organization}}",
        "people:delete",
        ok=204,
        changes="membership.ended",
    ),
    Entry("GET", f"{SCHOOL}/invitations", "people:read", rows="invitation"),
    Entry("POST", f"{SCHOOL}/invitations", "people:create", ok=201, body=a_guest, changes="invitation.created"),
    Entry("GET", f"{SCHOOL}/invitations/{{invitation}}", "people:read"),
    Entry("POST", f"{SCHOOL}/invitations/{{invitation}}/resend", "people:create", changes="invitation.resent"),
    Entry("DELETE", f"{SCHOOL}/invitations/{{invitation}}", "people:delete", ok=204, changes="invitation.revoked"),
    Entry("GET", f"{SCHOOL}/day-accounts", "people:read", rows="day_account"),
    Entry(
        "POST",
        f"{SCHOOL}/day-accounts",
        "people:create",
        ok=201,
        body=a_substitute,
        changes=("membership.added", "user.created"),
    ),
    Entry("DELETE", f"{SCHOOL}/day-accounts/{{day_account}}", "people:delete", ok=204, changes="membership.ended"),
    Entry(
        "POST", "/api/v1/auth/day", at=At.OPEN, body=lambda things: {"code": things["day_code"]}, changes="auth.login"
    ),
    Entry("GET", f"{SCHOOL}/visits", "audit:read", At.TENANT, rows="visit"),
    Entry(
        "POST",
        f"{SCHOOL}/visits",
        "organizations:create",
        At.PLATFORM,
        ok=201,
        body=lambda _: {"reason": "Asked by the school."},
        changes="visit.started",
        uses_caller=True,
    ),
    Entry("POST", f"{SCHOOL}/visits/{{visit}}/end", "organizations:update", At.TENANT, changes="visit.ended"),
    Entry("GET", "/api/v1/permissions", "permissions:read", At.OPERATORS),
    Entry("GET", "/api/v1/permissions/{role_name}", "permissions:read", At.OPERATORS),
    Entry(
        "PUT",
        "/api/v1/permissions/{role_name}",
        "permissions:update",
        At.OPERATORS,
        body=lambda _: {"permissions": sorted(ROLE_TABLE["viewer"])},
        changes="permissions.changed",
    ),
]
