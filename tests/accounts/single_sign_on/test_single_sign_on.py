"""Single sign-on with a school's own identity provider: who may sign in, with which role, and where."""

import secrets
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.identity.keys import tokens
from apps.accounts.models import (
    ExternalIdentity,
    Membership,
    MembershipScope,
    PushRegistration,
    Role,
    User,
    Visit,
)
from apps.accounts.people import memberships
from apps.accounts.single_sign_on import providers
from apps.common.access import SYSTEM
from apps.common.db.scope import system_scope, tenant_scope
from apps.common.models import AuditEntry
from tests.accounts.callers import audited
from tests.accounts.changes import end_membership
from tests.accounts.identity_provider import Issuer, running
from tests.accounts.sso_school import (
    School,
    google,
    microsoft,
    provider_body,
    through_app,
    visiting_operator,
)
from tests.kit.feed import published_ids
from tests.kit.people import PASSWORD, AccountFactory, Person
from tests.kit.second_factor import JSON, Api

pytestmark = pytest.mark.slow


@pytest.fixture
def elsewhere(address: str) -> Person:
    """An administrator of another school."""
    return AccountFactory.create(role=Role.ADMIN)


def joins(person: Person, school: School, role: Role = Role.OPERATOR) -> None:
    with tenant_scope([school.id]):
        memberships.add_membership(actor=SYSTEM, user=person.user, organization_id=school.id, role=role)


# --- Who is let in ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("claims", [google, microsoft])
def test_member_signs_in_with_the_identity_provider(school: School, issuer: Issuer, claims: Any) -> None:
    person = school.person()
    issuer.person = claims(person.email.upper())
    entered = school.enters(next="/board/?x=1")
    assert (entered.answer["Location"], entered.who) == ("/board/?x=1", person.id)
    assert entered.browser.get(f"/api/v1/organizations/{school.id}").status_code == 200
    with system_scope():
        entry = AuditEntry.objects.get(action="auth.single_sign_on", organization_id=school.id)
        assert (entry.outcome, entry.target_id) == ("done", person.id)


def test_linked_person_is_identified_by_issuer_and_subject(school: School, issuer: Issuer) -> None:
    """Whatever address the provider sends later."""
    person = school.person()
    issuer.person = google(person.email, "subject-1")
    assert school.enters().who == person.id
    issuer.person = {"sub": "subject-1", "email": "somebody.else@elsewhere.example", "email_verified": False}
    assert school.enters().who == person.id


def test_other_subject_or_issuer_is_not_linked(school: School, issuer: Issuer, address: str) -> None:
    """Neither the same subject at another issuer nor another subject at the same issuer matches a person."""
    person = school.person()
    issuer.person = google(person.email, "subject-1")
    assert school.enters().who == person.id
    issuer.person = {"sub": "subject-2"}
    assert school.enters().is_refused("identity_not_linked")
    with running() as other:
        made = school.api.ask("POST", school.providers, provider_body(other))
        other.person = {"sub": "subject-1"}
        second = School.__new__(School)
        second.__dict__.update({**school.__dict__, "issuer": other, "provider": UUID(made.json()["id"])})
        assert second.enters().is_refused("identity_not_linked")


def test_newcomer_gets_an_account_with_the_default_role(school: School, issuer: Issuer) -> None:
    email = f"new@{school.domain}"
    issuer.person = google(email, given_name="Nia", family_name="New")
    assert school.enters().is_refused("identity_not_linked"), "there is no default role for newcomers"
    assert not User.objects.filter(email=email).exists()
    school.change(default_role="viewer")
    user = User.objects.get(email=email, pk__in=[school.enters().who])
    assert (user.email, user.first_name, user.last_name, user.email_verified) == (email, "Nia", "New", True)
    assert not user.has_usable_password()
    with tenant_scope([school.id]):
        assert Membership.objects.get(user=user).role == Role.VIEWER
    assert audited(user.pk, "membership.") == [("membership.added", "system")]
    assert published_ids(school.id, "people") == [str(user.pk)]


def test_dismissed_person_does_not_return_as_newcomer(school: School, issuer: Issuer) -> None:
    school.change(default_role="operator")
    person = school.person()
    issuer.person = google(person.email)
    assert school.enters().who == person.id
    end_membership(person)
    assert school.enters().is_refused("identity_not_linked")


