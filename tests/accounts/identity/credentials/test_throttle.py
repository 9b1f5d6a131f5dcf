"""Guessing is throttled, and no one can lock out another person."""

import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis
from django.conf import settings as installed
from django.test import Client, RequestFactory
from django.utils import timezone
from pytest_django import Settings

from apps.accounts.identity.credentials.throttle import PASSWORD, SECOND_FACTOR, Limits, LoginThrottle, TooManyGuesses
from apps.accounts.identity.sign_in import services as sign_in
from apps.accounts.identity.sign_in.services import WrongCredentials
from apps.accounts.models import MembershipScope, Role
from apps.accounts.people import day_accounts
from apps.accounts.people.memberships import RoleAt
from apps.accounts.rights.grants import person_principal
from apps.common import valkey
from apps.common.db.scope import tenant_scope
from apps.common.http.callers.addresses import address_of, source_of
from tests.accounts.waits import end_waits
from tests.kit.mailbox import link
from tests.kit.people import PASSWORD as RIGHT
from tests.kit.people import AccountFactory, Person
from tests.kit.second_factor import JSON, Api, code
from tests.kit.valkey import valkey_away

pytestmark = pytest.mark.slow

WRONG = "not the password"
LOGIN = "/api/v1/auth/login"
SLOWED = 11
"""Wrong answers beyond the free ones that lead to the longest wait, so that no test depends on its own speed."""


def fail(email: str, address: str, times: int, *, device: str | None = None, limits: Limits = PASSWORD) -> None:
    """Give wrong answers, each after ending the wait before it as time would."""
    for _ in range(times):
        tried = LoginThrottle(account=email, address=address, device=device, limits=limits)
        end_waits(tried)
        tried.hit()


def wait(email: str, address: str, *, device: str | None = None, limits: Limits = PASSWORD) -> int:
    """Seconds to wait for the next attempt; without a wait this counts as one."""
    try:
        LoginThrottle(account=email, address=address, device=device, limits=limits).hit()
    except TooManyGuesses as problem:
        assert problem.headers["Retry-After"] == str(problem.retry_after)
        return problem.retry_after
    return 0


def wait_now(email: str, address: str, *, device: str | None, limits: Limits) -> float:
    """Seconds that the next attempt would wait, without making it."""
    tried = LoginThrottle(account=email, address=address, device=device, limits=limits)
    return max(float(valkey.client().pttl(key)) for key in tried._keys[2::2]) / 1000


def refused(call: Callable[[], Any]) -> Any:
    """Repeat a call that is always wrong and return the first response that asks to wait."""
    for _ in range(50):
        answer = call()
        if answer.status_code == 429:
            return answer
    raise AssertionError("nothing was refused")


@pytest.fixture
def email() -> str:
    return f"{secrets.token_hex(8)}@example.edu"


@pytest.fixture
def elsewhere() -> str:
    return secrets.token_hex(8)


def test_guessing_one_account_from_one_address_is_throttled(email: str, address: str, elsewhere: str) -> None:
    fail(email, address, PASSWORD["pair"].count + SLOWED)
    assert wait(email, address)
    assert wait(f" {email.upper()} ", address)
    assert not wait(email, elsewhere)
    assert not wait(f"other-{email}", address)


@pytest.mark.parametrize("limits", [PASSWORD, SECOND_FACTOR], ids=["password", "code"])
@pytest.mark.parametrize("kind", ["device", "pair"])
def test_waits_grow_up_to_a_maximum(email: str, address: str, limits: Limits, kind: str) -> None:
    device = "a device" if kind == "device" else None
    free, longest = limits[kind].count, limits[kind].longest_wait
    for number in range(1, free + SLOWED + 1):
        fail(email, address, 1, device=device, limits=limits)
        waits = wait_now(email, address, device=device, limits=limits)
        assert waits <= (min(longest, 2 ** (number - free - 1)) if number > free else 0)
    assert waits > longest / 2
    for limit in limits.values():
        assert 1 <= limit.longest_wait <= limit.seconds


def test_attempts_during_a_wait_do_not_extend_it(email: str, address: str) -> None:
    fail(email, address, PASSWORD["pair"].count + SLOWED)
    first = wait(email, address)
    assert first
    assert all(wait(email, address) <= first for _ in range(20))


