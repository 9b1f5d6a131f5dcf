"""A person is global, and so is the danger: who rules one school gets at nobody's account, nor at another school."""

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
from tests.accounts.callers import app_of, nobody, problem, send
from tests.accounts.people import PASSWORD, Person, make_person
from tests.accounts.post_office import letters, link

pytestmark = pytest.mark.slow

EVIL = "somebody-elses-mailbox@example.edu"


@dataclass(frozen=True)
class Shared:
    """Somebody who belongs to school A, where an admin is up to no good, and to school B, where they are an admin."""

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
    admin_of_a = make_person(Role.ADMIN)
    person = make_person(Role.ADMIN)
    with tenant_scope([admin_of_a.organization]):
        memberships.add_membership(
            actor=SYSTEM, user=person.user, organization_id=admin_of_a.organization, role=Role.OPERATOR
        )
    return Shared(person, admin_of_a.organization, person.organization, admin_of_a)


@pytest.mark.parametrize("field", ["name", "title"])
def test_what_an_admin_shows_of_a_person_is_shown_in_that_school_alone(shared: Shared, field: str) -> None:
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


def test_no_write_of_an_organization_reaches_the_e_mail_address(shared: Shared, address: str) -> None:
    """A change of e-mail is proved by its owner: by their password, and by the link that is sent to the new address."""
    app = app_of(shared.admin_of_a, address)
    for method, path, body in (
        ("PATCH", "me", {"id": str(shared.person.id), "email": EVIL}),
        ("POST", "me/email", {"email": EVIL, "current_password": PASSWORD, "user": str(shared.person.id)}),
        ("PATCH", f"me?user={shared.person.id}", {"email": EVIL}),
    ):
        send(app, method, path, body)
    assert shared.account()["email"] == shared.person.email
    assert letters(EVIL) == []


def test_a_link_for_the_admins_own_new_address_moves_nobody_elses_account(shared: Shared, address: str) -> None:
    """Not even to the address that the shared person has: it is theirs."""
    app = app_of(shared.admin_of_a, address)
    send(app, "POST", "me/email", {"email": shared.person.email, "current_password": PASSWORD})
    assert [one.subject for one in letters(shared.person.email)] == ["You have an account already"]
    assert shared.account()["email"] == shared.person.email


def test_deleting_a_person_ends_their_membership_in_that_school_alone(shared: Shared, address: str) -> None:
    """DELETE of a user by an org admin ends the membership; account, password and sign-ins stay."""
    app = app_of(shared.person, address)
    before, in_b = shared.account(), shared.role_in_b()
    with tenant_scope([shared.a]):
        memberships.end(actor=shared.principal_of_admin, user_id=shared.person.id, organization_id=shared.a)
    assert (shared.account(), shared.role_in_b()) == (before, in_b)
    (left,) = send(app, "GET", "me").json()["memberships"]
    assert (left["organization"]["id"], left["role"]) == (str(shared.b), "admin")


@pytest.mark.parametrize("act", ["show", "change_role", "end"])
def test_in_the_other_school_the_admin_is_a_stranger(shared: Shared, act: str) -> None:
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


def test_an_invitation_to_the_persons_address_gives_the_admin_nothing_of_theirs(shared: Shared, address: str) -> None:
    """The link makes no second account of the address, sets no password, and works for its owner alone."""
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
    assert problem(send(nobody(address), "POST", "auth/register", new)) == (409, "account_exists")
    admin = app_of(shared.admin_of_a, address)
    assert problem(send(admin, "POST", "auth/invitations/accept", {"token": stolen}))[1] == "invitation_for_another"
    assert shared.account() == before


def test_asking_for_a_new_password_in_the_persons_name_tells_them_and_nobody_else(shared: Shared, address: str) -> None:
    send(nobody(address), "POST", "auth/password/forgot", {"email": shared.person.email})
    assert len(letters(shared.person.email)) == 1
    assert letters(shared.admin_of_a.email) == []
    assert send(app_of(shared.person, address), "GET", "me").status_code == 200, "nothing has changed by asking"


def test_what_the_person_changes_of_themselves_is_no_act_of_a_school(shared: Shared, address: str) -> None:
    """Both see the new address in their trail as the person's own act, and neither trail holds the address itself."""
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


def test_no_other_door_knows_a_person_by_what_the_admin_says(shared: Shared, address: str) -> None:
    """Signing in as the person takes their password, whatever name school A shows."""
    body = {"email": shared.person.email, "password": "a password of the admin"}
    assert problem(send(Client(REMOTE_ADDR=address), "POST", "auth/login", body)) == (401, "wrong_credentials")
