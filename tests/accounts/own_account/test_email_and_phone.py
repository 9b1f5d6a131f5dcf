"""E-mail addresses and phone numbers are stored once their owner has verified them."""

import secrets
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from apps.accounts.identity import proofs
from apps.accounts.models import Proof, ProofPurpose, Role, User, UserStatus
from apps.common.db.scope import tenant_scope
from apps.common.limits import PROOFS
from tests.accounts.callers import anonymous_client, app_of, audited
from tests.accounts.changes import set_status
from tests.kit.callers import send
from tests.kit.mailbox import TextMessages, emails_to, link, work
from tests.kit.people import PASSWORD, AccountFactory, Person
from tests.kit.refusals import problem

pytestmark = pytest.mark.slow

NUMBER = f"+1202{secrets.randbelow(10**7):07}"


@pytest.fixture
def new_email() -> str:
    return f"New-{secrets.token_hex(6)}@Example.edu"


@pytest.fixture
def text_messages(settings: Settings) -> Iterator[type[TextMessages]]:
    settings.SMS_SENDER = f"{TextMessages.__module__}.{TextMessages.__qualname__}"
    TextMessages.sent.clear()
    yield TextMessages
    work()  # sends what is queued while a provider is configured


def ask(app: Client, email: str, password: str = PASSWORD) -> Any:
    return send(app, "POST", "me/email", {"email": email, "current_password": password})


def confirm(address: str, token: str) -> Any:
    return send(anonymous_client(address), "POST", "auth/email/verify", {"token": token})


def test_email_changes_once_its_link_is_opened_and_old_address_is_notified(
    person: Person, address: str, new_email: str
) -> None:
    app = app_of(person, address)
    response = ask(app, new_email)
    assert response.status_code == 202
    assert set(response.json()) == {"expires_at"}
    token = link(new_email, "confirm-email")
    assert send(app, "GET", "me").json()["email"] == person.email, "nothing has changed yet"
    assert confirm(address, token).status_code == 204
    me = send(app, "GET", "me").json()
    assert (me["email"], me["email_verified"]) == (new_email, True)
    assert [one.subject for one in emails_to(person.email)] == ["Your e-mail address was changed"]
    login = {"email": new_email.lower(), "password": PASSWORD}
    assert send(anonymous_client(address), "POST", "auth/login", login).status_code == 200
    assert send(anonymous_client(address), "POST", "auth/login", login | {"email": person.email}).status_code == 401
    assert audited(person.id) == [("account.email_asked", "person"), ("account.email_changed", "person")]
    assert problem(confirm(address, token)) == (400, "link_refused")


def test_current_email_can_be_verified(person: Person, address: str) -> None:
    app = app_of(person, address)
    assert send(app, "GET", "me").json()["email_verified"] is False
    assert ask(app, person.email).status_code == 202
    assert confirm(address, link(person.email, "confirm-email")).status_code == 204
    assert send(app, "GET", "me").json()["email_verified"] is True
    assert len(emails_to(person.email)) == 1, "there is no old address to notify"


def test_email_change_does_not_reveal_an_existing_account(person: Person, address: str) -> None:
    """The response is the same as for a free address; only the owner of the address is notified."""
    other = AccountFactory.create()
    response = ask(app_of(person, address), other.email.upper())
    assert (response.status_code, set(response.json())) == (202, {"expires_at"})
    assert [one.subject for one in emails_to(other.email.upper())] == ["You have an account already"]
    assert not Proof.objects.filter(user=person.user, digest__isnull=False).exists()


def test_email_change_is_refused_when_address_was_taken_meanwhile(person: Person, address: str, new_email: str) -> None:
    ask(app_of(person, address), new_email)
    token = link(new_email, "confirm-email")
    User.objects.filter(pk=AccountFactory.create().id).update(email=new_email.lower())
    assert problem(confirm(address, token)) == (409, "email_taken")
    assert User.objects.get(pk=person.id).email == person.email


def test_email_change_with_wrong_password_sends_nothing(person: Person, address: str, new_email: str) -> None:
    """An unlocked phone is not enough to move the account to another mailbox."""
    assert problem(ask(app_of(person, address), new_email, "wrong")) == (403, "wrong_password")
    assert emails_to(new_email) == []


@pytest.mark.parametrize("why", ["unknown", "expired", "for another purpose", "owner suspended"])
def test_email_change_with_invalid_link_is_refused(person: Person, address: str, new_email: str, why: str) -> None:
    ask(app_of(person, address), new_email)
    token = link(new_email, "confirm-email")
    if why == "unknown":
        token = "x" * 43
    elif why == "expired":
        Proof.objects.filter(user=person.user).update(expires_at=timezone.now())
    elif why == "for another purpose":
        Proof.objects.filter(user=person.user).update(purpose=ProofPurpose.PASSWORD)
    else:
        set_status(person, UserStatus.SUSPENDED)
    assert problem(confirm(address, token)) == (400, "link_refused")
    assert User.objects.get(pk=person.id).email == person.email


def test_email_change_invalidates_password_reset_sent_to_old_address(
    person: Person, address: str, new_email: str
) -> None:
    """Access to the old mailbox no longer gives access to the account."""
    send(anonymous_client(address), "POST", "auth/password/forgot", {"email": person.email})
    old = link(person.email, "reset-password")
    ask(app_of(person, address), new_email)
    assert confirm(address, link(new_email, "confirm-email")).status_code == 204
    response = send(
        anonymous_client(address), "POST", "auth/password/reset", {"token": old, "password": "a brand new one here"}
    )
    assert problem(response) == (400, "link_refused")


