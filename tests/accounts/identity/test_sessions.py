"""Sign-ins of a person: listing them, and ending them for every REST endpoint."""

import json
import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import time_machine
from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.db import transaction
from django.test import Client
from django.utils import timezone

from apps.accounts.identity import last_use
from apps.accounts.identity.documents import TokenPairDocument
from apps.accounts.identity.keys import tokens
from apps.accounts.identity.retention import RULES
from apps.accounts.identity.sign_in import services as sign_in
from apps.accounts.identity.sign_in.services import RefreshRefused
from apps.accounts.models import Proof, ProofPurpose, RefreshToken, SignIn, SignInChallenge
from apps.common.access import PrincipalKind
from apps.common.db.scope import system_scope
from apps.common.http.callers.user_agents import UNKNOWN, device_text
from apps.common.retention import apply
from tests.accounts.changes import trail
from tests.kit.people import PASSWORD, AccountFactory, Person
from tests.kit.valkey import valkey_away

pytestmark = pytest.mark.slow

SESSIONS = "/api/v1/me/sessions"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.5 Mobile/15E148 Safari/604.1"
)
EDGE = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 "
    "Safari/537.36 Edg/139.0.0.0"
)


@pytest.fixture
def signs_in(person: Person, address: str) -> Callable[[], TokenPairDocument]:
    return lambda: sign_in.login(email=person.email, password=PASSWORD, address=address, device="A phone")


@pytest.fixture
def browser(person: Person, address: str) -> Client:
    """A browser in which the person has signed in at the portal."""
    client = Client(REMOTE_ADDR=address, headers={"user-agent": FIREFOX})
    answer = client.post("/login/", {"email": person.email, "password": PASSWORD})
    assert answer.status_code == 302
    return client


def with_token(pair: TokenPairDocument) -> Client:
    return Client(headers={"authorization": f"Bearer {pair.access}"})


def sign_in_of(pair: TokenPairDocument) -> UUID:
    sid = tokens.verify(pair.access).sid
    assert sid is not None
    return sid


def listed(client: Client) -> list[Any]:
    answer = client.get(SESSIONS)
    assert answer.status_code == 200
    results: list[Any] = answer.json()["results"]
    return results


def is_refused(client: Client) -> bool:
    answer = client.get(SESSIONS)
    assert answer.status_code == 200 or answer.json()["code"] in {"bad_token", "not_authenticated"}
    return answer.status_code == 401


def test_sessions_lists_own_sign_ins(signs_in: Callable[[], TokenPairDocument], browser: Client, address: str) -> None:
    """The newest first, with the current one marked, and none of other people."""
    sign_in.login(email=AccountFactory.create().email, password=PASSWORD, address=address)
    pair = signs_in()
    by_token, by_browser = listed(with_token(pair)), listed(browser)
    assert [(one["kind"], one["device"], one["address"]) for one in by_token] == [
        ("app", "A phone", address),
        ("browser", "Firefox on Windows", address),
    ]
    assert [one["current"] for one in by_token] == [True, False]
    assert [one["current"] for one in by_browser] == [False, True]
    assert by_token[0]["id"] == str(sign_in_of(pair))


def test_api_sign_in_records_program_and_address(person: Person, address: str) -> None:
    api = Client(REMOTE_ADDR=address, headers={"user-agent": "SafeSignal/1.4 (iOS 18.5; iPhone)"})
    body = json.dumps({"email": person.email, "password": PASSWORD})
    pair = api.post("/api/v1/auth/login", body, content_type="application/json").json()
    (only,) = listed(Client(REMOTE_ADDR=address, headers={"authorization": f"Bearer {pair['access']}"}))
    assert (only["device"], only["address"]) == ("SafeSignal/1.4", address)


@pytest.mark.parametrize(
    ("user_agent", "device"),
    [
        (FIREFOX, "Firefox on Windows"),
        (IPHONE, "Safari on iPhone"),
        (EDGE, "Edge on Windows"),
        ("SafeSignal/1.4 (Android 16)", "SafeSignal/1.4"),
        ("curl/8.15.0", "curl/8.15.0"),
        ("x" * 4000, "x" * 100),
        ("a\x07b", "ab"),
        ("", UNKNOWN),
    ],
)
def test_device_text_summarizes_the_user_agent(user_agent: str, device: str) -> None:
    assert device_text(user_agent) == device


