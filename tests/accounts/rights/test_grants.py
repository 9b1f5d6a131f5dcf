"""Current grants of a person."""

from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise

import pytest
from django.utils import timezone
from guardian.core import ObjectPermissionChecker

from apps.accounts.identity.sign_in import services as sign_in
from apps.accounts.models import Membership, MembershipScope, Permission, Role, SignIn, SignInKind, User, UserStatus
from apps.accounts.people import memberships
from apps.accounts.rights.grants import WHILE_SUSPENDED, effective_permissions, person_principal, person_principals
from apps.common.access import SYSTEM, Grant, Places, allows
from apps.common.db.ids import new_id
from apps.common.db.scope import tenant_scope
from apps.tenancy.models import Building, OrganizationStatus
from tests.accounts.changes import end_membership, hold, make_site, set_organization_status, set_status
from tests.kit.people import AccountFactory, Person

STAFF = [Role.ADMIN, Role.MANAGER, Role.OPERATOR]


@pytest.mark.parametrize("role", list(Role))
def test_role_has_the_permissions_of_the_table(role: Role) -> None:
    person = AccountFactory.create(role=role)
    principal = person_principal(person.id)
    assert principal is not None
    grant = principal.grants[person.organization]
    assert grant.role == role
    assert grant.permissions == frozenset(Permission.objects.filter(role=role).values_list("resource", "action"))
    assert allows(principal, person.organization, "alerts", "create") is (role in STAFF)


def test_seeded_permissions_match_the_contract() -> None:
    operator = set(Permission.objects.filter(role=Role.OPERATOR).values_list("resource", "action"))
    assert {("alerts", "create"), ("alerts", "update"), ("alerts", "read")} <= operator
    viewer = set(Permission.objects.filter(role=Role.VIEWER).values_list("resource", "action"))
    assert ("alerts", "read") not in viewer
    assert not {action for _, action in viewer} - {"read"}


def test_each_role_includes_the_permissions_of_the_role_below() -> None:
    held = [set(Permission.objects.filter(role=role).values_list("resource", "action")) for role in Role]
    assert all(lower <= upper for upper, lower in pairwise(held))


def test_principal_has_the_full_name_of_the_person(person: Person) -> None:
    principal = person_principal(person.id)
    assert principal is not None
    assert principal.name == person.user.full_name


@pytest.mark.parametrize("status", [UserStatus.SUSPENDED, UserStatus.DELETED])
def test_inactive_person_has_no_principal(person: Person, status: UserStatus) -> None:
    set_status(person, status)
    assert person_principal(person.id) is None


def test_unknown_person_has_no_principal() -> None:
    assert person_principal(new_id()) is None


def test_ended_membership_gives_no_grant(person: Person) -> None:
    end_membership(person)
    principal = person_principal(person.id)
    assert principal is not None
    assert not principal.grants


def test_role_applies_only_in_its_school(person: Person) -> None:
    other = AccountFactory.create(role=Role.ADMIN)
    principal = person_principal(person.id)
    assert principal is not None
    assert set(principal.grants) == {person.organization}
    assert not allows(principal, other.organization, "alerts", "create")


def narrowed(role: Role) -> Person:
    """A person whose role applies at places only."""
    return AccountFactory.create(role=role, scope=MembershipScope.PLACES)


def grant_of(person: Person) -> Grant:
    principal = person_principal(person.id)
    assert principal is not None
    return principal.grants[person.organization]


def table(role: Role) -> frozenset[tuple[str, str]]:
    return frozenset(Permission.objects.filter(role=role).values_list("resource", "action"))


@pytest.mark.parametrize("role", list(Role))
def test_place_role_has_no_permissions_before_a_place_is_granted(role: Role) -> None:
    """The person is a member of the organization without permissions."""
    person = narrowed(role)
    assert grant_of(person) == Grant(person.organization, role, frozenset(), Places())


def test_role_at_a_building_does_not_apply_in_another_building() -> None:
    """Other buildings need a grant of their own. Of the site, only the place itself can be read."""
    person = narrowed(Role.OPERATOR)
    site, (here, there) = make_site(person.organization, "Here", "There")
    hold(person, here)
    grant = grant_of(person)
    assert grant.at(here.id) == table(Role.OPERATOR)
    assert grant.at(there.id) == grant.at() == frozenset()
    assert grant.at(site=site.id) == {("places", "read")}
    assert grant.buildings("alerts", "update") == frozenset({here.id})


def test_role_at_a_site_applies_in_buildings_added_later() -> None:
    person = narrowed(Role.MANAGER)
    site, (old,) = make_site(person.organization, "Old")
    elsewhere, (other,) = make_site(person.organization, "Other")
    hold(person, site)
    with tenant_scope([person.organization]):
        new = Building.objects.create(organization_id=person.organization, site=site, name="New")
    grant = grant_of(person)
    assert grant.at(site=site.id) == grant.at(old.id) == grant.at(new.id) == table(Role.MANAGER)
    assert grant.at(site=elsewhere.id) == grant.at(other.id) == frozenset()


def test_role_can_be_granted_at_a_building_and_its_site() -> None:
    person = narrowed(Role.MANAGER)
    site, (building, other) = make_site(person.organization, "Main", "Annex")
    hold(person, site, building)
    grant = grant_of(person)
    assert grant.at(site=site.id) == grant.at(building.id) == grant.at(other.id) == table(Role.MANAGER)


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("there", list(Role))
def test_place_grant_of_another_role_gives_no_permissions(role: Role, there: Role) -> None:
    """A role and its places are written together; a grant left over from another role is ignored."""
    person = narrowed(there)
    _, (building,) = make_site(person.organization, "Main")
    hold(person, building)
    with tenant_scope([person.organization]):
        Membership.objects.filter(user_id=person.id).update(role=role)
    assert grant_of(person).at(building.id) == (table(role) if role == there else frozenset())


