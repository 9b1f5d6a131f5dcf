"""Everything that is kept about a person is told to them, and what is about them is forgotten when they say so."""

import secrets
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone
from psycopg import sql

from apps.accounts.identity import sign_in, users
from apps.accounts.models import (
    Invitation,
    Membership,
    Platform,
    Proof,
    PushRegistration,
    RefreshToken,
    Role,
    User,
    UserStatus,
)
from apps.accounts.own_account import account, push
from apps.accounts.people import invitations, memberships
from apps.accounts.people.memberships import RoleAt
from apps.accounts.rights.grants import person_principal
from apps.alerts.models import AlertEvent, AlertNote
from apps.common.access import SYSTEM
from apps.common.db.scope import system_scope, tenant_scope
from apps.common.models import AuditEntry, AuditPersonal, IdempotencyKey
from apps.common.problems import Unauthenticated
from apps.tenancy.models import Organization, OrganizationStatus
from tests.accounts.callers import app_of, audited, nobody, problem, send
from tests.accounts.people import PASSWORD, Person, end_membership, make_person
from tests.accounts.post_office import work
from tests.audit.trail import seal_all, verify
from tests.cloud.catalogue import relations
from tests.cloud.school import make_school, raise_alert

pytestmark = pytest.mark.slow


@pytest.fixture
def teacher() -> Person:
    """Of a school with an alert, and with an admin who stays."""
    school = make_school()
    make_person(Role.ADMIN, organization=school.organization)
    return make_person(Role.OPERATOR, organization=school.organization)


def erase(app: Client, password: str = PASSWORD) -> Any:
    return send(app, "DELETE", "me", {"current_password": password})


def export(app: Client) -> dict[str, Any]:
    response = send(app, "GET", "me/export")
    assert response.status_code == 200, response.content
    assert response["Content-Disposition"].startswith("attachment")
    assert response["Cache-Control"] == "no-store"
    told: dict[str, Any] = response.json()
    return told


def everything_of(person: Person, address: str) -> Client:
    """The person leaves a trace of every kind."""
    app = app_of(person, address)
    token = secrets.token_hex(20)
    body = {"token": token, "platform": "ios", "app_version": "1"}
    assert send(app, "POST", "me/devices", body, **{"idempotency-key": secrets.token_hex(8)}).status_code == 201
    send(app, "POST", "me/email", {"email": f"{token}@example.edu", "current_password": PASSWORD})
    send(
        app, "PATCH", "me", {"first_name": f"Trace{person.user.last_name}"}, **{"idempotency-key": secrets.token_hex(8)}
    )
    with tenant_scope([person.organization]):
        organization = Organization.objects.get()
        AlertNote.objects.create(
            organization_id=organization.id,
            alert=person.id,
            triggered_at=timezone.now(),
            author_id=person.id,
            body="All of room 5 is here",
        )
    return app


def test_the_export_holds_everything_and_nothing_of_others(teacher: Person, address: str) -> None:
    colleague = make_person(Role.OPERATOR, organization=teacher.organization)
    everything_of(colleague, address)
    app = everything_of(teacher, address)
    with tenant_scope([teacher.organization]):
        AlertEvent.objects.create(
            organization_id=teacher.organization,
            alert=teacher.id,
            triggered_at=timezone.now(),
            kind="acknowledged",
            at=timezone.now(),
            actor_kind="person",
            actor_id=teacher.id,
        )
    told = export(app)
    assert told["account"]["email"] == teacher.email
    assert [one["organization"] for one in told["memberships"]] == [str(teacher.organization)]
    assert len(told["devices"]) == len(told["sign_ins"]) == len(told["proofs"]) == 1
    assert [one["body"] for one in told["did"]["alert_notes"]] == ["All of room 5 is here"]
    assert [one["kind"] for one in told["did"]["alert_events"]] == ["acknowledged"]
    actions = {one["action"] for one in told["audit"]}
    assert {"membership.added", "auth.login", "push.registered", "account.email_asked", "account.updated"} <= actions
    assert address in {one["personal"].get("address") for one in told["audit"] if one["by_me"]}
    text = str(told)
    for other in (colleague.email, colleague.user.last_name, str(colleague.id)):
        assert str(other) not in text


def test_the_export_holds_no_secret(teacher: Person, address: str) -> None:
    app = everything_of(teacher, address)
    work()
    token = PushRegistration.objects.get(user=teacher.user).token
    user = User.objects.get(pk=teacher.id)
    text = str(export(app)["account"]) + str(export(app)["devices"]) + str(export(app)["sign_ins"])
    assert token not in text and str(user.password) not in text