def test_groups_are_mapped_to_roles_at_each_sign_in(school: School, issuer: Issuer) -> None:
    """The most powerful role counts; people without a mapped group are refused unless there is a default role."""
    school.change(role_claim="groups", role_map={"it": "admin", "staff": "operator"})
    person = school.person(Role.VIEWER)

    def role() -> str:
        with tenant_scope([school.id]):
            return Membership.objects.get(user_id=person.id).role

    for groups, expected in ((["staff", "it"], "admin"), ("staff", "operator"), (["staff", 7], "operator")):
        issuer.person = google(person.email, "subject", groups=groups)
        assert school.enters().who == person.id
        assert role() == expected
    issuer.person = google(person.email, "subject", groups=["parents"])
    assert school.enters().is_refused("identity_not_linked")
    school.change(default_role="viewer")
    assert school.enters().who == person.id
    assert role() == "viewer"
    assert audited(person.id, "membership.")[1:] == [("membership.changed", "system")] * 3
    assert published_ids(school.id, "people") == [str(person.id)] * 3


def test_groups_do_not_demote_the_last_administrator(school: School, issuer: Issuer) -> None:
    User.objects.filter(pk=school.admin.id).update(email=f"head@{school.domain}")
    school.change(role_claim="groups", role_map={"staff": "operator"})
    issuer.person = google(f"head@{school.domain}", groups=["staff"])
    assert school.enters().who == school.admin.id
    with tenant_scope([school.id]):
        assert Membership.objects.get(user_id=school.admin.id).role == Role.ADMIN


def test_groups_do_not_change_a_role_with_place_scope(school: School, issuer: Issuer) -> None:
    school.change(role_claim="groups", role_map={"it": "admin"})
    person = school.person(Role.VIEWER)
    with tenant_scope([school.id]):
        Membership.objects.filter(user_id=person.id).update(scope=MembershipScope.PLACES)
    issuer.person = google(person.email, groups=["it"])
    school.enters()
    with tenant_scope([school.id]):
        assert Membership.objects.get(user_id=person.id).role == Role.VIEWER


# --- Takeover: a foreign identity provider asserting our address: nothing -----------------------------------------


def test_provider_cannot_sign_in_an_address_of_another_school(
    school: School, issuer: Issuer, elsewhere: Person
) -> None:
    """safety.md, fault i: neither for an account in the other school, nor for a new account with that address."""
    school.change(default_role="admin")
    for email in (elsewhere.email, "nobody.yet@other.school.example"):
        issuer.person = google(email)
        assert school.enters().is_refused("identity_not_linked")
    assert not User.objects.filter(email="nobody.yet@other.school.example").exists()
    with tenant_scope([school.id]):
        assert not ExternalIdentity.objects.exists()
        assert not Membership.objects.filter(user_id=elsewhere.id).exists()


def test_address_in_the_domain_does_not_link_an_account_of_another_school(
    school: School, issuer: Issuer, elsewhere: Person
) -> None:
    """A person of another school who uses an address of this one can join only by an invitation."""
    school.change(default_role="admin")
    email = f"both@{school.domain}"
    User.objects.filter(pk=elsewhere.id).update(email=email)
    issuer.person = google(email)
    assert school.enters().is_refused("identity_not_linked")
    with tenant_scope([school.id]):
        assert not ExternalIdentity.objects.exists()
    joins(elsewhere, school)
    assert school.enters().who == elsewhere.id


@pytest.mark.parametrize(
    "changed",
    [
        {"email_verified": False},
        {"email_verified": None},
        {"email_verified": "false"},
        {"email_verified": 1},
        {"hd": "gmail.example"},
        {"hd": ""},
        {"email": "not an address"},
        {"email": None},
        {"xms_edov": False, "email_verified": None},
    ],
    ids=str,
)
def test_unverified_address_is_not_linked(school: School, issuer: Issuer, changed: dict[str, Any]) -> None:
    person = school.person()
    issuer.person = google(person.email)
    issuer.changed = changed
    assert school.enters().who is None
    with tenant_scope([school.id]):
        assert not ExternalIdentity.objects.exists()


def test_address_outside_the_verified_domain_is_not_linked(school: School, issuer: Issuer) -> None:
    """Also for members, in subdomains and similar domains, and after the domain was withdrawn."""
    person = school.person()
    for email in (f"a@sub.{school.domain}", f"a@x{school.domain}", f"a@{school.domain}.evil.example"):
        User.objects.filter(pk=person.id).update(email=email)
        issuer.person = google(email)
        assert school.enters().is_refused("identity_not_linked")
    email = f"a@{school.domain}"
    User.objects.filter(pk=person.id).update(email=email)
    operator = visiting_operator(school.admin.id, school.id)
    with tenant_scope([school.id]):
        providers.withdraw_domain(actor=operator, organization_id=school.id, domain=school.domain)
    issuer.person = google(email)
    assert school.enters().is_refused("identity_not_linked")


