"""Joining: by an invitation, with a new account or the one that somebody has; openly, where that is switched on."""

import secrets
from datetime import timedelta
from uuid import UUID

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.models import Invitation, Membership, MembershipScope, Role, User
from apps.accounts.people import invitations
from apps.accounts.people.memberships import RoleAt
from apps.common.access import SYSTEM
from apps.common.db.scope import tenant_scope
from apps.tenancy.models import Organization, OrganizationStatus
from tests.accounts.callers import app_of, nobody, problem, send
from tests.accounts.people import PASSWORD, Person, make_person, set_organization_status
from tests.accounts.post_office import letter, letters, link

pytestmark = pytest.mark.slow

NEW = {"password": PASSWORD, "first_name": "Nora", "last_name": "New"}


@pytest.fixture
def email() -> str:
    return f"{secrets.token_hex(8)}@example.edu"


@pytest.fixture
def school() -> UUID:
    return make_person(Role.ADMIN).organization


def invite(organization: UUID, email: str, role: Role = Role.OPERATOR) -> UUID:
    with tenant_scope([organization]):
        return invitations.invite(
            actor=SYSTEM, organization_id=organization, email=email, held=RoleAt(role), now=timezone.now()
        ).id


def membership(organization: UUID, email: str) -> Membership:
    with tenant_scope([organization]):
        return Membership.objects.select_related("user").get(organization_id=organization, user__email=email)


def open_registration(organization: UUID, *, is_open: bool = True) -> str:
    """Its slug."""
    with tenant_scope([organization]):
        Organization.objects.update(settings={"open_registration": is_open})
        return Organization.objects.get().slug


def test_the_link_of_an_invitation_makes_an_account_with_the_offered_role(
    school: UUID, email: str, address: str
) -> None:
    invite(school, email, Role.MANAGER)
    api = nobody(address)
    response = send(api, "POST", "auth/register", {"token": link(email, "join"), **NEW, "locale": "es-MX"})
    assert response.status_code == 201, response.content
    assert response["Cache-Control"] == "no-store"
    joined = membership(school, email)
    assert response.json() == {
        "id": str(joined.user_id),
        "email": email,
        "organization": str(school),
        "role": "manager",
    }
    assert (joined.role, joined.name, joined.user.email_verified, joined.user.locale) == (
        "manager",
        "Nora New",
        True,
        "es-MX",
    )
    assert send(api, "POST", "auth/login", {"email": email, "password": PASSWORD}).status_code == 200


def test_a_link_works_once(school: UUID, email: str, address: str) -> None:
    invite(school, email)
    token = link(email, "join")
    api = nobody(address)
    assert send(api, "POST", "auth/register", {"token": token, **NEW}).status_code == 201
    assert problem(send(api, "POST", "auth/register", {"token": token, **NEW})) == (400, "link_refused")


@pytest.mark.parametrize("why", ["unknown", "expired", "withdrawn", "sent anew", "organization deleted"])
def test_a_link_that_is_no_good_is_refused_without_a_word_of_why(
    school: UUID, email: str, address: str, why: str
) -> None:
    invitation = invite(school, email)
    token = link(email, "join")
    with tenant_scope([school]):
        row = Invitation.objects.filter(id=invitation)
        if why == "expired":
            row.update(expires_at=timezone.now() - timedelta(seconds=1))
        elif why == "withdrawn":
            row.update(revoked_at=timezone.now(), digest=None)
        elif why == "sent anew":
            invitations.resend(actor=SYSTEM, organization_id=school, invitation_id=invitation, now=timezone.now())
    if why == "organization deleted":
        set_organization_status(school, OrganizationStatus.DELETED)
    response = send(nobody(address), "POST", "auth/register", {"token": token if why != "unknown" else "x" * 43, **NEW})
    assert problem(response) == (400, "link_refused")
    assert not User.objects.filter(email=email).exists()


@pytest.mark.parametrize("weak", ["short", "password1234", "nora-new-nora-new"])
def test_a_weak_password_is_refused_by_name_and_leaves_the_link_good(
    school: UUID, email: str, address: str, weak: str
) -> None:
    invite(school, email)
    token = link(email, "join")
    response = send(
        nobody(address),
        "POST",
        "auth/register",
        {"token": token, **NEW, "password": weak, "first_name": "nora-new-nora-new"},
    )
    assert problem(response) == (400, "invalid")
    assert set(response.json()["errors"]) == {"password"}
    assert send(nobody(address), "POST", "auth/register", {"token": token, **NEW}).status_code == 201


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"token": None}, "token"),
        ({"first_name": ""}, "first_name"),
        ({"last_name": "x" * 101}, "last_name"),
        ({"password": ["x"]}, "password"),
        ({"locale": "no locale"}, "locale"),
        ({"role": "admin"}, "role"),
        ({"email": "somebody@example.edu"}, "email"),
    ],
)
def test_what_is_wrong_in_the_body_is_named(address: str, changes: dict[str, object], field: str) -> None:
    response = send(nobody(address), "POST", "auth/register", {"token": "x", **NEW, **changes})
    assert problem(response) == (400, "invalid")
    assert set(response.json()["errors"]) == {field}


