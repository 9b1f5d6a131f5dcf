"""Lifetimes of sign-ins: until idle for too long, and never longer than their kind allows."""

from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from apps.accounts.identity.sign_in import services as sign_in
from apps.accounts.identity.sign_in.services import RefreshRefused
from apps.accounts.models import SignIn, User
from tests.accounts.production import in_production
from tests.kit.people import PASSWORD, Person

pytestmark = pytest.mark.slow

START = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
IDLE = timedelta(days=settings.REFRESH_TOKEN_DAYS)
LONGEST = timedelta(days=settings.APP_SIGN_IN_DAYS)
OPERATOR = timedelta(hours=settings.OPERATOR_SIGN_IN_HOURS)
SECOND = timedelta(seconds=1)


@pytest.fixture
def operator(person: Person) -> Person:
    User.objects.filter(pk=person.id).update(is_super_admin=True)
    person.user.refresh_from_db()
    return person


def lasts(person: Person, every: timedelta) -> timedelta:
    """How long an app that refreshes at this interval stays signed in."""
    token, at = sign_in.begin(user=person.user, now=START).refresh, START
    while True:
        at += every
        try:
            token = sign_in.refresh(token=token, now=at).refresh
        except RefreshRefused:
            return at - START


def test_app_in_use_stays_signed_in_up_to_the_maximum(person: Person) -> None:
    every = timedelta(days=10)
    assert LONGEST <= lasts(person, every) < LONGEST + every


def test_idle_app_is_signed_out(person: Person) -> None:
    token = sign_in.begin(user=person.user, now=START).refresh
    with pytest.raises(RefreshRefused):
        sign_in.refresh(token=token, now=START + IDLE)


def test_app_of_a_super_admin_is_signed_out_after_a_working_day(operator: Person) -> None:
    every = timedelta(minutes=30)
    assert OPERATOR <= lasts(operator, every) < OPERATOR + every


def test_new_super_admin_is_signed_out_after_a_working_day(person: Person) -> None:
    token = sign_in.begin(user=person.user, now=START).refresh
    User.objects.filter(pk=person.id).update(is_super_admin=True)
    with pytest.raises(RefreshRefused):
        sign_in.refresh(token=token, now=START + OPERATOR)


def test_browser_is_signed_out_when_its_session_expires(person: Person, address: str) -> None:
    browser = Client(REMOTE_ADDR=address)
    browser.post("/login/", {"email": person.email, "password": PASSWORD})
    begun = SignIn.objects.get(user_id=person.id)
    assert begun.expires_at - begun.created_at == timedelta(seconds=settings.SESSION_COOKIE_AGE)
    assert browser.get("/api/v1/me").status_code == 200
    SignIn.objects.filter(pk=begun.pk).update(expires_at=timezone.now())
    assert browser.get("/api/v1/me").status_code == 401


def test_browser_of_a_super_admin_is_signed_out_after_a_working_day(operator: Person, address: str) -> None:
    Client(REMOTE_ADDR=address).post("/login/", {"email": operator.email, "password": PASSWORD})
    begun = SignIn.objects.get(user_id=operator.id)
    assert begun.expires_at - begun.created_at == OPERATOR


@pytest.mark.parametrize(
    "wrong",
    [
        {"SAFESIGNAL_APP_SIGN_IN_DAYS": "10"},
        {"SAFESIGNAL_APP_SIGN_IN_DAYS": "3660"},
        {"SAFESIGNAL_REFRESH_TOKEN_DAYS": "0"},
        {"SAFESIGNAL_OPERATOR_SIGN_IN_HOURS": "8760"},
    ],
    ids=str,
)
def test_lifetimes_out_of_bounds_are_refused(wrong: dict[str, str]) -> None:
    refused = in_production("settings.DEBUG", **wrong)
    assert refused.returncode != 0
    assert "ImproperlyConfigured" in refused.stderr
