"""The caller's own password: reset, change, and the sign-ins and links that end with the old one."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.identity.credentials import throttle
from apps.accounts.identity.sign_in import services as sign_in
from apps.accounts.models import Proof, RefreshToken, User, UserStatus
from apps.common.db.scope import tenant_scope
from apps.common.limits import PROOFS
from tests.accounts.callers import anonymous_client, app_of, audited
from tests.accounts.changes import set_status
from tests.kit.callers import send
from tests.kit.mailbox import emails_to, link
from tests.kit.people import PASSWORD, AccountFactory, Person
from tests.kit.refusals import problem

pytestmark = pytest.mark.slow

ANOTHER = "a staple that no horse corrects"
CHANGE = {"current_password": PASSWORD, "password": ANOTHER}


def request_reset(person: Person, address: str) -> str:
    """Request a reset and return the secret in its e-mail."""
    assert (
        send(anonymous_client(address), "POST", "auth/password/forgot", {"email": person.email.lower()}).status_code
        == 202
    )
    return link(person.email, "reset-password")


def reset(address: str, token: str, password: str = ANOTHER) -> Any:
    return send(anonymous_client(address), "POST", "auth/password/reset", {"token": token, "password": password})


def login(person: Person, address: str, password: str) -> int:
    body = {"email": person.email, "password": password}
    return int(send(anonymous_client(address), "POST", "auth/login", body).status_code)


def browser_of(person: Person) -> Client:
    client = Client()
    client.force_login(person.user)
    return client


@pytest.mark.parametrize("who", ["known", "unknown", "suspended", "without a mailbox"])
def test_reset_request_response_is_the_same_for_every_account(person: Person, address: str, who: str) -> None:
    """The response reveals nothing; an e-mail is sent only to the owner of an account that allows signing in."""
    email = f"nobody-{person.email}" if who == "unknown" else person.email
    if who == "suspended":
        set_status(person, UserStatus.SUSPENDED)
    if who == "without a mailbox":
        email = f"{person.id}@day.invalid"
        User.objects.filter(pk=person.id).update(email=email)
    response = send(anonymous_client(address), "POST", "auth/password/forgot", {"email": email})
    assert (response.status_code, response.content) == (202, b"")
    assert len(emails_to(email)) == (who == "known")


def test_reset_link_sets_the_password_once_and_ends_every_sign_in(person: Person, address: str) -> None:
    refresh = sign_in.login(email=person.email, password=PASSWORD, address=address).refresh
    browser = browser_of(person)
    token = request_reset(person, address)
    assert reset(address, token).status_code == 204
    assert (login(person, address, PASSWORD), login(person, address, ANOTHER)) == (401, 200)
    assert (
        problem(send(anonymous_client(address), "POST", "auth/refresh", {"refresh": refresh}))[1] == "refresh_refused"
    )
    assert problem(browser.get("/api/v1/me")) == (401, "not_authenticated")
    assert problem(reset(address, token)) == (400, "link_refused")
    assert emails_to(person.email)[-1].subject == "Your password was changed"
    assert audited(person.id) == [("account.password_reset_asked", "nobody"), ("account.password_reset", "person")]
    assert User.objects.get(pk=person.id).email_verified


def test_reset_link_stays_valid_after_a_weak_password(person: Person, address: str) -> None:
    token = request_reset(person, address)
    for weak in ("short", "password1234", person.email):
        response = reset(address, token, weak)
        assert problem(response) == (400, "invalid")
        assert set(response.json()["errors"]) == {"password"}
    assert reset(address, token).status_code == 204


@pytest.mark.parametrize("why", ["unknown", "expired", "for another purpose", "owner suspended"])
def test_reset_with_invalid_link_is_refused(person: Person, address: str, why: str) -> None:
    token = request_reset(person, address)
    if why == "unknown":
        token = "x" * 43
    elif why == "expired":
        Proof.objects.filter(user=person.user).update(expires_at=timezone.now())
    elif why == "for another purpose":
        Proof.objects.filter(user=person.user).update(purpose="email")
    else:
        set_status(person, UserStatus.SUSPENDED)
    assert problem(reset(address, token)) == (400, "link_refused")
    assert User.objects.get(pk=person.id).check_password(PASSWORD)


def test_reset_requests_are_limited_and_keep_the_first_link_valid(person: Person, address: str) -> None:
    """The link that the owner requested stays valid, however often others request one in their name."""
    token = request_reset(person, address)
    for _ in range(5):
        send(anonymous_client(address), "POST", "auth/password/forgot", {"email": person.email})
    assert len(emails_to(person.email)) == PROOFS.count
    assert reset(address, token).status_code == 204


def test_used_reset_link_invalidates_the_others(person: Person, address: str) -> None:
    first, second = request_reset(person, address), request_reset(person, address)
    assert first != second
    assert reset(address, first).status_code == 204
    assert problem(reset(address, second)) == (400, "link_refused")


def test_reset_secret_is_stored_as_digest(person: Person, address: str) -> None:
    token = request_reset(person, address)
    kept = Proof.objects.get(user=person.user)
    assert token.encode() not in bytes(kept.digest or b"")
    assert len(bytes(kept.digest or b"")) == 32


def test_password_change_ends_other_sign_ins(person: Person, address: str) -> None:
    refresh = sign_in.login(email=person.email, password=PASSWORD, address=address).refresh
    browser, other_browser = browser_of(person), browser_of(person)
    response = browser.post("/api/v1/me/password", CHANGE, content_type="application/json")
    assert response.status_code == 204, response.content
    assert browser.get("/api/v1/me").status_code == 200, "the browser that changed it stays signed in"
    assert problem(other_browser.get("/api/v1/me")) == (401, "not_authenticated")
    assert (
        problem(send(anonymous_client(address), "POST", "auth/refresh", {"refresh": refresh}))[1] == "refresh_refused"
    )
    assert (login(person, address, PASSWORD), login(person, address, ANOTHER)) == (401, 200)
    assert audited(person.id) == [("account.password_changed", "person")]
    assert [one.subject for one in emails_to(person.email)] == ["Your password was changed"]


def test_end_sign_ins_keeps_the_excepted_sign_in(person: Person, address: str) -> None:
    pairs = [sign_in.login(email=person.email, password=PASSWORD, address=address) for _ in range(3)]
    stranger = AccountFactory.create()
    others = sign_in.login(email=stranger.email, password=PASSWORD, address=address).refresh
    kept = RefreshToken.objects.filter(user=person.user).order_by("id").values_list("family", flat=True)[0]
    with tenant_scope([person.organization]):
        sign_in.end_sign_ins(person.id, except_family=kept, now=timezone.now())
    codes = [
        send(anonymous_client(address), "POST", "auth/refresh", {"refresh": pair.refresh}).status_code for pair in pairs
    ]
    assert codes == [200, 401, 401]
    assert send(anonymous_client(address), "POST", "auth/refresh", {"refresh": others}).status_code == 200


def test_password_change_signs_out_all_other_apps_at_once(person: Person, address: str) -> None:
    mine, other = (sign_in.login(email=person.email, password=PASSWORD, address=address) for _ in range(2))
    app, lost = (
        Client(headers={"authorization": f"Bearer {one.access}"}, REMOTE_ADDR=address) for one in (mine, other)
    )
    assert send(app, "POST", "me/password", CHANGE).status_code == 204
    assert send(app, "GET", "me").status_code == 200
    assert problem(send(lost, "GET", "me")) == (401, "bad_token")
    assert send(anonymous_client(address), "POST", "auth/refresh", {"refresh": mine.refresh}).status_code == 200
    assert send(anonymous_client(address), "POST", "auth/refresh", {"refresh": other.refresh}).status_code == 401


def test_password_change_invalidates_earlier_reset_link(person: Person, address: str) -> None:
    token = request_reset(person, address)
    assert send(app_of(person, address), "POST", "me/password", CHANGE).status_code == 204
    assert problem(reset(address, token, PASSWORD)) == (400, "link_refused")


def test_password_change_with_wrong_current_password_is_refused(person: Person, address: str) -> None:
    app = app_of(person, address)
    response = send(app, "POST", "me/password", {"current_password": "wrong", "password": ANOTHER})
    assert problem(response) == (403, "wrong_password")
    assert set(response.json()["errors"]) == {"current_password"}
    assert login(person, address, PASSWORD) == 200


def test_weak_new_password_is_refused_by_field(person: Person, address: str) -> None:
    response = send(app_of(person, address), "POST", "me/password", CHANGE | {"password": "password1234"})
    assert problem(response) == (400, "invalid")
    assert set(response.json()["errors"]) == {"password"}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "me/password", {"password": ANOTHER}),
        ("POST", "me/email", {"email": "other@example.edu"}),
        ("DELETE", "me", {}),
    ],
)
def test_guessing_the_current_password_is_throttled_like_sign_in(
    person: Person, address: str, method: str, path: str, body: dict[str, str]
) -> None:
    """An unlocked phone does not help to guess the password at this endpoint, nor to lock out its owner."""
    app = app_of(person, address)
    answers = (send(app, method, path, body | {"current_password": "x"}) for _ in range(50))
    response = next(answer for answer in answers if answer.status_code != 403)
    assert problem(response) == (429, "too_many_guesses")
    assert 1 <= int(response["Retry-After"]) <= throttle.PASSWORD["device"].longest_wait
    assert login(person, address, PASSWORD) == 200


def test_person_without_password_sets_one_by_reset_link(person: Person, address: str) -> None:
    app = app_of(person, address)
    User.objects.filter(pk=person.id).update(password=None)
    assert problem(send(app, "POST", "me/password", CHANGE)) == (409, "no_password")
    assert send(app, "GET", "me").json()["has_password"] is False
    assert reset(address, request_reset(person, address)).status_code == 204
    assert login(person, address, ANOTHER) == 200


def test_expired_proof_is_deleted_at_the_next_request(person: Person, address: str) -> None:
    request_reset(person, address)
    long_ago = timezone.now() - timedelta(days=2)
    Proof.objects.filter(user=person.user).update(created_at=long_ago, expires_at=long_ago)
    request_reset(person, address)
    assert Proof.objects.filter(user=person.user).count() == 1