@pytest.mark.parametrize("why", ["expired", "suspended", "deleted", "invited"])
def test_the_export_reaches_where_rights_have_ended_or_never_began(teacher: Person, address: str, why: str) -> None:
    other = make_person(Role.ADMIN).organization
    with tenant_scope([other]):
        if why == "invited":
            invitations.invite(
                actor=SYSTEM,
                organization_id=other,
                email=teacher.email.upper(),
                held=RoleAt(Role.VIEWER),
                now=timezone.now(),
            )
        else:
            memberships.add_membership(actor=SYSTEM, user=teacher.user, organization_id=other, role=Role.VIEWER)
            if why == "expired":
                Membership.objects.filter(user_id=teacher.id).update(expires_at=timezone.now())
            else:
                Organization.objects.update(status=OrganizationStatus(why))
    told = export(app_of(teacher, address))
    part = told["invitations" if why == "invited" else "memberships"]
    assert str(other) in {one["organization"] for one in part}


def test_an_erased_person_is_gone_from_every_table(teacher: Person, address: str) -> None:
    """Neither name nor address, number, device or digest is left anywhere in the database, whatever table one looks at;
    what they did stays under their id.
    """
    phone = f"+1{secrets.randbelow(10**12):012}"
    User.objects.filter(pk=teacher.id).update(phone=phone)
    app = everything_of(teacher, address)
    send(nobody(address), "POST", "auth/login", {"email": teacher.email, "password": "wrong"})
    send(nobody(address), "POST", "auth/password/forgot", {"email": teacher.email})
    work()
    with tenant_scope([teacher.organization]):
        invitations_of = Invitation.objects.create(
            organization_id=teacher.organization, email=teacher.email, role=Role.OPERATOR, expires_at=timezone.now()
        )
    words = [teacher.email, phone, str(teacher.user.last_name), address]
    words += [PushRegistration.objects.get(user=teacher.user).token, f"Trace{teacher.user.last_name}"]
    assert tables_with(words).keys() == set(words), "what the test looks for is there before"
    assert erase(app).status_code == 204
    assert tables_with(words) == {}
    with tenant_scope([teacher.organization]):
        assert not Membership.objects.filter(user_id=teacher.id).exists()
        assert not Invitation.objects.filter(id=invitations_of.id).exists()
        assert AlertNote.objects.filter(author_id=teacher.id).exists()
        assert AuditEntry.objects.filter(actor_id=teacher.id, action="auth.login").exists()
        assert not AuditPersonal.objects.filter(person_id=teacher.id).exists()
    user = User.objects.get(pk=teacher.id)
    assert (user.status, user.password, user.email) == (UserStatus.DELETED, None, f"{teacher.id}@erased.invalid")
    assert audited(teacher.id)[-1] == ("account.erased", "person")


def tables_with(words: list[str]) -> dict[str, list[str]]:
    """The tables in which each word stands, for those that stand in any. The catalogue names the tables, so that a
    table that is added later is searched; each is read once.
    """
    found: dict[str, list[str]] = {}
    with connections["owner"].cursor() as cursor:
        for table in relations():
            statement = sql.SQL(
                "WITH rows AS MATERIALIZED (SELECT t::text AS text FROM {} t)"
                " SELECT DISTINCT word FROM rows, unnest(%s::text[]) word WHERE position(word IN text) > 0"
            ).format(sql.Identifier(*table.name.split(".")))
            cursor.execute(statement, [words])
            for (word,) in cursor.fetchall():
                found.setdefault(word, []).append(table.name)
    return found


def test_after_the_end_nothing_opens_any_more(teacher: Person, address: str) -> None:
    refresh = sign_in.login(email=teacher.email, password=PASSWORD, address=address).refresh
    app = app_of(teacher, address)
    browser = Client()
    browser.force_login(teacher.user)
    assert erase(app).status_code == 204
    assert problem(send(app, "GET", "me")) == (401, "bad_token")
    assert problem(browser.get("/api/v1/me")) == (401, "not_authenticated")
    assert problem(send(nobody(address), "POST", "auth/refresh", {"refresh": refresh}))[1] == "refresh_refused"
    login = {"email": teacher.email, "password": PASSWORD}
    assert problem(send(nobody(address), "POST", "auth/login", login)) == (401, "wrong_credentials")
    for model in (RefreshToken, PushRegistration, Proof):
        assert not model.objects.filter(user=teacher.user).exists()
    assert not IdempotencyKey.objects.using("owner").filter(principal_id=teacher.id, body__isnull=False).exists()


