"""Making people and memberships."""

import pytest

from apps.accounts.identity import users
from apps.accounts.identity.users import EmailTaken
from apps.accounts.models import Membership, Role, User
from apps.accounts.people import memberships
from apps.accounts.people.memberships import AlreadyMember
from apps.common.access import SYSTEM
from apps.common.db.ids import new_id
from apps.common.db.scope import ScopeError, tenant_scope
from apps.common.models import AuditEntry
from apps.common.problems import Invalid
from tests.accounts.people import PASSWORD, Person, make_person

pytestmark = pytest.mark.slow


def test_a_password_is_kept_as_bcrypt(person: Person) -> None:
    assert (User.objects.get(pk=person.id).password or "").startswith("bcrypt_sha256$")


def test_an_email_is_taken_in_any_case_and_the_refusal_costs_the_caller_nothing_else(person: Person) -> None:
    with tenant_scope([person.organization]):
        with pytest.raises(EmailTaken):
            users.create_user(actor=SYSTEM, email=person.email.upper(), password=PASSWORD)
        assert Membership.objects.filter(user_id=person.id).exists()


@pytest.mark.parametrize("weak", ["short", "password1234", ""])
def test_a_weak_password_is_refused_naming_the_field(weak: str) -> None:
    with tenant_scope([]), pytest.raises(Invalid) as refusal:
        users.create_user(actor=SYSTEM, email="x@example.edu", password=weak)
    assert set(refusal.value.body()["errors"]) == {"password"}  # type: ignore[call-overload]


def test_a_person_may_have_no_password(address: str) -> None:
    with tenant_scope([]):
        user = users.create_user(actor=SYSTEM, email=f"{new_id()}@example.edu", password=None)
    assert not user.has_usable_password()


def test_a_person_has_one_role_in_an_organization(person: Person) -> None:
    with tenant_scope([person.organization]), pytest.raises(AlreadyMember):
        memberships.add_membership(actor=SYSTEM, user=person.user, organization_id=person.organization, role=Role.ADMIN)


def test_what_is_made_is_in_the_trail(person: Person) -> None:
    with tenant_scope([person.organization]):
        entry = AuditEntry.objects.get(action="membership.added", target_id=person.id)
    assert entry.detail == {"role": "operator", "scope": "organization"}


def test_nothing_is_made_outside_a_scope() -> None:
    with pytest.raises(ScopeError):
        users.create_user(actor=SYSTEM, email=f"{new_id()}@example.edu", password=PASSWORD)


def test_memberships_of_another_organization_are_out_of_reach(person: Person) -> None:
    other = make_person()
    with tenant_scope([person.organization]):
        assert list(Membership.objects.values_list("user_id", flat=True)) == [person.id]
        assert not Membership.objects.filter(user_id=other.id).exists()
