"""Joining a school: by invitation with a new or an existing account, or by open registration where enabled."""

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
from apps.common.limits import REGISTRATION_ANSWERS
from apps.tenancy.models import Organization, OrganizationStatus
from tests.accounts.callers import anonymous_client, app_of
from tests.accounts.changes import set_organization_status
from tests.kit.callers import send
from tests.kit.mailbox import emails_to, latest_email_to, link
from tests.kit.people import PASSWORD, AccountFactory, Person
from tests.kit.refusals import problem

pytestmark = pytest.mark.slow

NEW = {"password": PASSWORD, "first_name": "Nora", "last_name": "New"}


@pytest.fixture
def email() -> str:
    return f"{secrets.token_hex(8)}@example.edu"


@pytest.fixture
def school() -> UUID:
    return AccountFactory.create(role=Role.ADMIN).organization


def invite(organization: UUID, email: str, role: Role = Role.OPERATOR) -> UUID:
    with tenant_scope([organization]):
        return invitations.invite(
            actor=SYSTEM, organization_id=organization, email=email, held=RoleAt(role), now=timezone.now()
        ).id


def membership(organization: UUID, email: str) -> Membership:
    with tenant_scope([organization]):
        return Membership.objects.select_related("user").get(organization_id=organization, user__email=email)


def open_registration(organization: UUID, *, is_open: bool = True) -> str:
    """Set whether registration is open and return the slug of the school."""
    with tenant_scope([organization]):
        Organization.objects.update(settings={"open_registration": is_open})
        return Organization.objects.get().slug


def test_invitation_link_creates_account_with_the_offered_role(school: UUID, email: str, address: str) -> None:
    invite(school, email, Role.MANAGER)
    api = anonymous_client(address)
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


def test_invitation_link_works_once(school: UUID, email: str, address: str) -> None:
    invite(school, email)
    token = link(email, "join")
    api = anonymous_client(address)
    assert send(api, "POST", "auth/register", {"token": token, **NEW}).status_code == 201
    assert problem(send(api, "POST", "auth/register", {"token": token, **NEW})) == (400, "link_refused")


@pytest.mark.parametrize("why", ["unknown", "expired", "withdrawn", "sent anew", "organization deleted"])
def test_invalid_invitation_link_is_refused_without_a_reason(school: UUID, email: str, address: str, why: str) -> None:
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
    response = send(
        anonymous_client(address), "POST", "auth/register", {"token": token if why != "unknown" else "x" * 43, **NEW}
    )
    assert problem(response) == (400, "link_refused")
    assert not User.objects.filter(email=email).exists()


@pytest.mark.parametrize("weak", ["short", "password1234", "nora-new-nora-new"])
def test_weak_password_is_refused_by_field_and_keeps_the_link_valid(
    school: UUID, email: str, address: str, weak: str
) -> None:
    invite(school, email)
    token = link(email, "join")
    response = send(
        anonymous_client(address),
        "POST",
        "auth/register",
        {"token": token, **NEW, "password": weak, "first_name": "nora-new-nora-new"},
    )
    assert problem(response) == (400, "invalid")
    assert set(response.json()["errors"]) == {"password"}
    assert send(anonymous_client(address), "POST", "auth/register", {"token": token, **NEW}).status_code == 201


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
def test_invalid_registration_is_refused_by_field(address: str, changes: dict[str, object], field: str) -> None:
    response = send(anonymous_client(address), "POST", "auth/register", {"token": "x", **NEW, **changes})
    assert problem(response) == (400, "invalid")
    assert set(response.json()["errors"]) == {field}


def test_person_with_account_accepts_invitation_after_signing_in(school: UUID, person: Person, address: str) -> None:
    invite(school, person.email, Role.VIEWER)
    token = link(person.email, "join")
    assert problem(send(anonymous_client(address), "POST", "auth/register", {"token": token, **NEW})) == (
        409,
        "account_exists",
    )
    app = app_of(person, address)
    assert send(app, "POST", "auth/invitations/accept", {"token": token}).json()["organization"] == str(school)
    assert membership(school, person.email).role == "viewer"
    roles = {one["organization"]["id"]: one["role"] for one in send(app, "GET", "me").json()["memberships"]}
    assert roles == {str(person.organization): "operator", str(school): "viewer"}
    assert problem(send(app, "POST", "auth/invitations/accept", {"token": token})) == (400, "link_refused")