def test_ending_a_membership_removes_its_place_grants() -> None:
    """A person who joins again does not get them back."""
    person = narrowed(Role.ADMIN)
    _, (building,) = make_site(person.organization, "Main")
    hold(person, building)
    end_membership(person)
    with tenant_scope([person.organization]):
        memberships.add_membership(
            actor=SYSTEM,
            user=person.user,
            organization_id=person.organization,
            role=Role.ADMIN,
            scope=MembershipScope.PLACES,
        )
    assert grant_of(person).places == Places()


def test_organization_role_is_not_narrowed_by_a_place_grant() -> None:
    person = AccountFactory.create(role=Role.OPERATOR)
    _, (building,) = make_site(person.organization, "Main")
    hold(person, building)
    assert grant_of(person) == Grant(person.organization, Role.OPERATOR, table(Role.OPERATOR))


def test_place_grants_are_django_guardian_permissions() -> None:
    """Its permission checker returns what was granted at each place."""
    person = narrowed(Role.OPERATOR)
    _, (here, there) = make_site(person.organization, "Here", "There")
    hold(person, here)
    with tenant_scope([person.organization]):
        checker = ObjectPermissionChecker(person.user)
        assert checker.get_user_perms(here).get() == "as_operator"
        assert not checker.get_user_perms(there).exists()


@pytest.mark.parametrize("role", list(Role))
def test_suspended_school_keeps_only_alarm_permissions(role: Role) -> None:
    """Closed alerts are not visible; silent ones stay visible to the roles that they are for."""
    person = AccountFactory.create(role=role)
    set_organization_status(person.organization, OrganizationStatus.SUSPENDED)
    kept = {("alerts", "create"), ("alerts", "update"), ("open_alerts", "read")} if role in STAFF else set()
    kept |= {("silent_alerts", "read")} & table(role)
    assert grant_of(person).permissions == kept <= WHILE_SUSPENDED


def test_suspended_school_keeps_only_alarm_permissions_of_place_roles() -> None:
    person = narrowed(Role.OPERATOR)
    _, (building,) = make_site(person.organization, "Main")
    hold(person, building)
    set_organization_status(person.organization, OrganizationStatus.SUSPENDED)
    grant = grant_of(person)
    assert grant.at(building.id) == {("alerts", "create"), ("alerts", "update"), ("open_alerts", "read")}
    assert not grant.anywhere("places", "read")


def test_day_account_can_only_raise_alarms_until_it_expires() -> None:
    person = AccountFactory.create(role=Role.OPERATOR)
    now = timezone.now()
    with tenant_scope([person.organization]):
        Membership.objects.filter(user_id=person.id).update(trigger_only=True, expires_at=now + timedelta(hours=8))
    assert grant_of(person) == Grant(person.organization, Role.OPERATOR, frozenset({("alerts", "create")}))
    later = person_principal(person.id, now=now + timedelta(hours=8))
    assert later is not None and not later.grants


def test_deleted_school_gives_no_grants(person: Person) -> None:
    set_organization_status(person.organization, OrganizationStatus.DELETED)
    principal = person_principal(person.id)
    assert principal is not None
    assert not principal.grants


@pytest.mark.parametrize("role", STAFF)
@pytest.mark.parametrize("status", [OrganizationStatus.ACTIVE, OrganizationStatus.SUSPENDED])
def test_staff_can_raise_alarms_with_an_empty_permissions_table(role: Role, status: OrganizationStatus) -> None:
    assert ("alerts", "create") in effective_permissions(role, (), status)
    assert ("alerts", "create") not in effective_permissions(Role.VIEWER, (), status)


def test_super_admin_has_no_grants_in_schools(person: Person) -> None:
    end_membership(person)
    type(person.user).objects.filter(pk=person.id).update(is_super_admin=True)
    principal = person_principal(person.id)
    assert principal is not None
    assert principal.is_super_admin
    assert not principal.grants


def test_person_principals_returns_current_grants_after_each_change(person: Person) -> None:
    """Changes of the role, its places, the name, the school, the person and the sign-in."""
    now = timezone.now()
    sign_in_id = sign_in.new_sign_in(
        user=person.user, kind=SignInKind.APP, device="", address="", lifetime=timedelta(hours=1), now=now
    ).id
    _, (building,) = make_site(person.organization, "Main")

    def change(**values: object) -> None:
        with tenant_scope([person.organization]):
            Membership.objects.filter(user_id=person.id).update(**values)

    changes: list[Callable[[], object]] = [
        lambda: None,
        lambda: change(role=Role.ADMIN),
        lambda: change(scope=MembershipScope.PLACES),
        lambda: hold(person, building),
        lambda: User.objects.filter(pk=person.id).update(last_name="Other"),
        lambda: set_organization_status(person.organization, OrganizationStatus.SUSPENDED),
        lambda: set_organization_status(person.organization, OrganizationStatus.ACTIVE),
        lambda: end_membership(person),
        lambda: SignIn.objects.filter(pk=sign_in_id).delete(),
    ]
    held = []
    for apply in changes:
        apply()
        expected = person_principal(person.id, sign_in=sign_in_id)
        for _ in range(2):
            assert person_principals([(person.id, sign_in_id)]).get((person.id, sign_in_id)) == expected
        held.append(expected)
    assert held[-1] is None and len({str(one) for one in held}) == len(changes) - 1
