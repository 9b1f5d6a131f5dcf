"""Export of everything stored about a person, and its erasure at their request."""

import secrets
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.utils import timezone
from psycopg import sql

from apps.accounts.identity import users
from apps.accounts.identity.sign_in import services as sign_in
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
from tests.accounts.callers import anonymous_client, app_of, audited
from tests.accounts.changes import end_membership
from tests.kit.callers import send
from tests.kit.catalogue import relations
from tests.kit.mailbox import work
from tests.kit.people import PASSWORD, AccountFactory, Person
from tests.kit.presses import raise_alert
from tests.kit.refusals import problem
from tests.kit.school import SchoolFactory
from tests.kit.trail import chain_all, verify

pytestmark = pytest.mark.slow


@pytest.fixture
def teacher() -> Person:
    """An operator of a school with an administrator who stays."""
    school = SchoolFactory.create()
    AccountFactory.create(role=Role.ADMIN, organization=school.organization)
    return AccountFactory.create(role=Role.OPERATOR, organization=school.organization)


def erase(app: Client, password: str = PASSWORD) -> Any:
    return send(app, "DELETE", "me", {"current_password": password})


def export(app: Client) -> dict[str, Any]:
    response = send(app, "GET", "me/export")
    assert response.status_code == 200, response.content
    assert response["Content-Disposition"].startswith("attachment")
    assert response["Cache-Control"] == "no-store"
    exported: dict[str, Any] = response.json()
    return exported


def create_personal_data(person: Person, address: str) -> Client:
    """Create personal data of every kind for the person."""
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


def test_export_contains_all_own_data_and_none_of_others(teacher: Person, address: str) -> None:
    colleague = AccountFactory.create(role=Role.OPERATOR, organization=teacher.organization)
    create_personal_data(colleague, address)
    app = create_personal_data(teacher, address)
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
    exported = export(app)
    assert exported["account"]["email"] == teacher.email
    assert [one["organization"] for one in exported["memberships"]] == [str(teacher.organization)]
    assert len(exported["devices"]) == len(exported["sign_ins"]) == len(exported["proofs"]) == 1
    assert [one["body"] for one in exported["did"]["alert_notes"]] == ["All of room 5 is here"]
    assert [one["kind"] for one in exported["did"]["alert_events"]] == ["acknowledged"]
    actions = {one["action"] for one in exported["audit"]}
    assert {"membership.added", "auth.login", "push.registered", "account.email_asked", "account.updated"} <= actions
    assert address in {one["personal"].get("address") for one in exported["audit"] if one["by_me"]}
    text = str(exported)
    for other in (colleague.email, colleague.user.last_name, str(colleague.id)):
        assert str(other) not in text


def test_export_contains_no_secrets(teacher: Person, address: str) -> None:
    app = create_personal_data(teacher, address)
    work()
    token = PushRegistration.objects.get(user=teacher.user).token
    user = User.objects.get(pk=teacher.id)
    text = str(export(app)["account"]) + str(export(app)["devices"]) + str(export(app)["sign_ins"])
    assert token not in text and str(user.password) not in text


@pytest.mark.parametrize("why", ["expired", "suspended", "deleted", "invited"])
def test_export_includes_inactive_memberships_and_open_invitations(teacher: Person, address: str, why: str) -> None:
    other = AccountFactory.create(role=Role.ADMIN).organization
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
    exported = export(app_of(teacher, address))
    part = exported["invitations" if why == "invited" else "memberships"]
    assert str(other) in {one["organization"] for one in part}