def test_tokens_of_ended_sign_in_are_refused(person: Person, signs_in: Callable[[], TokenPairDocument]) -> None:
    """Both the access token, which is still valid for minutes, and the refresh token; other sign-ins stay."""
    here, there = signs_in(), signs_in()
    assert with_token(here).delete(f"{SESSIONS}/{sign_in_of(there)}").status_code == 204
    assert is_refused(with_token(there))
    with pytest.raises(RefreshRefused):
        sign_in.refresh(token=there.refresh)
    assert not is_refused(with_token(here))
    assert trail(person)[-1] == ("auth.logout", "done", person.organization)


def test_logout_ends_the_access_token_too(signs_in: Callable[[], TokenPairDocument]) -> None:
    pair, other = signs_in(), signs_in()
    answer = Client().post("/api/v1/auth/logout", json.dumps({"refresh": pair.refresh}), "application/json")
    assert answer.status_code == 204
    assert is_refused(with_token(pair))
    assert not is_refused(with_token(other))


def test_browser_can_be_signed_out_from_another_device(
    signs_in: Callable[[], TokenPairDocument], browser: Client
) -> None:
    """Its session is deleted, not only refused: the board redirects to the sign-in page with its form."""
    app = with_token(signs_in())
    (there,) = [one for one in listed(app) if one["kind"] == "browser"]
    assert app.delete(f"{SESSIONS}/{there['id']}").status_code == 204
    key = browser.cookies["sessionid"].value
    answer = browser.get("/board/", follow=True)
    assert answer.redirect_chain == [("/login/?next=%2Fboard%2F", 302)]
    assert answer.status_code == 200
    assert not Session.objects.filter(pk=key).exists()


def test_portal_logout_ends_the_sign_in(person: Person, browser: Client) -> None:
    assert SignIn.objects.filter(user_id=person.id).count() == 1
    assert browser.post("/logout/").status_code == 302
    assert not SignIn.objects.filter(user_id=person.id).exists()
    assert trail(person)[-1] == ("auth.logout", "done", person.organization)


def test_repeated_login_in_a_browser_is_one_sign_in(person: Person, browser: Client) -> None:
    browser.post("/login/", {"email": person.email, "password": PASSWORD})
    assert SignIn.objects.filter(user_id=person.id).count() == 1
    assert not is_refused(browser)


def test_logout_everywhere_ends_every_sign_in(
    person: Person, signs_in: Callable[[], TokenPairDocument], browser: Client
) -> None:
    pair, other = signs_in(), signs_in()
    assert with_token(pair).post("/api/v1/auth/logout-all").status_code == 204
    assert [is_refused(with_token(pair)), is_refused(with_token(other)), is_refused(browser)] == [True] * 3
    assert trail(person)[-1] == ("auth.logout_all", "done", person.organization)
    assert not is_refused(with_token(signs_in()))


def test_all_but_one_sign_in_can_be_ended(person: Person, signs_in: Callable[[], TokenPairDocument]) -> None:
    kept, *others = (signs_in() for _ in range(3))
    with transaction.atomic():
        assert sign_in.end_sign_ins(person.id, except_family=sign_in_of(kept), now=timezone.now()) == 2
    assert [is_refused(with_token(pair)) for pair in (kept, *others)] == [False, True, True]


