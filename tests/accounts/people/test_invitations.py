"""Invitations through the API: create, resend and withdraw them without revealing who has an account."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.models import Invitation, Role, User
from apps.common.db.ids import new_id
from apps.common.db.scope import tenant_scope
from apps.common.times import rfc3339
from tests.accounts.callers import anonymous_client, audited
from tests.kit import mailbox
from tests.kit.callers import send
from tests.kit.feed import published_ids
from tests.kit.people import PASSWORD, Person, PersonFactory
from tests.kit.refusals import problem
from tests.kit.school import School, SchoolFactory

pytestmark = pytest.mark.slow


@pytest.fixture
def school() -> School:
    return SchoolFactory.create()


@pytest.fixture
def admin(school: School) -> Client:
    return PersonFactory.create(role=Role.ADMIN, organization=school.organization).client


@pytest.fixture
def path(school: School) -> str:
    return f"organizations/{school.organization}/invitations"


@pytest.fixture
def guest() -> str:
    return f"guest-{new_id().hex}@school.example"


def test_invitation_is_created_and_its_secret_only_emailed(
    school: School, admin: Client, path: str, guest: str
) -> None:
    body = {
        "email": guest,
        "role": "manager",
        "scope": "places",
        "places": {"sites": [], "buildings": [str(school.building)]},
    }
    answer = send(admin, "POST", path, body)
    assert answer.status_code == 201 and answer["ETag"]
    created = answer.json()
    assert {name: created[name] for name in body} == body and created["sent_at"] is None
    assert audited(created["id"], "invitation.") == [("invitation.created", "person")]
    assert published_ids(school.organization, "people") == [created["id"]]
    secret = mailbox.link(guest, "join")
    seen = send(admin, "GET", f"{path}/{created['id']}")
    assert seen.json()["sent_at"] and secret not in seen.content.decode()
    assert [one["id"] for one in send(admin, "GET", path).json()["results"]] == [created["id"]]


def test_accepted_invitation_gives_the_offered_role_and_is_closed(
    school: School, admin: Client, path: str, guest: str, address: str
) -> None:
    body = {"email": guest, "role": "operator", "scope": "places", "places": {"buildings": [str(school.building)]}}
    send(admin, "POST", path, body)
    account = {
        "token": mailbox.link(guest, "join"),
        "password": PASSWORD,
        "first_name": "Gil",
        "last_name": "Guest",
    }
    assert send(anonymous_client(address), "POST", "auth/register", account).status_code == 201
    (person,) = send(admin, "GET", "users?search=gil guest").json()["results"]
    assert (person["role"], person["scope"], person["email"]) == ("operator", "places", guest)
    assert person["places"] == {"sites": [], "buildings": [str(school.building)]}
    assert send(admin, "GET", path).json()["results"] == []
    assert problem(send(admin, "POST", path, {"email": guest, "role": "viewer"})) == (409, "already_member")


def test_resending_an_invitation_invalidates_its_old_link(admin: Client, path: str, guest: str, address: str) -> None:
    id_ = send(admin, "POST", path, {"email": guest, "role": "viewer"}).json()["id"]
    old = mailbox.link(guest, "join")
    assert send(admin, "POST", f"{path}/{id_}/resend").json()["sent_at"] is None
    new = mailbox.link(guest, "join")
    assert len(mailbox.emails_to(guest)) == 2 and old != new
    account = {"password": PASSWORD, "first_name": "Gil", "last_name": "Guest"}
    refused = send(anonymous_client(address), "POST", "auth/register", account | {"token": old})
    assert problem(refused) == (400, "link_refused")
    assert send(anonymous_client(address), "POST", "auth/register", account | {"token": new}).status_code == 201


def test_withdrawn_invitation_is_not_found_and_its_link_refused(
    school: School, admin: Client, path: str, guest: str, address: str
) -> None:
    id_ = send(admin, "POST", path, {"email": guest, "role": "viewer"}).json()["id"]
    secret = mailbox.link(guest, "join")
    assert send(admin, "DELETE", f"{path}/{id_}").status_code == 204
    account = {"token": secret, "password": PASSWORD, "first_name": "Gil", "last_name": "Guest"}
    assert problem(send(anonymous_client(address), "POST", "auth/register", account)) == (400, "link_refused")
    for method, below in (("GET", ""), ("DELETE", ""), ("POST", "/resend")):
        assert problem(send(admin, method, f"{path}/{id_}{below}")) == (404, "not_found")
    assert audited(id_, "invitation.")[1:] == [("invitation.revoked", "person")]
    assert published_ids(school.organization, "people") == [id_, id_]
    assert send(admin, "POST", path, {"email": guest, "role": "viewer"}).status_code == 201


def test_address_is_invited_once_ignoring_case(school: School, admin: Client, path: str, guest: str) -> None:
    send(admin, "POST", path, {"email": guest, "role": "viewer"})
    answer = send(admin, "POST", path, {"email": guest.upper(), "role": "admin"})
    assert problem(answer) == (409, "already_invited")
    with tenant_scope([school.organization]):
        assert Invitation.objects.get(email__iexact=guest).role == "viewer"


def test_invitation_response_does_not_reveal_an_existing_account(admin: Client, path: str, guest: str) -> None:
    """A school cannot find out who has an account at another school."""
    stranger: Person = PersonFactory.create(role=Role.ADMIN, organization=SchoolFactory.create().organization)
    known = User.objects.get(pk=stranger.id).email
    own = {"id", "email", "created_at", "expires_at"}
    created = []
    for email in (known, guest):
        answer = send(admin, "POST", path, {"email": email, "role": "viewer"})
        assert answer.status_code == 201
        created.append({name: value for name, value in answer.json().items() if name not in own})
    assert created[0] == created[1]


@pytest.mark.parametrize("days", [-1, 0, 31])
def test_invitation_with_expiry_out_of_bounds_is_refused(admin: Client, path: str, guest: str, days: int) -> None:
    at = rfc3339(timezone.now() + timedelta(days=days))
    answer = send(admin, "POST", path, {"email": guest, "role": "viewer", "expires_at": at})
    assert problem(answer) == (400, "invalid") and list(answer.json()["errors"]) == ["expires_at"]
    assert send(admin, "GET", path).json()["results"] == [] and mailbox.emails_to(guest) == []


def test_stale_write_of_invitation_is_refused(admin: Client, path: str, guest: str) -> None:
    made = send(admin, "POST", path, {"email": guest, "role": "viewer"})
    mailbox.work()
    for method, below in (("POST", "/resend"), ("DELETE", "")):
        answer = send(admin, method, f"{path}/{made.json()['id']}{below}", **{"if-match": made["ETag"]})
        assert problem(answer) == (412, "precondition_failed")


def test_invitation_of_another_school_is_not_found(admin: Client, path: str, guest: str) -> None:
    other = SchoolFactory.create()
    theirs = PersonFactory.create(role=Role.ADMIN, organization=other.organization).client
    id_ = send(theirs, "POST", f"organizations/{other.organization}/invitations", {"email": guest, "role": "viewer"})
    for base in (path, f"organizations/{other.organization}/invitations"):
        for method, below in (("GET", ""), ("DELETE", ""), ("POST", "/resend")):
            answer = send(admin, method, f"{base}/{id_.json()['id']}{below}")
            assert problem(answer) == (404, "not_found")
    assert mailbox.link(guest, "join")