def test_erasure_removes_personal_data_from_every_table(teacher: Person, address: str) -> None:
    """No name, address, number, device or digest is left in any table of the database; records of what the person
    did keep their id.
    """
    phone = f"+1{secrets.randbelow(10**12):012}"
    User.objects.filter(pk=teacher.id).update(phone=phone)
    app = create_personal_data(teacher, address)
    send(anonymous_client(address), "POST", "auth/login", {"email": teacher.email, "password": "wrong"})
    send(anonymous_client(address), "POST", "auth/password/forgot", {"email": teacher.email})
    work()
    with tenant_scope([teacher.organization]):
        invitations_of = Invitation.objects.create(
            organization_id=teacher.organization, email=teacher.email, role=Role.OPERATOR, expires_at=timezone.now()
        )
    words = [teacher.email, phone, str(teacher.user.last_name), address]
    words += [PushRegistration.objects.get(user=teacher.user).token, f"Trace{teacher.user.last_name}"]
    assert tables_with(words).keys() == set(words), "the searched words exist before"
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
    """The tables that contain each word, for words found in any. The catalogue lists the tables, so that tables added
    later are searched; each is read once.
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


def test_erasure_ends_every_sign_in(teacher: Person, address: str) -> None:
    refresh = sign_in.login(email=teacher.email, password=PASSWORD, address=address).refresh
    app = app_of(teacher, address)
    browser = Client()
    browser.force_login(teacher.user)
    assert erase(app).status_code == 204
    assert problem(send(app, "GET", "me")) == (401, "bad_token")
    assert problem(browser.get("/api/v1/me")) == (401, "not_authenticated")
    assert (
        problem(send(anonymous_client(address), "POST", "auth/refresh", {"refresh": refresh}))[1] == "refresh_refused"
    )
    login = {"email": teacher.email, "password": PASSWORD}
    assert problem(send(anonymous_client(address), "POST", "auth/login", login)) == (401, "wrong_credentials")
    for model in (RefreshToken, PushRegistration, Proof):
        assert not model.objects.filter(user=teacher.user).exists()
    assert not IdempotencyKey.objects.using("owner").filter(principal_id=teacher.id, body__isnull=False).exists()


def test_erasure_keeps_the_audit_chain_intact(teacher: Person, address: str) -> None:
    app = create_personal_data(teacher, address)
    chain_all()
    assert erase(app).status_code == 204
    chain_all()
    assert verify(teacher.organization) is None


def test_erased_email_can_be_registered_as_a_new_account(teacher: Person, address: str) -> None:
    assert erase(app_of(teacher, address)).status_code == 204
    with tenant_scope([teacher.organization]):
        again = users.create_user(actor=SYSTEM, email=teacher.email, password=PASSWORD)
    assert again.id != teacher.id


def test_last_administrator_cannot_be_erased(address: str) -> None:
    admin = AccountFactory.create(role=Role.ADMIN)
    response = erase(app_of(admin, address))
    assert problem(response) == (409, "last_admin")
    assert response.json()["organizations"] == [str(admin.organization)]
    assert User.objects.get(pk=admin.id).status == UserStatus.ACTIVE
    AccountFactory.create(role=Role.ADMIN, organization=admin.organization)
    assert erase(app_of(admin, address)).status_code == 204


@pytest.mark.parametrize("membership", ["living", "expired", "ended"])
def test_erasure_is_refused_under_legal_hold(teacher: Person, address: str, membership: str) -> None:
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


def test_invitation_under_legal_hold_does_not_block_erasure(teacher: Person, address: str) -> None:
    """Otherwise any school could block an erasure by an invitation. The invitation itself is kept, as required."""
    other = AccountFactory.create(role=Role.ADMIN).organization
    with tenant_scope([other]):
        Organization.objects.update(settings={"legal_hold": True})
        kept = invitations.invite(
            actor=SYSTEM, organization_id=other, email=teacher.email, held=RoleAt(Role.VIEWER), now=timezone.now()
        )
    assert erase(app_of(teacher, address)).status_code == 204
    with tenant_scope([other]):
        assert Invitation.objects.get(id=kept.id).email == teacher.email


def test_erasure_with_wrong_password_is_refused(teacher: Person, address: str) -> None:
    app = app_of(teacher, address)
    assert problem(erase(app, "wrong")) == (403, "wrong_password")
    assert problem(send(app, "DELETE", "me")) == (400, "invalid")
    assert send(app, "GET", "me").status_code == 200


def test_request_in_progress_writes_nothing_after_erasure(teacher: Person, address: str) -> None:
    """Its caller was authenticated before the erasure and would write after it."""
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


def test_alert_keeps_its_timeline_after_erasure(address: str) -> None:
    school = SchoolFactory.create()
    AccountFactory.create(role=Role.ADMIN, organization=school.organization)
    person = AccountFactory.create(role=Role.OPERATOR, organization=school.organization)
    alert = raise_alert(school)
    app = app_of(person, address)
    assert send(app, "PUT", f"alerts/{alert}/acknowledge").status_code == 200
    assert erase(app).status_code == 204
    admin = app_of(AccountFactory.create(role=Role.ADMIN, organization=school.organization), address)
    answer = send(admin, "GET", f"alerts/{alert}")
    assert answer.json()["status"] == "acknowledged"
    assert str(person.id) in answer.content.decode()
    assert str(person.user.last_name) not in answer.content.decode()