def test_sign_in_of_another_person_is_not_found(signs_in: Callable[[], TokenPairDocument], address: str) -> None:
    mine = signs_in()
    theirs = sign_in.login(email=AccountFactory.create().email, password=PASSWORD, address=address)
    answer = with_token(mine).delete(f"{SESSIONS}/{sign_in_of(theirs)}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert not is_refused(with_token(theirs))


def test_token_with_sign_in_of_another_person_is_refused(
    person: Person, signs_in: Callable[[], TokenPairDocument]
) -> None:
    """A sign-in belongs to its owner: another subject is refused, even with a valid signature."""
    claims = {"sid": str(sign_in_of(signs_in())), "email": "x@example.edu", "organizations": []}
    forged = tokens.mint(
        kind=PrincipalKind.PERSON, subject=AccountFactory.create().id, claims=claims, lifetime=timedelta(minutes=1)
    )
    assert is_refused(Client(headers={"authorization": f"Bearer {forged}"}))


def test_browser_stays_signed_in_when_the_cache_is_emptied_or_unavailable(
    person: Person, browser: Client, address: str
) -> None:
    cache.clear()
    assert not is_refused(browser)
    with valkey_away():
        assert not is_refused(browser)
        another = Client(REMOTE_ADDR=address)
        assert another.post("/login/", {"email": person.email, "password": PASSWORD}).status_code == 302
        assert not is_refused(another)


def test_session_deleted_from_the_database_is_refused(browser: Client) -> None:
    assert not is_refused(browser)
    Session.objects.filter(pk=browser.session.session_key).delete()
    assert is_refused(browser)


def test_session_without_sign_in_is_refused(person: Person, browser: Client) -> None:
    session = browser.session
    del session["sign_in"]
    session.save()
    assert is_refused(browser)


def test_last_use_is_written_at_most_every_five_minutes(
    signs_in: Callable[[], TokenPairDocument], address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five minutes later, only by the first of many requests, and with the address of the request."""
    pair = signs_in()
    row = SignIn.objects.filter(pk=sign_in_of(pair))
    began = timezone.now()
    client = Client(REMOTE_ADDR="2001:db8::5", headers={"authorization": f"Bearer {pair.access}"})
    client.get(SESSIONS)
    assert row.get().used_at < began
    monkeypatch.setattr(last_use, "_seldom", last_use.Seldom())
    row.update(used_at=began - last_use.SIGN_IN_EVERY)
    client.get(SESSIONS)
    first = row.get()
    assert first.used_at > began and first.address == "2001:db8::5"
    client.get(SESSIONS)
    assert row.get().used_at == first.used_at


def forget_sign_ins() -> None:
    for rule in RULES:
        apply(rule, now=timezone.now())


def test_expired_sign_ins_are_deleted_with_their_addresses(
    person: Person, browser: Client, signs_in: Callable[[], TokenPairDocument]
) -> None:
    """An address is kept no longer than its sign-in, and a secret no longer than it is valid."""
    signs_in()
    now = timezone.now()
    Proof.objects.create(user=person.user, purpose=ProofPurpose.EMAIL, value=person.email, expires_at=now)
    SignInChallenge.objects.create(user=person.user, digest=secrets.token_bytes(32), expires_at=now)
    kept = (SignIn, RefreshToken, Proof, SignInChallenge)
    assert all(model.objects.filter(user_id=person.id).exists() for model in kept)
    with time_machine.travel(now + timedelta(days=settings.REFRESH_TOKEN_DAYS, hours=2), tick=False):
        forget_sign_ins()
    assert not any(model.objects.filter(user_id=person.id).exists() for model in kept)
    assert not Session.objects.filter(pk=browser.session.session_key).exists()


def test_expired_refresh_token_is_deleted_before_its_sign_in(
    person: Person, signs_in: Callable[[], TokenPairDocument]
) -> None:
    signs_in()
    RefreshToken.objects.filter(user_id=person.id).update(expires_at=timezone.now() - timedelta(hours=2))
    forget_sign_ins()
    assert SignIn.objects.filter(user_id=person.id).exists()
    assert not RefreshToken.objects.filter(user_id=person.id).exists()


@pytest.mark.parametrize("subject", ["sign_ins", "refresh_tokens"])
def test_expired_sign_ins_are_deleted_in_batches(subject: str, signs_in: Callable[[], TokenPairDocument]) -> None:
    """No transaction is long, however many have expired."""
    for _ in range(3):
        signs_in()
    end = timezone.now() + timedelta(days=settings.REFRESH_TOKEN_DAYS, hours=2)
    (rule,) = (rule for rule in RULES if rule.subject == subject)
    with system_scope():
        assert rule.forget(before=end, limit=2) == 2


def test_refresh_extends_the_sign_in(signs_in: Callable[[], TokenPairDocument]) -> None:
    pair = signs_in()
    later = timezone.now() + timedelta(days=7)
    sign_in.refresh(token=pair.refresh, address="2001:db8::6", now=later)
    row = SignIn.objects.get(pk=sign_in_of(pair))
    assert (row.used_at, row.address) == (later, "2001:db8::6")
    assert row.expires_at == later + timedelta(days=settings.REFRESH_TOKEN_DAYS)
