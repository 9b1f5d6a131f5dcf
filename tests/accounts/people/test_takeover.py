"""Accounts are global: an admin of one school cannot take over accounts or reach another school."""

from dataclasses import dataclass
from uuid import UUID

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.models import Invitation, Membership, Role, User
from apps.accounts.own_account import account
from apps.accounts.people import invitations, memberships
from apps.accounts.people.memberships import RoleAt
from apps.accounts.rights.grants import person_principal
from apps.common.access import SYSTEM, Principal
from apps.common.db.scope import tenant_scope
from apps.common.problems import NotFound
from tests.accounts.callers import anonymous_client, app_of
from tests.kit.callers import send
from tests.kit.mailbox import emails_to, link
from tests.kit.people import PASSWORD, AccountFactory, Person
from tests.kit.refusals import problem

pytestmark = pytest.mark.slow

EVIL = "somebody-elses-mailbox@example.edu"


@dataclass(frozen=True)
class Shared:
    """A person who belongs to school A, which has a malicious admin, and is an admin of school B."""

    person: Person
    a: UUID
    b: UUID
    admin_of_a: Person

    @property
    def principal_of_admin(self) -> Principal:
        principal = person_principal(self.admin_of_a.id)
        assert principal is not None
        return principal

    def account(self) -> dict[str, object]:
        return dict(User.objects.filter(pk=self.person.id).values().get())

    def role_in_b(self) -> tuple[str, str]:
        with tenant_scope([self.b]):
            return Membership.objects.values_list("role", "name").get(user_id=self.person.id)


@pytest.fixture
def shared() -> Shared:
    admin_of_a = AccountFactory.create(role=Role.ADMIN)
    person = AccountFactory.create(role=Role.ADMIN)
    with tenant_scope([admin_of_a.organization]):
        memberships.add_membership(
            actor=SYSTEM, user=person.user, organization_id=admin_of_a.organization, role=Role.OPERATOR
        )
    return Shared(person, admin_of_a.organization, person.organization, admin_of_a)


@pytest.mark.parametrize("field", ["name", "title"])
def test_display_name_and_title_change_in_one_school_only(shared: Shared, field: str) -> None:
    """A user is global, so an organization's admin has no power over the account itself."""
    before, in_b = shared.account(), shared.role_in_b()
    with tenant_scope([shared.a]):
        memberships.show(
            actor=shared.principal_of_admin,
            user_id=shared.person.id,
            organization_id=shared.a,
            changes={field: EVIL},
            if_match=None,
        )
    assert (shared.account(), shared.role_in_b()) == (before, in_b)


def test_admin_cannot_change_the_email_of_a_person(shared: Shared, address: str) -> None:
    """The owner confirms a change of e-mail by their password and by the link sent to the new address."""
    app = app_of(shared.admin_of_a, address)
    for method, path, body in (
        ("PATCH", "me", {"id": str(shared.person.id), "email": EVIL}),
        ("POST", "me/email", {"email": EVIL, "current_password": PASSWORD, "user": str(shared.person.id)}),
        ("PATCH", f"me?user={shared.person.id}", {"email": EVIL}),
    ):
        send(app, method, path, body)
    assert shared.account()["email"] == shared.person.email
    assert emails_to(EVIL) == []


def test_admin_cannot_take_over_the_email_of_another_account(shared: Shared, address: str) -> None:
    """The address of the shared person stays theirs."""
    app = app_of(shared.admin_of_a, address)
    send(app, "POST", "me/email", {"email": shared.person.email, "current_password": PASSWORD})
    assert [one.subject for one in emails_to(shared.person.email)] == ["You have an account already"]
    assert shared.account()["email"] == shared.person.email


def test_deleting_a_person_ends_only_the_membership_in_that_school(shared: Shared, address: str) -> None:
    """DELETE of a user by an org admin ends the membership; account, password and sign-ins stay."""
    app = app_of(shared.person, address)
    before, in_b = shared.account(), shared.role_in_b()
    with tenant_scope([shared.a]):
        memberships.end(actor=shared.principal_of_admin, user_id=shared.person.id, organization_id=shared.a)
    assert (shared.account(), shared.role_in_b()) == (before, in_b)
    (left,) = send(app, "GET", "me").json()["memberships"]
    assert (left["organization"]["id"], left["role"]) == (str(shared.b), "admin")


@pytest.mark.parametrize("act", ["show", "change_role", "end"])
def test_admin_cannot_act_in_another_school(shared: Shared, act: str) -> None:
    what: dict[str, object] = {
        "show": {"changes": {"name": EVIL}, "if_match": None},
        "change_role": {"held": RoleAt(Role.VIEWER), "if_match": None},
        "end": {},
    }[act]  # type: ignore[assignment]
    in_b = shared.role_in_b()
    with tenant_scope([shared.a]), pytest.raises(NotFound):
        getattr(memberships, act)(
            actor=shared.principal_of_admin, user_id=shared.person.id, organization_id=shared.b, **what
        )
    assert shared.role_in_b() == in_b


def test_invitation_link_gives_the_admin_no_access_to_the_account(shared: Shared, address: str) -> None:
    """The link creates no second account for the address, sets no password, and works only for its recipient."""
    with tenant_scope([shared.a]):
        memberships.end(actor=shared.principal_of_admin, user_id=shared.person.id, organization_id=shared.a)
        invitation = invitations.invite(
            actor=shared.principal_of_admin,
            organization_id=shared.a,
            email=shared.person.email,
            held=RoleAt(Role.ADMIN),
            now=timezone.now(),
        )
        stolen = invitations.new_link_secret(Invitation.objects.get(id=invitation.id))
    before = shared.account()
    new = {"token": stolen, "password": "a password of the admin", "first_name": "E", "last_name": "Vil"}
    assert problem(send(anonymous_client(address), "POST", "auth/register", new)) == (409, "account_exists")
    admin = app_of(shared.admin_of_a, address)
    assert problem(send(admin, "POST", "auth/invitations/accept", {"token": stolen}))[1] == "invitation_for_another"
    assert shared.account() == before


def test_password_reset_request_emails_only_the_account_owner(shared: Shared, address: str) -> None:
    send(anonymous_client(address), "POST", "auth/password/forgot", {"email": shared.person.email})
    assert len(emails_to(shared.person.email)) == 1
    assert emails_to(shared.admin_of_a.email) == []
    assert send(app_of(shared.person, address), "GET", "me").status_code == 200, "nothing has changed by asking"


def test_own_email_change_is_audited_in_each_school_without_the_address(shared: Shared, address: str) -> None:
    """Both trails record the change as the person's own action, and neither contains the address itself."""
    app = app_of(shared.person, address)
    new = f"moved-{shared.person.email}"
    send(app, "POST", "me/email", {"email": new, "current_password": PASSWORD})
    account.verify_email(token=link(new, "confirm-email"), now=timezone.now())
    from apps.common.models import AuditEntry

    with tenant_scope([shared.a, shared.b]):
        rows = AuditEntry.objects.filter(action="account.email_changed", target_id=shared.person.id)
        assert {(row.organization_id, row.actor_id) for row in rows} == {
            (shared.a, shared.person.id),
            (shared.b, shared.person.id),
        }
        assert all(new not in str(row.detail) for row in rows)


def test_admin_cannot_sign_in_as_the_person(shared: Shared, address: str) -> None:
    """Signing in as the person requires their password, whatever name school A displays."""
    body = {"email": shared.person.email, "password": "a password of the admin"}
    assert problem(send(Client(REMOTE_ADDR=address), "POST", "auth/login", body)) == (401, "wrong_credentials")