def test_whom_the_school_invited_and_who_has_an_account_signs_in_and_takes_it_up(
    school: UUID, person: Person, address: str
) -> None:
    invite(school, person.email, Role.VIEWER)
    token = link(person.email, "join")
    assert problem(send(nobody(address), "POST", "auth/register", {"token": token, **NEW})) == (409, "account_exists")
    app = app_of(person, address)
    assert send(app, "POST", "auth/invitations/accept", {"token": token}).json()["organization"] == str(school)
    assert membership(school, person.email).role == "viewer"
    roles = {one["organization"]["id"]: one["role"] for one in send(app, "GET", "me").json()["memberships"]}
    assert roles == {str(person.organization): "operator", str(school): "viewer"}
    assert problem(send(app, "POST", "auth/invitations/accept", {"token": token})) == (400, "link_refused")


def test_an_invitation_is_taken_up_by_nobody_but_whom_it_is_for(school: UUID, person: Person, address: str) -> None:
    """A forwarded or stolen link gives no role to another account."""
    invite(school, person.email)
    token = link(person.email, "join")
    other = app_of(make_person(), address)
    assert problem(send(other, "POST", "auth/invitations/accept", {"token": token})) == (409, "invitation_for_another")
    assert problem(send(nobody(address), "POST", "auth/invitations/accept", {"token": token})) == (
        401,
        "not_authenticated",
    )
    with tenant_scope([school]):
        assert Membership.objects.count() == 1


@pytest.mark.parametrize("case", ["open", "closed", "unknown", "suspended", "known address"])
def test_asking_to_join_openly_is_answered_alike_in_any_case(
    school: UUID, email: str, address: str, case: str, person: Person
) -> None:
    """Who asks learns neither which schools there are, nor who has an account: only the address's owner does."""
    slug = open_registration(school, is_open=case != "closed")
    if case == "suspended":
        set_organization_status(school, OrganizationStatus.SUSPENDED)
    email = person.email if case == "known address" else email
    body = {"organization": "no-such-school" if case == "unknown" else slug.upper(), "email": email}
    response = send(nobody(address), "POST", "auth/register", body)
    assert (response.status_code, response.content) == (202, b"")
    subjects = [one.subject for one in letters(email)]
    assert [" invites you to SafeSignal" in one for one in subjects] == ([True] if case == "open" else []) or (
        case == "known address" and subjects == ["You have an account already"]
    )


def test_who_registers_openly_gets_no_right(school: UUID, email: str, address: str) -> None:
    api = nobody(address)
    send(api, "POST", "auth/register", {"organization": open_registration(school), "email": email})
    assert send(api, "POST", "auth/register", {"token": link(email, "join"), **NEW}).status_code == 201
    joined = membership(school, email)
    assert (joined.role, joined.scope) == (Role.VIEWER, MembershipScope.PLACES)
    me = send(app_of(Person(joined.user, school), address), "GET", "me").json()
    assert [(one["permissions"], one["held_at"]) for one in me["memberships"]] == [([], [])]


def test_nobody_fills_somebody_elses_mailbox(school: UUID, email: str, person: Person, address: str) -> None:
    api = nobody(address)
    slug = open_registration(school)
    for _ in range(5):
        for to in (email, person.email):
            send(api, "POST", "auth/register", {"organization": slug, "email": to})
    assert len(letters(email)) == len(letters(person.email)) == 1


def test_an_open_registration_is_sent_anew_after_an_hour(school: UUID, email: str, address: str) -> None:
    body = {"organization": open_registration(school), "email": email}
    send(nobody(address), "POST", "auth/register", body)
    assert len(letters(email)) == 1
    with tenant_scope([school]):
        Invitation.objects.filter(email=email).update(sent_at=timezone.now() - invitations.AGAIN_AFTER)
    for _ in range(2):
        send(nobody(address), "POST", "auth/register", body)
    assert len(letters(email)) == 2


def test_a_letter_names_the_school_in_one_line(email: str, person: Person) -> None:
    with tenant_scope([person.organization]):
        Organization.objects.update(name="Lincoln\r\nBcc: all@example.edu")
    invite(person.organization, email)
    assert letter(email).subject == "Your school invites you to SafeSignal"
    assert str(letter(email).body).startswith("Lincoln Bcc: all at example. edu uses SafeSignal")


def test_an_account_is_made_by_nobody_but_the_link(email: str, address: str) -> None:
    """There is no other way to register: without a token and without an organization the token is missing."""
    response = send(Client(REMOTE_ADDR=address), "POST", "auth/register", {"email": email, "password": PASSWORD})
    assert problem(response) == (400, "invalid")
    assert User.objects.filter(email=email).count() == 0
