"""What a person may at this moment."""

from itertools import pairwise

import pytest

from apps.accounts.grants import WHILE_SUSPENDED, effective_permissions, person_principal
from apps.accounts.models import MembershipScope, Permission, Role, UserStatus
from apps.common.access import allows
from apps.common.ids import new_id
from apps.tenancy.models import OrganizationStatus
from tests.accounts.people import Person, end_membership, make_person, set_organization_status, set_status

STAFF = [Role.ADMIN, Role.MANAGER, Role.OPERATOR]


@pytest.mark.parametrize("role", list(Role))
def test_a_role_may_what_the_table_says(role: Role) -> None:
    person = make_person(role)
    principal = person_principal(person.id)
    assert principal is not None
    grant = principal.grants[person.organization]
    assert grant.role == role
    assert grant.permissions == frozenset(Permission.objects.filter(role=role).values_list("resource", "action"))
    assert allows(principal, person.organization, "alerts", "create") is (role in STAFF)


def test_the_seeded_table_is_the_contract() -> None:
    operator = set(Permission.objects.filter(role=Role.OPERATOR).values_list("resource", "action"))
    assert {("alerts", "create"), ("alerts", "update"), ("alerts", "read")} <= operator
    viewer = set(Permission.objects.filter(role=Role.VIEWER).values_list("resource", "action"))
    assert ("alerts", "read") not in viewer
    assert not {action for _, action in viewer} - {"read"}


def test_each_role_may_all_that_the_one_below_it_may() -> None:
    held = [set(Permission.objects.filter(role=role).values_list("resource", "action")) for role in Role]
    assert all(lower <= upper for upper, lower in pairwise(held))


def test_the_name_is_what_colleagues_see(person: Person) -> None:
    principal = person_principal(person.id)
    assert principal is not None
    assert principal.name == person.user.full_name


@pytest.mark.parametrize("status", [UserStatus.SUSPENDED, UserStatus.DELETED])
def test_who_is_not_active_is_nobody(person: Person, status: UserStatus) -> None:
    set_status(person, status)
    assert person_principal(person.id) is None


def test_an_unknown_person_is_nobody() -> None:
    assert person_principal(new_id()) is None


def test_a_membership_that_ended_counts_at_once(person: Person) -> None:
    end_membership(person)
    principal = person_principal(person.id)
    assert principal is not None
    assert not principal.grants


def test_a_role_holds_in_its_own_school_only(person: Person) -> None:
    other = make_person(Role.ADMIN)
    principal = person_principal(person.id)
    assert principal is not None
    assert set(principal.grants) == {person.organization}
    assert not allows(principal, other.organization, "alerts", "create")


def test_a_membership_for_places_grants_nothing_yet() -> None:
    person = make_person(Role.ADMIN, scope=MembershipScope.PLACES)
    principal = person_principal(person.id)
    assert principal is not None
    assert not principal.grants


@pytest.mark.parametrize("role", list(Role))
def test_a_suspended_school_can_still_raise_and_answer_alarms(role: Role) -> None:
    person = make_person(role)
    set_organization_status(person.organization, OrganizationStatus.SUSPENDED)
    principal = person_principal(person.id)
    assert principal is not None
    held = principal.grants[person.organization].permissions
    assert held == (WHILE_SUSPENDED if role in STAFF else frozenset())


def test_a_deleted_school_grants_nothing(person: Person) -> None:
    set_organization_status(person.organization, OrganizationStatus.DELETED)
    principal = person_principal(person.id)
    assert principal is not None
    assert not principal.grants


@pytest.mark.parametrize("role", STAFF)
@pytest.mark.parametrize("status", [OrganizationStatus.ACTIVE, OrganizationStatus.SUSPENDED])
def test_no_edit_of_the_table_takes_the_alarm_from_staff(role: Role, status: OrganizationStatus) -> None:
    assert ("alerts", "create") in effective_permissions(role, [], status)
    assert ("alerts", "create") not in effective_permissions(Role.VIEWER, [], status)


def test_a_super_admin_has_no_rights_inside_schools_by_that_alone(person: Person) -> None:
    end_membership(person)
    type(person.user).objects.filter(pk=person.id).update(is_super_admin=True)
    principal = person_principal(person.id)
    assert principal is not None
    assert principal.is_super_admin
    assert not principal.grants
