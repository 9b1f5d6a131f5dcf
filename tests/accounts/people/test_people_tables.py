"""Import and export of people: new people are invited, members get the role of their lines."""

import secrets
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.accounts.identity import users
from apps.accounts.models import BuildingGrant, Invitation, Membership, MembershipScope, Role, SiteGrant, User
from apps.accounts.people import memberships
from apps.accounts.people.memberships import RoleAt
from apps.common.access import SYSTEM
from apps.common.db.scope import tenant_scope
from tests.kit.callers import Caller, admin_of, member
from tests.kit.refusals import refused
from tests.kit.school import School, SchoolFactory
from tests.kit.tables import counts, exported, faults, rows, sent
from tests.kit.trail import actions

pytestmark = pytest.mark.slow


@pytest.fixture
def school() -> School:
    return SchoolFactory.create()


@pytest.fixture
def admin(school: School) -> Caller:
    return admin_of(school.organization)


def imports(school: School) -> str:
    return f"organizations/{school.organization}/imports/people"


def exports(school: School) -> str:
    return f"organizations/{school.organization}/exports/people"


def address() -> str:
    return f"{secrets.token_hex(6)}@school.example"


def email_of(caller: Caller) -> str:
    return User.objects.get(pk=caller.person.id).email


def state(school: School) -> list[list[Any]]:
    """All rows that say who belongs to the school, and where."""
    with tenant_scope([school.organization]):
        return [
            sorted(map(str, model.objects.values_list(*fields)))
            for model, fields in (
                (Membership, ("user_id", "role", "scope")),
                (Invitation, ("id", "email", "role", "scope", "site_ids", "building_ids", "revoked_at")),
                (SiteGrant, ("user_id", "content_object_id")),
                (BuildingGrant, ("user_id", "content_object_id")),
            )
        ]


def test_new_people_are_invited_with_role_and_places(school: School, admin: Caller) -> None:
    whole, some, nowhere = address(), address(), address()
    table = (
        "email,role,scope,site,building\n"
        f"{whole},manager,,,\n{some},operator,,Campus,Main\n{some.upper()},operator,places,Campus,Annex\n"
        f"{nowhere},viewer,places,,\n"
    )
    assert counts(sent(admin, imports(school), table)) == (3, 0, 0)
    with tenant_scope([school.organization]):
        invited = {one.email: one for one in Invitation.objects.all()}
    assert (invited[whole].role, invited[whole].scope) == (Role.MANAGER, MembershipScope.ORGANIZATION)
    assert sorted(invited[some].building_ids) == sorted([school.building, school.other_building])
    assert (invited[nowhere].scope, invited[nowhere].site_ids, invited[nowhere].building_ids) == ("places", [], [])
    assert actions(school.organization)[-4:] == ["invitation.created"] * 3 + ["people.imported"]


def test_members_get_the_role_of_the_table(school: School, admin: Caller) -> None:
    """Their accounts are not changed, and equal values are not written."""
    teacher, same = member(Role.OPERATOR, school), member(Role.VIEWER, school)
    table = f"email,role,site\n{email_of(teacher).upper()},manager,Campus\n{email_of(same)},viewer,\n"
    assert counts(sent(admin, imports(school), table)) == (0, 1, 1)
    with tenant_scope([school.organization]):
        changed = Membership.objects.get(user_id=teacher.person.id)
        assert (changed.role, changed.scope) == (Role.MANAGER, MembershipScope.PLACES)
        assert list(SiteGrant.objects.values_list("user_id", "content_object_id")) == [(teacher.person.id, school.site)]
    assert actions(school.organization)[-2:] == ["membership.changed", "people.imported"]


def test_open_invitation_gets_the_role_of_the_table(school: School, admin: Caller) -> None:
    email = address()
    sent(admin, imports(school), f"email,role\n{email},viewer\n")
    assert counts(sent(admin, imports(school), f"email,role\n{email},viewer\n")) == (0, 0, 1)
    assert counts(sent(admin, imports(school), f"email,role\n{email},operator\n")) == (0, 1, 0)
    with tenant_scope([school.organization]):
        assert Invitation.objects.get(revoked_at=None).role == Role.OPERATOR