def test_school_sign_in_gives_access_to_its_school_only(school: School, issuer: Issuer, elsewhere: Person) -> None:
    """No access to the person's other school by session, by token or after a refresh, nor to their account."""
    joins(elsewhere, school, Role.ADMIN)
    User.objects.filter(pk=elsewhere.id).update(email=f"both@{school.domain}")
    issuer.person = google(f"both@{school.domain}")
    browser = school.enters().browser
    assert browser.get(f"/api/v1/organizations/{school.id}").status_code == 200
    assert browser.get(f"/api/v1/organizations/{elsewhere.organization}").status_code == 404
    listed = browser.get("/api/v1/organizations").json()["results"]
    assert [one["id"] for one in listed] == [str(school.id)]
    assert browser.get("/api/v1/me/mfa").json()["code"] == "not_by_single_sign_on"

    pair = through_app(school)
    for _ in range(3):
        api = Api(elsewhere, school.address, pair["access"])
        assert api.ask("GET", f"organizations/{school.id}").status_code == 200
        assert api.ask("GET", f"organizations/{elsewhere.organization}").status_code == 404
        assert api.ask("GET", "me/mfa").json()["code"] == "not_by_single_sign_on"
        assert api.ask("POST", "me/confirmation", {"password": PASSWORD}).json()["code"] == "not_by_single_sign_on"
        claims = tokens.verify(pair["access"])
        assert [one.id for one in claims.organizations or ()] == [school.id]
        pair = api.client.post("/api/v1/auth/refresh", {"refresh": pair["refresh"]}, content_type=JSON).json()


def test_school_sign_in_can_read_me_and_register_its_phone(school: School, issuer: Issuer, elsewhere: Person) -> None:
    """Without access to other memberships, other phones or the export of the same person."""
    joins(elsewhere, school)
    User.objects.filter(pk=elsewhere.id).update(email=f"both@{school.domain}")
    whole = Api(elsewhere, school.address)
    phone = {"token": secrets.token_hex(32), "platform": "ios", "app_version": "1"}
    other = whole.ask("POST", "me/devices", {**phone, "token": secrets.token_hex(32)}).json()["id"]
    issuer.person = google(f"both@{school.domain}")
    api = Api(elsewhere, school.address, through_app(school)["access"])
    assert str(elsewhere.organization) not in api.ask("GET", "me").content.decode()
    assert str(school.id) in api.ask("GET", "me").content.decode()
    assert api.ask("POST", "me/devices", phone).status_code == 201
    assert PushRegistration.objects.get(token=phone["token"]).only_organization == school.id
    assert other not in api.ask("GET", "me/devices").content.decode()
    assert api.ask("DELETE", f"me/devices/{other}").status_code == 404
    for method, path in (("GET", "me/export"), ("PATCH", "me"), ("DELETE", "me"), ("POST", "me/password")):
        assert api.ask(method, path, {} if method != "GET" else None).status_code in {400, 403, 405}
    assert api.ask("GET", "me/export").json()["code"] == "not_by_single_sign_on"
    assert whole.ask("GET", "me/devices").json()["results"][0]["id"] == other


def test_school_sign_in_gives_no_super_admin_permissions(school: School, issuer: Issuer) -> None:
    """Not even during a visit to that school."""
    person = school.person(Role.VIEWER)
    User.objects.filter(pk=person.id).update(is_super_admin=True)
    with tenant_scope([school.id]):
        now = timezone.now()
        Visit.objects.create(
            organization_id=school.id,
            user_id=person.id,
            reason="A look",
            started_at=now,
            ends_at=now.replace(year=now.year + 1),
        )
    issuer.person = google(person.email)
    browser = school.enters().browser
    assert browser.get(f"/api/v1/organizations/{school.id}/settings").status_code == 200
    changing = browser.put(f"/api/v1/organizations/{school.id}/identity-domains/evil.example")
    assert changing.status_code == 403
    assert browser.get(f"/{'api/v1'}/{school.providers}").status_code == 403


def test_school_sign_in_does_not_continue_an_older_session(school: School, issuer: Issuer) -> None:
    """A later sign-in by password is unrestricted again, and an earlier one does not extend the school's."""
    person = school.person()
    issuer.person = google(person.email)
    browser = Client(REMOTE_ADDR=school.address)
    for only in (None, school.id):
        browser.post("/login/", {"email": person.email, "password": PASSWORD})
        assert browser.session.get("only_organization") is None
        if only:
            school.enters(browser)
            assert browser.session.get("only_organization") == str(only)
