"""Guessing is slowed, and nobody is locked out by somebody else."""

import secrets
from collections.abc import Iterator

import pytest
import redis
from django.test import Client, RequestFactory
from pytest_django import Settings

from apps.accounts import throttle
from apps.accounts.services import sign_in
from apps.accounts.services.sign_in import WrongCredentials
from apps.accounts.throttle import Guess, TooManyGuesses
from apps.common import bus
from apps.common.addresses import address_of
from tests.accounts.people import PASSWORD, Person


def fail(email: str, address: str, times: int) -> None:
    for _ in range(times):
        Guess(email=email, address=address).take()


def waits(email: str, address: str) -> bool:
    try:
        Guess(email=email, address=address).take()
    except TooManyGuesses as problem:
        assert 1 <= problem.retry_after <= throttle.WINDOW_SECONDS
        return True
    return False


@pytest.fixture
def email() -> str:
    return f"{secrets.token_hex(8)}@example.edu"


@pytest.fixture
def elsewhere() -> str:
    return secrets.token_hex(8)


def test_guessing_one_account_from_one_address_is_slowed(email: str, address: str, elsewhere: str) -> None:
    fail(email, address, throttle.PER_ACCOUNT_AND_ADDRESS)
    assert waits(email, address)
    assert waits(f" {email.upper()} ", address)
    assert not waits(email, elsewhere)
    assert not waits(f"other-{email}", address)


def test_right_passwords_do_not_count(email: str, address: str) -> None:
    for _ in range(3 * throttle.PER_ACCOUNT_AND_ADDRESS):
        guess = Guess(email=email, address=address)
        guess.take()
        guess.right()
    assert not waits(email, address)


def test_guessing_from_everywhere_is_slowed_but_not_where_the_person_works(email: str, address: str) -> None:
    at_work = Guess(email=email, address=address)
    at_work.take()
    at_work.right()
    for number in range(throttle.PER_ACCOUNT):
        fail(email, f"botnet {number}", 1)
    assert waits(email, "one more")
    assert not waits(email, address)


def test_guessing_many_accounts_from_one_address_is_slowed_but_not_for_who_works_there(
    email: str, address: str
) -> None:
    at_work = Guess(email=email, address=address)
    at_work.take()
    at_work.right()
    for number in range(throttle.PER_ADDRESS):
        fail(f"{number}-{email}", address, 1)
    assert waits(f"one-more-{email}", address)
    assert not waits(email, address)


def test_the_wait_ends_by_itself(email: str, address: str) -> None:
    fail(email, address, throttle.PER_ACCOUNT_AND_ADDRESS)
    keys = [key for key in Guess(email=email, address=address).limits if bus.client().ttl(key) > 0]
    assert len(keys) == 3


def test_the_api_answers_429_and_says_when(person: Person, address: str) -> None:
    api = Client(REMOTE_ADDR=address)
    body = {"email": person.email, "password": "wrong"}
    for _ in range(throttle.PER_ACCOUNT_AND_ADDRESS):
        assert api.post("/api/v1/auth/login", body, content_type="application/json").status_code == 401
    response = api.post("/api/v1/auth/login", body, content_type="application/json")
    assert response.status_code == 429
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["code"] == "too_many_guesses"
    assert 1 <= int(response["Retry-After"]) <= throttle.WINDOW_SECONDS


@pytest.fixture
def no_valkey(settings: Settings) -> Iterator[None]:
    settings.VALKEY_URL = "unix:///nowhere/valkey.sock"
    bus.client.cache_clear()
    yield
    bus.client.cache_clear()


@pytest.mark.usefixtures("no_valkey")
def test_people_sign_in_while_valkey_is_away(person: Person, address: str) -> None:
    with pytest.raises(redis.RedisError):
        bus.client().ping()
    assert sign_in.login(email=person.email, password=PASSWORD, address=address).access
    with pytest.raises(WrongCredentials):
        sign_in.login(email=person.email, password="wrong", address=address)


def test_the_address_is_the_peers_unless_a_proxy_is_declared(settings: Settings) -> None:
    request = RequestFactory().get("/", REMOTE_ADDR="10.0.0.9", headers={"x-forwarded-for": "6.6.6.6, 203.0.113.7"})
    settings.SECURE_PROXY_SSL_HEADER = None
    assert address_of(request) == "10.0.0.9"
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    assert address_of(request) == "203.0.113.7"
    assert address_of(RequestFactory().get("/", REMOTE_ADDR="10.0.0.9")) == "10.0.0.9"