@pytest.mark.parametrize("dry_run", ["true", "false"])
@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["nobody,operator,,,"], [(2, "email")]),
        (["{new},teacher,,,"], [(2, "role")]),
        (["{new},,,,"], [(2, "role")]),
        (["{new},super_admin,,,"], [(2, "role")]),
        (["{new},operator,here,,"], [(2, "scope")]),
        (["{new},operator,organization,Campus,"], [(2, "scope")]),
        (["{new},operator,,Nowhere,"], [(2, "site")]),
        (["{new},operator,,Campus,Nowhere"], [(2, "building")]),
        (["{new},operator,,,Main"], [(2, "site")]),
        (["{new},operator,,,", "{new},operator,,,"], [(3, "email")]),
        (["{new},operator,,Campus,Main", "{new},operator,,Campus,Main"], [(3, "email")]),
        (["{new},operator,,Campus,Main", "{new},viewer,,Campus,Annex"], [(3, "role")]),
        (["{new},operator,,Campus,Main", "{new},operator,organization,,"], [(3, "scope")]),
        (["{new},operator,places,,", "{new},operator,,Campus,Main"], [(3, "email")]),
        (["{admin},operator,,,"], [(2, "role")]),
        (["{day},operator,,,"], [(2, "role")]),
        (["=1+1@school.example,operator,,,"], [(2, "email")]),
    ],
)
def test_invalid_line_refuses_the_whole_import(
    school: School, admin: Caller, lines: list[str], expected: list[tuple[int, str | None]], dry_run: str
) -> None:
    """The last administrator keeps the role, day accounts cannot be imported, and no e-mail is sent."""
    now = timezone.now()
    with tenant_scope([school.organization]):
        day = users.create_user(actor=SYSTEM, email=address(), password=None)
        memberships.add_membership(
            actor=SYSTEM,
            user=day,
            organization_id=school.organization,
            role=Role.OPERATOR,
            trigger_only=True,
            expires_at=now + timedelta(hours=8),
        )
    names = {"new": address(), "admin": email_of(admin), "day": day.email}
    table = "\n".join(
        ["email,role,scope,site,building", *(line.format_map(names) for line in lines), f"{address()},viewer,,,"]
    )
    before, trail_before = state(school), actions(school.organization)
    assert faults(sent(admin, imports(school), table, dry_run=dry_run)) == expected
    assert (state(school), actions(school.organization)) == (before, trail_before)


def test_dry_run_invites_no_one(school: School, admin: Caller) -> None:
    table = f"email,role\n{address()},operator\n{email_of(member(Role.VIEWER, school))},manager\n"
    before, trail_before = state(school), actions(school.organization)
    assert counts(sent(admin, imports(school), table, dry_run="true")) == (1, 1, 0)
    assert (state(school), actions(school.organization)) == (before, trail_before)


def test_import_can_replace_the_only_administrator(school: School, admin: Caller) -> None:
    """In any order of their lines."""
    heir = member(Role.OPERATOR, school)
    table = f"email,role\n{email_of(admin)},viewer\n{email_of(heir)},admin\n"
    assert counts(sent(admin, imports(school), table)) == (0, 2, 0)


@pytest.mark.parametrize("role", [Role.MANAGER, Role.OPERATOR, Role.VIEWER])
def test_only_administrators_can_import_and_export_people(school: School, role: Role) -> None:
    caller = member(role, school)
    refused(sent(caller, imports(school), f"email,role\n{address()},admin\n"), 403, "forbidden")
    refused(caller.get(exports(school)), 403, "forbidden")


def test_import_and_export_do_not_reveal_people_of_another_school(school: School, admin: Caller) -> None:
    """People with an account elsewhere are invited like anyone else: the response does not reveal the account."""
    stranger = member(Role.ADMIN, SchoolFactory.create())
    known = sent(admin, imports(school), f"email,role\n{email_of(stranger)},viewer\n", dry_run="true")
    unknown = sent(admin, imports(school), f"email,role\n{address()},viewer\n", dry_run="true")
    assert known.content == unknown.content
    assert email_of(stranger) not in exported(admin, exports(school))


def test_day_accounts_are_not_exported(school: School, admin: Caller) -> None:
    with tenant_scope([school.organization]):
        day = users.create_user(actor=SYSTEM, email=address(), password=None)
        memberships.add_membership(
            actor=SYSTEM,
            user=day,
            organization_id=school.organization,
            role=Role.OPERATOR,
            trigger_only=True,
            expires_at=timezone.now() + timedelta(hours=8),
        )
    assert [row["email"] for row in rows(exported(admin, exports(school)))] == [email_of(admin)]


held: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from(list(Role)).map(lambda role: (role, "organization", False, [])),
    st.tuples(
        st.sampled_from(list(Role)), st.just("places"), st.booleans(), st.lists(st.sampled_from([0, 1]), unique=True)
    ),
)


@given(members=st.lists(held, max_size=3), invited=st.lists(held, max_size=3))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_export_can_be_imported_without_changes(
    admin: Caller, school: School, members: list[Any], invited: list[Any]
) -> None:
    """Also for people without a place yet: an empty place is not imported as every place."""

    def role_at(role: Role, scope: str, at_site: bool, at: list[int]) -> RoleAt:
        buildings = [school.building, school.other_building]
        sites = frozenset({school.site} if at_site else ())
        return RoleAt(role, MembershipScope(scope), sites, frozenset(buildings[number] for number in at))

    for one in members:
        role = role_at(*one)
        caller = member(role.role, school)
        with tenant_scope([school.organization]):
            Membership.objects.filter(user_id=caller.person.id).update(scope=role.scope)
            memberships.grant_places(Membership.objects.get(user_id=caller.person.id), role)
    now = timezone.now()
    with tenant_scope([school.organization]):
        for one in invited:
            role = role_at(*one)
            Invitation.objects.create(
                organization_id=school.organization,
                email=address(),
                role=role.role,
                scope=role.scope,
                site_ids=sorted(role.sites),
                building_ids=sorted(role.buildings),
                expires_at=now + timedelta(days=1),
            )
    before = state(school)
    table = exported(admin, exports(school))
    people_in_it = {row["email"] for row in rows(table)}
    assert counts(sent(admin, imports(school), table)) == (0, 0, len(people_in_it))
    assert state(school) == before
    assert len(people_in_it) == len(before[0]) + len(before[1])