def test_parallel_guesses_are_counted(email: str, address: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        waits = list(pool.map(lambda _: wait(email, address), range(5 * PASSWORD["pair"].count)))
    assert waits.count(0) < 2 * PASSWORD["pair"].count


def test_right_passwords_are_not_counted(email: str, address: str) -> None:
    for _ in range(3 * PASSWORD["pair"].count):
        tried = LoginThrottle(account=email, address=address)
        tried.hit()
        tried.clear()
    assert not wait(email, address)


def test_guessing_from_many_addresses_does_not_throttle_the_usual_address(email: str, address: str) -> None:
    at_work = LoginThrottle(account=email, address=address)
    at_work.hit()
    at_work.clear()
    for number in range(PASSWORD["account"].count + SLOWED):
        fail(email, f"botnet {number}", 1)
    assert wait(email, "one more")
    assert not wait(email, address)


def test_guessing_many_accounts_does_not_throttle_accounts_in_use_there(email: str, address: str) -> None:
    at_work = LoginThrottle(account=email, address=address)
    at_work.hit()
    at_work.clear()
    for number in range(PASSWORD["source"].count + SLOWED):
        fail(f"{number}-{email}", address, 1)
    assert wait(f"0-{email}", address)
    assert not wait(email, address)


def test_first_attempt_of_an_account_is_free_at_a_throttled_address(email: str, address: str) -> None:
    """A thousand phones share the address of a school, and one of them guesses."""
    for number in range(PASSWORD["source"].count + 20):
        fail(f"{number}-{email}", address, 1)
    assert wait(f"0-{email}", address)
    for number in range(100):
        newcomer = LoginThrottle(account=f"newcomer-{number}-{email}", address=address)
        newcomer.hit()
        newcomer.clear()


def test_ipv6_network_counts_as_one_source(email: str) -> None:
    assert source_of("2001:db8:1:2::1") == source_of("2001:db8:1:2:ffff::") != source_of("2001:db8:1:3::1")
    assert source_of("::ffff:192.0.2.1") == "192.0.2.1"
    for number in range(PASSWORD["pair"].count + SLOWED):
        fail(email, f"2001:db8:1:2::{number:x}", 1)
    assert wait(email, "2001:db8:1:2:abcd::")


def app(address: str) -> Client:
    return Client(REMOTE_ADDR=address)


def login(client: Client, email: str, password: str) -> Any:
    return client.post(LOGIN, {"email": email, "password": password}, content_type=JSON)


def test_api_returns_429_with_retry_after(person: Person, address: str) -> None:
    api = app(address)
    response = refused(lambda: login(api, person.email, WRONG))
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["code"] == "too_many_guesses"
    assert 1 <= int(response["Retry-After"]) <= PASSWORD["pair"].longest_wait


# --- Known devices ---------------------------------------------------------------------------------------------------


def known_app(person: Person, address: str) -> Client:
    """An app that the person has signed in on."""
    client = app(address)
    assert login(client, person.email, RIGHT).status_code == 200
    assert installed.DEVICE_COOKIE_NAME in client.cookies
    return client


def known_browser(person: Person, address: str) -> Client:
    client = app(address)
    assert client.post("/login/", {"email": person.email, "password": RIGHT}).status_code == 302
    client.cookies.pop(installed.SESSION_COOKIE_NAME)
    return client


@pytest.mark.parametrize("known", [known_app, known_browser])
def test_right_password_is_accepted_on_a_known_device_while_others_guess(
    person: Person, address: str, known: Any
) -> None:
    """Eleven wrong passwords beyond the free ones from the same address, and more from other addresses."""
    device = known(person, address)
    fail(person.email, address, PASSWORD["pair"].count + SLOWED)
    for number in range(PASSWORD["account"].count + SLOWED):
        fail(person.email, f"botnet {number}", 1)
    assert wait(person.email, address)
    assert login(app(address), person.email, RIGHT).status_code == 429
    assert login(device, person.email, RIGHT).status_code == 200
    assert device.post("/login/", {"email": person.email, "password": RIGHT}).status_code == 302


def test_known_device_is_throttled_by_its_own_wrong_answers_only(person: Person, address: str) -> None:
    device, other = known_app(person, address), known_app(person, address)
    assert refused(lambda: login(device, person.email, WRONG)).json()["code"] == "too_many_guesses"
    assert login(other, person.email, RIGHT).status_code == 200


def test_device_is_known_only_for_accounts_that_signed_in_on_it(person: Person, address: str) -> None:
    colleague = AccountFactory.create(organization=person.organization)
    device = known_app(person, address)
    fail(colleague.email, address, PASSWORD["pair"].count + SLOWED)
    assert login(device, colleague.email, RIGHT).status_code == 429


def test_several_accounts_can_share_a_known_device(person: Person, address: str) -> None:
    colleague = AccountFactory.create(organization=person.organization)
    device = known_app(person, address)
    assert login(device, colleague.email, RIGHT).status_code == 200
    for one in (person, colleague):
        fail(one.email, address, PASSWORD["pair"].count + SLOWED)
        assert login(device, one.email, RIGHT).status_code == 200


def test_device_cookie_is_encrypted_and_does_not_authenticate(person: Person, address: str) -> None:
    device = known_app(person, address)
    cookie = device.cookies[installed.DEVICE_COOKIE_NAME]
    assert person.email.casefold() not in cookie.value.casefold()
    assert (cookie["httponly"], cookie["samesite"], cookie["path"], cookie["domain"]) == (True, "Strict", "/", "")
    assert device.get("/api/v1/me").status_code == 401
    for forged in (cookie.value[:-4] + "AAAA", "x", ""):
        stranger = app(address)
        stranger.cookies[installed.DEVICE_COOKIE_NAME] = forged
        fail(person.email, address, PASSWORD["pair"].count + SLOWED)
        assert login(stranger, person.email, RIGHT).status_code == 429


def test_password_reset_makes_the_device_known(person: Person, address: str) -> None:
    """The way to sign in without a known device while others guess."""
    device = app(address)
    asked = device.post("/api/v1/auth/password/forgot", {"email": person.email}, content_type=JSON)
    assert asked.status_code == 202
    body = {"token": link(person.email, "reset-password"), "password": f"another {RIGHT}"}
    assert device.post("/api/v1/auth/password/reset", body, content_type=JSON).status_code == 204
    fail(person.email, address, PASSWORD["pair"].count + SLOWED)
    assert login(app(address), person.email, f"another {RIGHT}").status_code == 429
    assert login(device, person.email, f"another {RIGHT}").status_code == 200


def test_signed_in_person_can_confirm_password_while_others_guess(person: Person, address: str) -> None:
    api = Api(person, address)
    fail(person.email, address, PASSWORD["pair"].count + SLOWED)
    assert api.ask("POST", "me/confirmation", {"password": RIGHT}).status_code == 200
    slowed = refused(lambda: api.ask("POST", "me/confirmation", {"password": WRONG}))
    assert slowed.json()["code"] == "too_many_guesses"


# --- Second factors --------------------------------------------------------------------------------------------------


def second_step(client: Client, challenge: str, answer: str) -> Any:
    body = {"challenge": challenge, "code": answer}
    return client.post("/api/v1/auth/login/second-factor", body, content_type=JSON)


def challenge(client: Client, person: Person) -> str:
    answer = login(client, person.email, RIGHT)
    assert answer.json()["code"] == "second_factor_required", answer.content
    return str(answer.json()["challenge"])


def test_unfinished_second_factors_do_not_lock_out_the_owner(person: Person, address: str) -> None:
    """A thief who knows only the password is throttled; the owner signs in on a known device."""
    device = known_app(person, address)
    secret, _ = Api(person, address).set_up_totp()
    thief = app(f"{address[:-4]}1234")
    assert refused(lambda: login(thief, person.email, RIGHT)).json()["code"] == "too_many_guesses"
    done = second_step(device, challenge(device, person), code(secret))
    assert done.status_code == 200, done.content


def test_wrong_codes_of_others_do_not_throttle_a_known_device(person: Person, address: str) -> None:
    device = known_app(person, address)
    secret, recovery = Api(person, address).set_up_totp()
    for number in range(SECOND_FACTOR["account"].count + SLOWED):
        fail(str(person.id), f"botnet {number}", 1, limits=SECOND_FACTOR)
    stranger = app(address)
    slowed = second_step(stranger, challenge(stranger, person), recovery[0])
    assert (slowed.status_code, slowed.json()["code"]) == (429, "too_many_guesses")
    assert second_step(device, challenge(device, person), code(secret)).status_code == 200


# --- Codes of day accounts -------------------------------------------------------------------------------------------


def test_wrong_day_codes_do_not_lock_out_newcomers(person: Person, address: str) -> None:
    """More than 300 from the address of the building, before a substitute signs in there."""
    actor = person_principal(AccountFactory.create(role=Role.ADMIN, organization=person.organization).id)
    assert actor is not None
    with tenant_scope([person.organization]):
        _, right = day_accounts.create(
            actor=actor,
            organization_id=person.organization,
            first_name="Sub",
            last_name="Stitute",
            email=None,
            held=RoleAt(Role.OPERATOR, MembershipScope.ORGANIZATION),
            expires_at=None,
            now=timezone.now(),
        )
    client = app(address)
    for number in range(PASSWORD["source"].count + SLOWED):
        answer = client.post("/api/v1/auth/day", {"code": f"AAAA-AAAA-{number:04}"}, content_type=JSON)
        assert answer.status_code == 400, answer.content
    assert client.post("/api/v1/auth/day", {"code": right}, content_type=JSON).status_code == 200
    assert login(app(address), person.email, RIGHT).status_code == 200


# --- Environment -----------------------------------------------------------------------------------------------------


@pytest.fixture
def no_valkey() -> Iterator[None]:
    with valkey_away():
        yield


@pytest.mark.usefixtures("no_valkey")
def test_people_can_sign_in_while_valkey_is_down(person: Person, address: str) -> None:
    with pytest.raises(redis.RedisError):
        valkey.client().ping()
    assert sign_in.login(email=person.email, password=RIGHT, address=address).access
    with pytest.raises(WrongCredentials):
        sign_in.login(email=person.email, password="wrong", address=address)


def test_address_is_that_of_the_peer_unless_a_proxy_is_declared(settings: Settings) -> None:
    request = RequestFactory().get("/", REMOTE_ADDR="10.0.0.9", headers={"x-forwarded-for": "6.6.6.6, 203.0.113.7"})
    settings.SECURE_PROXY_SSL_HEADER = None
    assert address_of(request) == "10.0.0.9"
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    assert address_of(request) == "203.0.113.7"
    assert address_of(RequestFactory().get("/", REMOTE_ADDR="10.0.0.9")) == "10.0.0.9"
