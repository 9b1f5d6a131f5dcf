"""Limits on e-mails that callers can trigger, and entered names in these e-mails."""

import re
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts.mail import messages
from apps.accounts.mail.budgets import TooManyMessages, spend
from apps.accounts.mail.names import LONGEST, as_text, in_subject
from apps.accounts.models import Role
from apps.common.db.scope import tenant_scope
from apps.common.http.callers.addresses import source_of
from apps.common.limits import MESSAGES, Limit, Message, Per
from apps.tenancy.models import Organization
from tests.kit.callers import send
from tests.kit.mailbox import emails_to, work
from tests.kit.people import PASSWORD, AccountFactory, Person
from tests.kit.second_factor import Api
from tests.kit.valkey import valkey_away

pytestmark = pytest.mark.slow


def limit_of(message: Message, per: Per) -> Limit:
    """Return the limit with the shortest window."""
    return min((one for one in MESSAGES if (one.what, one.per) == (message, per)), key=lambda one: one.window)


SOURCE = limit_of(Message.OPEN_REGISTRATION, Per.SOURCE)
SCHOOL = limit_of(Message.OPEN_REGISTRATION, Per.SCHOOL)


def stranger() -> str:
    return f"{secrets.token_hex(8)}@strangers.example"


@pytest.fixture
def slug() -> str:
    """The slug of a school with open registration."""
    school = AccountFactory.create(role=Role.ADMIN).organization
    with tenant_scope([school]):
        Organization.objects.update(settings={"open_registration": True})
        return Organization.objects.get().slug


def register(slug: str, address: str) -> Any:
    body = {"organization": slug, "email": stranger()}
    return send(Client(REMOTE_ADDR=address), "POST", "auth/register", body)


def test_open_registration_is_limited_per_source_address(slug: str, address: str) -> None:
    answers = [register(slug, address) for _ in range(4 * SOURCE.count)]
    assert [one.status_code for one in answers].count(202) == SOURCE.count
    refused = answers[-1]
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_messages")
    assert 1 <= int(refused["Retry-After"]) <= SOURCE.seconds
    assert register(slug, f"192.0.2.{secrets.randbelow(250)}").status_code == 202


@pytest.mark.parametrize("exists", [True, False])
def test_open_registration_is_limited_per_school(slug: str, exists: bool) -> None:
    """Also for an unknown school, so that the response reveals nothing."""
    named = slug if exists else f"none-{secrets.token_hex(6)}"
    answers = [register(named, f"198.51.100.{number}") for number in range(2 * SCHOOL.count)]
    assert [one.status_code for one in answers].count(202) == SCHOOL.count


@pytest.mark.parametrize("page", [True, False])
def test_password_reset_requests_are_limited_per_source_address(address: str, page: bool) -> None:
    limit = limit_of(Message.FORGOTTEN_PASSWORD, Per.SOURCE)
    client = Client(REMOTE_ADDR=address)

    def ask() -> Any:
        if page:
            return client.post("/forgot-password/", {"email": stranger()})
        return send(client, "POST", "auth/password/forgot", {"email": stranger()})

    with pytest.raises(TooManyMessages):
        while True:
            spend(Message.FORGOTTEN_PASSWORD, source=source_of(address))
    refused = ask()
    assert refused.status_code == 429
    assert 1 <= int(refused["Retry-After"]) <= limit.seconds


def test_forgot_password_page_is_the_same_for_known_and_unknown_emails(person: Person, address: str) -> None:
    client = Client(REMOTE_ADDR=address)
    known, unknown = (client.post("/forgot-password/", {"email": one}) for one in (person.email, stranger()))
    assert known.status_code == unknown.status_code == 200
    assert known.content.count(b"is on its way there") == unknown.content.count(b"is on its way there") == 1
    nonsense = client.post("/forgot-password/", {"email": "a@b.example, c@d.example"})
    assert (nonsense.status_code, b"not an e-mail address" in nonsense.content) == (400, True)
    work()


