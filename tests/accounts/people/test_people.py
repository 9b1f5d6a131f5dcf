"""Creating people and memberships."""

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
from tests.kit.people import PASSWORD, AccountFactory, Person

pytestmark = pytest.mark.slow


def test_password_is_stored_as_bcrypt(person: Person) -> None:
    assert (User.objects.get(pk=person.id).password or "").startswith("bcrypt_sha256$")


def test_email_is_unique_ignoring_case_and_refusal_keeps_the_transaction(person: Person) -> None:
    with tenant_scope([person.organization]):
        with pytest.raises(EmailTaken):
            users.create_user(actor=SYSTEM, email=person.email.upper(), password=PASSWORD)
        assert Membership.objects.filter(user_id=person.id).exists()


@pytest.mark.parametrize("weak", ["short", "password1234", ""])
def test_weak_password_is_refused_by_field(weak: str) -> None:
    with tenant_scope([]), pytest.raises(Invalid) as refusal:
        users.create_user(actor=SYSTEM, email="x@example.edu", password=weak)
    assert set(refusal.value.body()["errors"]) == {"password"}  # type: ignore[call-overload]


def test_person_can_have_no_password(address: str) -> None:
    with tenant_scope([]):
        user = users.create_user(actor=SYSTEM, email=f"{new_id()}@example.edu", password=None)
    assert not user.has_usable_password()


def test_person_has_one_role_per_organization(person: Person) -> None:
    with tenant_scope([person.organization]), pytest.raises(AlreadyMember):
        memberships.add_membership(actor=SYSTEM, user=person.user, organization_id=person.organization, role=Role.ADMIN)


def test_added_membership_is_audited(person: Person) -> None:
    with tenant_scope([person.organization]):
        entry = AuditEntry.objects.get(action="membership.added", target_id=person.id)
    assert entry.detail == {"role": "operator", "scope": "organization"}


def test_user_cannot_be_created_outside_a_scope() -> None:
    with pytest.raises(ScopeError):
        users.create_user(actor=SYSTEM, email=f"{new_id()}@example.edu", password=PASSWORD)


def test_memberships_of_another_organization_are_not_visible(person: Person) -> None:
    other = AccountFactory.create()
    with tenant_scope([person.organization]):
        assert list(Membership.objects.values_list("user_id", flat=True)) == [person.id]
        assert not Membership.objects.filter(user_id=other.id).exists()
