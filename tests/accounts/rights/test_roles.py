"""contracts/permissions.json lists the roles, the most powerful first; roles that code names must match it."""

from apps.accounts.models import Role
from apps.accounts.rights.grants import SUPER_ADMIN
from apps.portal.demo import PEOPLE
from apps.tenancy.models import PLACE_ROLES
from contracts import permissions

ROLES = list(permissions())
OF_MEMBERSHIPS = [role for role in ROLES if role != SUPER_ADMIN]


def test_super_admin_is_the_most_powerful_role() -> None:
    assert ROLES[0] == SUPER_ADMIN


def test_roles_of_memberships_are_those_of_the_contract() -> None:
    assert Role.values == OF_MEMBERSHIPS, "Change Role in apps/accounts/models/membership.py, with a migration."


def test_each_role_can_be_held_at_a_place() -> None:
    assert [name for name, _ in PLACE_ROLES] == [f"as_{role}" for role in OF_MEMBERSHIPS], (
        "Change PLACE_ROLES in apps/tenancy/models.py, with a migration."
    )


def test_demo_school_has_a_person_of_each_role() -> None:
    assert PEOPLE.keys() == set(ROLES), "Name a person of each role in PEOPLE, apps/portal/demo.py."