def test_known_device_can_request_reset_when_source_budget_is_spent(person: Person, address: str) -> None:
    device = Client(REMOTE_ADDR=address)
    body = {"email": person.email, "password": PASSWORD}
    assert device.post("/api/v1/auth/login", body, content_type="application/json").status_code == 200
    with pytest.raises(TooManyMessages):
        while True:
            spend(Message.FORGOTTEN_PASSWORD, source=source_of(address))
    assert send(device, "POST", "auth/password/forgot", {"email": person.email}).status_code == 202
    assert len(emails_to(person.email)) == 1


def test_invitations_are_limited_per_recipient(address: str) -> None:
    api = Api(AccountFactory.create(role=Role.ADMIN), address)
    invitations = f"organizations/{api.person.organization}/invitations"
    made = api.ask("POST", invitations, {"email": stranger(), "role": "viewer"})
    assert made.status_code == 201, made.content
    answers = [
        api.ask("POST", f"{invitations}/{made.json()['id']}/resend").status_code
        for _ in range(limit_of(Message.INVITATION, Per.RECIPIENT).count)
    ]
    assert (answers[0], answers[-1]) == (200, 429)


def test_every_message_has_a_school_budget() -> None:
    assert {limit.what for limit in MESSAGES if limit.per is Per.SCHOOL} == set(Message)
    public_messages = {Message.OPEN_REGISTRATION, Message.FORGOTTEN_PASSWORD, Message.NEW_ADDRESS}
    assert {limit.what for limit in MESSAGES if limit.per is Per.SOURCE} == public_messages


@pytest.fixture
def no_valkey() -> Iterator[None]:
    with valkey_away():
        yield


@pytest.mark.usefixtures("no_valkey")
def test_messages_are_not_limited_while_valkey_is_down() -> None:
    for _ in range(3 * SOURCE.count):
        spend(Message.OPEN_REGISTRATION, source="192.0.2.1", school="lincoln")


# --- Names -----------------------------------------------------------------------------------------------------------

LINKS = [
    "evil.example",
    "https://evil.example/login",
    "Lincoln evil.example/x",
    "www evil example",
    "evil\u3002example",
    "evil\uff0eexample",
    "mailto:a@evil.example",
    "tel:+12025550123",
    "a@evil.example",
    "//evil/x",
    "10.0.0.1",
    "javascript:alert(1)",
    "evil\u200b.example",
    "evil.\u202eelpmaxe",
    "Lincoln\r\nBcc: all@evil.example",
]
PLAIN = [
    "Lincoln High School",
    "St. Mary's",
    "P. S. 118",
    "École Élémentaire",
    "Ho'okena & Sons",
    "小学校",
    "No. 4 (North)",
]
LINK = re.compile(r"\S[.\u3002\uff0e\uff61\u2024]\S|@|/|\\|:\S")


@pytest.mark.parametrize("name", LINKS)
def test_name_that_looks_like_a_link_is_no_link_in_emails(name: str) -> None:
    email = messages.invitation(to="a@school.example", organization=name, secret="x", expires_at=timezone.now())
    assert email.subject == "Your school invites you to SafeSignal"
    first = email.text.splitlines()[0]
    assert not LINK.search(first), first
    day = messages.day_account(to="a@school.example", organization=name, code="x", expires_at=timezone.now())
    assert day.subject == "Your SafeSignal access at your school"
    assert not LINK.search(day.text.partition(" until ")[0])


@pytest.mark.parametrize("name", PLAIN)
def test_plain_school_name_is_kept_in_subject_and_text(name: str) -> None:
    assert in_subject(name) == name
    assert as_text(name) == name


@given(st.text(max_size=300))
def test_rendered_name_is_one_line_without_links(name: str) -> None:
    for rendered in (as_text(name), in_subject(name)):
        assert len(rendered) <= LONGEST
        assert rendered.isprintable()
        assert rendered == " ".join(rendered.split())
        assert not LINK.search(rendered.replace("\u2026", "")), rendered


@pytest.mark.parametrize("to", ["a@b.example, c@d.example", "a@b.example\nBcc: c@d.example", "Name <a@b.example>", ""])
def test_email_is_not_sent_unless_recipient_is_one_address(to: str, mailoutbox: list[Any]) -> None:
    messages.send(messages.password_changed(to=to))
    assert mailoutbox == []