def test_invitation_can_be_accepted_only_by_its_recipient(school: UUID, person: Person, address: str) -> None:
    """A forwarded or stolen link gives no role to another account."""
    invite(school, person.email)
    token = link(person.email, "join")
    other = app_of(AccountFactory.create(), address)
    assert problem(send(other, "POST", "auth/invitations/accept", {"token": token})) == (409, "invitation_for_another")
    assert problem(send(anonymous_client(address), "POST", "auth/invitations/accept", {"token": token})) == (
        401,
        "not_authenticated",
    )
    with tenant_scope([school]):
        assert Membership.objects.count() == 1


@pytest.mark.parametrize("case", ["open", "closed", "unknown", "suspended", "known address"])
def test_open_registration_response_is_the_same_in_every_case(
    school: UUID, email: str, address: str, case: str, person: Person
) -> None:
    """The response reveals neither schools nor accounts: only the owner of the address gets an e-mail."""
    slug = open_registration(school, is_open=case != "closed")
    if case == "suspended":
        set_organization_status(school, OrganizationStatus.SUSPENDED)
    email = person.email if case == "known address" else email
    body = {"organization": "no-such-school" if case == "unknown" else slug.upper(), "email": email}
    response = send(anonymous_client(address), "POST", "auth/register", body)
    assert (response.status_code, response.content) == (202, b"")
    subjects = [one.subject for one in emails_to(email)]
    assert [" invites you to SafeSignal" in one for one in subjects] == ([True] if case == "open" else []) or (
        case == "known address" and subjects == ["You have an account already"]
    )


def test_open_registration_gives_no_permissions(school: UUID, email: str, address: str) -> None:
    api = anonymous_client(address)
    send(api, "POST", "auth/register", {"organization": open_registration(school), "email": email})
    assert send(api, "POST", "auth/register", {"token": link(email, "join"), **NEW}).status_code == 201
    joined = membership(school, email)
    assert (joined.role, joined.scope) == (Role.VIEWER, MembershipScope.PLACES)
    me = send(app_of(Person(joined.user, (school,)), address), "GET", "me").json()
    assert [(one["permissions"], one["held_at"]) for one in me["memberships"]] == [([], [])]


def test_open_registration_sends_one_email_per_address(school: UUID, email: str, person: Person, address: str) -> None:
    api = anonymous_client(address)
    slug = open_registration(school)
    for _ in range(5):
        for to in (email, person.email):
            send(api, "POST", "auth/register", {"organization": slug, "email": to})
    assert len(emails_to(email)) == len(emails_to(person.email)) == 1


def test_open_registration_email_is_sent_again_after_an_hour(school: UUID, email: str, address: str) -> None:
    body = {"organization": open_registration(school), "email": email}
    send(anonymous_client(address), "POST", "auth/register", body)
    assert len(emails_to(email)) == 1
    with tenant_scope([school]):
        Invitation.objects.filter(email=email).update(sent_at=timezone.now() - REGISTRATION_ANSWERS.window)
    for _ in range(2):
        send(anonymous_client(address), "POST", "auth/register", body)
    assert len(emails_to(email)) == 2


def test_invitation_email_has_the_school_name_on_one_line(email: str, person: Person) -> None:
    with tenant_scope([person.organization]):
        Organization.objects.update(name="Lincoln\r\nBcc: all@example.edu")
    invite(person.organization, email)
    assert latest_email_to(email).subject == "Your school invites you to SafeSignal"
    assert str(latest_email_to(email).body).startswith("Lincoln Bcc: all at example. edu uses SafeSignal")


def test_registration_without_token_or_organization_is_refused(email: str, address: str) -> None:
    """There is no other way to register: the response says that the token is missing."""
    response = send(Client(REMOTE_ADDR=address), "POST", "auth/register", {"email": email, "password": PASSWORD})
    assert problem(response) == (400, "invalid")
    assert User.objects.filter(email=email).count() == 0