def test_the_chain_of_the_audit_trail_stays_whole(teacher: Person, address: str) -> None:
    app = everything_of(teacher, address)
    seal_all()
    assert erase(app).status_code == 204
    seal_all()
    assert verify(teacher.organization) is None


def test_the_same_address_can_join_again_as_somebody_new(teacher: Person, address: str) -> None:
    assert erase(app_of(teacher, address)).status_code == 204
    with tenant_scope([teacher.organization]):
        again = users.create_user(actor=SYSTEM, email=teacher.email, password=PASSWORD)
    assert again.id != teacher.id


def test_the_last_administrator_stays_until_somebody_else_is_one(address: str) -> None:
    admin = make_person(Role.ADMIN)
    response = erase(app_of(admin, address))
    assert problem(response) == (409, "last_admin")
    assert response.json()["organizations"] == [str(admin.organization)]
    assert User.objects.get(pk=admin.id).status == UserStatus.ACTIVE
    make_person(Role.ADMIN, organization=admin.organization)
    assert erase(app_of(admin, address)).status_code == 204


@pytest.mark.parametrize("membership", ["living", "expired", "ended"])
def test_under_legal_hold_nothing_is_forgotten(teacher: Person, address: str, membership: str) -> None:
    with tenant_scope([teacher.organization]):
        Organization.objects.update(settings={"legal_hold": True})
        if membership == "expired":
            Membership.objects.filter(user_id=teacher.id).update(expires_at=timezone.now())
    app = app_of(teacher, address)
    if membership == "ended":
        send(app, "PATCH", "me", {"locale": "de"})
        end_membership(teacher)
    response = erase(app)
    assert problem(response) == (409, "legal_hold")
    assert response.json()["organizations"] == [str(teacher.organization)]
    assert {one["organization"] for one in export(app)["audit"]} == {str(teacher.organization)}
    with system_scope():
        assert AuditPersonal.objects.filter(person_id=teacher.id).exists()


def test_a_mere_invitation_under_legal_hold_keeps_nobody_from_leaving(teacher: Person, address: str) -> None:
    """Else any school could keep any person by inviting them. The invitation itself stays, as it must."""
    other = make_person(Role.ADMIN).organization
    with tenant_scope([other]):
        Organization.objects.update(settings={"legal_hold": True})
        kept = invitations.invite(
            actor=SYSTEM, organization_id=other, email=teacher.email, held=RoleAt(Role.VIEWER), now=timezone.now()
        )
    assert erase(app_of(teacher, address)).status_code == 204
    with tenant_scope([other]):
        assert Invitation.objects.get(id=kept.id).email == teacher.email


def test_a_wrong_password_erases_nobody(teacher: Person, address: str) -> None:
    app = app_of(teacher, address)
    assert problem(erase(app, "wrong")) == (403, "wrong_password")
    assert problem(send(app, "DELETE", "me")) == (400, "invalid")
    assert send(app, "GET", "me").status_code == 200


def test_a_request_that_was_under_way_writes_nothing_of_the_erased_person(teacher: Person, address: str) -> None:
    """Its caller was known before the end, its write would come after."""
    principal = person_principal(teacher.id)
    assert principal is not None
    assert erase(app_of(teacher, address)).status_code == 204
    now = timezone.now()
    with tenant_scope(principal.grants):
        with pytest.raises(Unauthenticated):
            account.update(principal=principal, changes={"first_name": "Back"}, if_match=None, now=now)
        with pytest.raises(Unauthenticated):
            push.register(principal=principal, token="t", platform=Platform.IOS, app_version="1", now=now)
    assert User.objects.get(pk=teacher.id).first_name is None


def test_an_alert_of_an_erased_person_is_still_told_with_its_story(address: str) -> None:
    school = make_school()
    make_person(Role.ADMIN, organization=school.organization)
    person = make_person(Role.OPERATOR, organization=school.organization)
    alert = raise_alert(school)
    app = app_of(person, address)
    assert send(app, "PUT", f"alerts/{alert}/acknowledge").status_code == 200
    assert erase(app).status_code == 204
    admin = app_of(make_person(Role.ADMIN, organization=school.organization), address)
    told = send(admin, "GET", f"alerts/{alert}")
    assert told.json()["status"] == "acknowledged"
    assert str(person.id) in told.content.decode()
    assert str(person.user.last_name) not in told.content.decode()