def test_email_change_requests_are_limited_per_hour(person: Person, address: str, new_email: str) -> None:
    app = app_of(person, address)
    codes = [ask(app, new_email).status_code for _ in range(PROOFS.count + 1)]
    assert codes == [202] * PROOFS.count + [429]
    assert problem(ask(app, new_email)) == (429, "too_many_messages")
    assert len(emails_to(new_email)) == PROOFS.count


@pytest.mark.parametrize("email", ["", "no address", "a@b\r\nBcc: c@d.example", f"{'x' * 250}@example.edu"])
def test_invalid_email_is_refused_by_field(person: Person, address: str, email: str) -> None:
    response = ask(app_of(person, address), email)
    assert problem(response) == (400, "invalid")
    assert set(response.json()["errors"]) == {"email"}


def test_phone_changes_once_its_code_is_confirmed(
    person: Person, address: str, text_messages: type[TextMessages]
) -> None:
    app = app_of(person, address)
    asked = send(app, "POST", "me/phone", {"phone": NUMBER})
    assert asked.status_code == 202
    work()
    assert send(app, "GET", "me").json()["phone"] is None
    body = {"verification": asked.json()["verification"], "code": text_messages.code(NUMBER)}
    assert send(app, "POST", "me/phone/verify", body).status_code == 204
    me = send(app, "GET", "me").json()
    assert (me["phone"], me["phone_verified"]) == (NUMBER, True)
    assert problem(send(app, "POST", "me/phone/verify", body)) == (400, "link_refused")
    assert audited(person.id) == [("account.phone_asked", "person"), ("account.phone_changed", "person")]


def test_wrong_phone_codes_are_counted(person: Person, address: str, text_messages: type[TextMessages]) -> None:
    """After five attempts, with a million possible codes, even the right one is refused."""
    app = app_of(person, address)
    verification = send(app, "POST", "me/phone", {"phone": NUMBER}).json()["verification"]
    work()
    right = text_messages.code(NUMBER)
    wrong = {"verification": verification, "code": "000000" if right != "000000" else "000001"}
    for left in reversed(range(proofs.ATTEMPTS)):
        response = send(app, "POST", "me/phone/verify", wrong)
        assert problem(response) == (400, "wrong_code")
        assert response.json()["attempts_left"] == left
    body = wrong | {"code": right}
    assert problem(send(app, "POST", "me/phone/verify", body)) == (400, "link_refused")
    assert User.objects.get(pk=person.id).phone is None


@pytest.mark.parametrize("why", ["of somebody else", "expired", "unknown"])
def test_phone_code_is_accepted_only_for_its_unexpired_verification(
    person: Person, address: str, text_messages: type[TextMessages], why: str
) -> None:
    app = app_of(person, address)
    verification = send(app, "POST", "me/phone", {"phone": NUMBER}).json()["verification"]
    work()
    if why == "of somebody else":
        app = app_of(AccountFactory.create(), address)
    elif why == "expired":
        Proof.objects.filter(pk=verification).update(expires_at=timezone.now() - timedelta(seconds=1))
    else:
        verification = str(person.id)
    body = {"verification": verification, "code": text_messages.code(NUMBER)}
    assert problem(send(app, "POST", "me/phone/verify", body)) == (400, "link_refused")
    assert Proof.objects.filter(user=person.user, attempts=0).exists()


def test_phone_change_is_refused_without_sms_provider(person: Person, address: str) -> None:
    response = send(app_of(person, address), "POST", "me/phone", {"phone": NUMBER})
    assert problem(response) == (409, "sms_not_configured")
    assert not Proof.objects.filter(user=person.user).exists()


@pytest.mark.parametrize("phone", ["", "2025550123", "+0125550123", "+1202555", "+1 202 555 0123", "+1" + "2" * 15])
def test_invalid_phone_number_is_refused_by_field(
    person: Person, address: str, phone: str, text_messages: type[TextMessages]
) -> None:
    response = send(app_of(person, address), "POST", "me/phone", {"phone": phone})
    if phone == "+1202555":
        assert response.status_code == 202, "short numbers exist"
    else:
        assert problem(response) == (400, "invalid")
        assert set(response.json()["errors"]) == {"phone"}


def test_phone_number_can_be_removed(person: Person, address: str) -> None:
    User.objects.filter(pk=person.id).update(phone=NUMBER, phone_verified=True)
    app = app_of(person, address)
    assert [send(app, "DELETE", "me/phone").status_code for _ in range(2)] == [204, 204]
    me = send(app, "GET", "me").json()
    assert (me["phone"], me["phone_verified"]) == (None, False)
    assert audited(person.id) == [("account.phone_removed", "person")]


def test_email_change_is_published_in_the_feed(person: Person, address: str, new_email: str) -> None:
    from apps.common.feed import since

    ask(app_of(person, address), new_email)
    with tenant_scope([person.organization]):
        before = since(person.organization, 0, limit=100)
    confirm(address, link(new_email, "confirm-email"))
    with tenant_scope([person.organization]):
        after = since(person.organization, 0, limit=100)
    assert len(after) == len(before) + 1
    assert f'"resource":"people","id":"{person.id}"' in after[-1].text


def test_admin_needs_password_to_change_own_email(address: str, new_email: str) -> None:
    admin = AccountFactory.create(role=Role.ADMIN)
    assert problem(send(app_of(admin, address), "POST", "me/email", {"email": new_email})) == (400, "invalid")
