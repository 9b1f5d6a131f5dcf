"""Second factors: set-up, removal, and what a sign-in requires then."""

from datetime import timedelta
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from apps.accounts.identity.credentials.throttle import SECOND_FACTOR, LoginThrottle
from apps.accounts.identity.second_factors import services as second_factors
from apps.accounts.models import Role, SignInChallenge
from apps.alerts.models import Alert
from apps.common.access import SYSTEM, Principal, PrincipalKind
from apps.common.db.scope import system_scope, tenant_scope
from apps.common.models import AuditEntry
from apps.tenancy.models import Organization
from tests.accounts.changes import set_status
from tests.accounts.waits import end_waits
from tests.kit.people import PASSWORD, AccountFactory, Person
from tests.kit.presses import raise_alert
from tests.kit.school import SchoolFactory
from tests.kit.second_factor import JSON, Api, Passkey, code

pytestmark = pytest.mark.slow

LOGIN = "/api/v1/auth/login"
SECOND = "/api/v1/auth/login/second-factor"


@pytest.fixture
def api(person: Person, address: str) -> Api:
    return Api(person, address)


@pytest.fixture
def passkey() -> Passkey:
    return Passkey(origin=settings.BASE_URL)


def first_step(person: Person, address: str) -> Any:
    body = {"email": person.email, "password": PASSWORD}
    return Client(REMOTE_ADDR=address).post(LOGIN, body, content_type=JSON)


def second_step(address: str, challenge: str, **answer: object) -> Any:
    return Client(REMOTE_ADDR=address).post(SECOND, {"challenge": challenge, **answer}, content_type=JSON)


def challenge(person: Person, address: str) -> str:
    answer = first_step(person, address)
    assert answer.status_code == 401, answer.content
    return str(answer.json()["challenge"])


def actions(person: Person) -> list[tuple[str, str]]:
    with system_scope():
        entries = AuditEntry.objects.filter(target_id=person.id).order_by("at", "id")
        return [(entry.action, entry.outcome) for entry in entries if not entry.action.startswith(("user.", "member"))]


def test_password_alone_does_not_sign_in_with_a_second_factor(api: Api, person: Person, address: str) -> None:
    api.set_up_totp()
    answer = first_step(person, address)
    assert (answer.status_code, answer.json()["code"]) == (401, "second_factor_required")
    assert {"access", "refresh"}.isdisjoint(answer.json())
    assert answer.json()["methods"] == ["totp", "recovery_code"]
    assert answer["Cache-Control"] == "no-store"


def test_totp_code_completes_the_sign_in(api: Api, person: Person, address: str) -> None:
    secret, _ = api.set_up_totp()
    pair = second_step(address, challenge(person, address), code=code(secret))
    assert set(pair.json()) == {"access", "refresh", "expires_in"}
    assert Api(person, address, pair.json()["access"]).ask("GET", "me/mfa").status_code == 200
    assert actions(person) == [("second_factor.added", "done"), ("auth.login", "done")]


def test_totp_code_is_accepted_once(api: Api, person: Person, address: str) -> None:
    """Codes that set up the app or completed a sign-in are refused, and so are all codes before them."""
    begun = api.confirmed("POST", "me/mfa/totp").json()
    secret = begun["secret"]
    first = code(secret)
    assert api.ask("PUT", "me/mfa/totp", {"enrolment": begun["enrolment"], "code": first}).status_code == 200
    pending = challenge(person, address)
    for used in (first, code(secret, steps=-1)):
        assert second_step(address, pending, code=used).json()["code"] == "second_factor_refused"
    fresh = code(secret, steps=1)
    assert second_step(address, pending, code=fresh).status_code == 200
    assert second_step(address, challenge(person, address), code=fresh).status_code == 401


def test_challenge_is_accepted_once_before_it_expires(api: Api, person: Person, address: str) -> None:
    _, recovery = api.set_up_totp()
    pending = challenge(person, address)
    assert second_step(address, pending, code=recovery[0]).status_code == 200
    assert second_step(address, pending, code=recovery[1]).status_code == 401
    late = challenge(person, address)
    SignInChallenge.objects.filter(user_id=person.id).update(expires_at=timezone.now())
    assert second_step(address, late, code=recovery[1]).status_code == 401


def test_recovery_code_is_accepted_once(api: Api, person: Person, address: str) -> None:
    _, recovery = api.set_up_totp()
    assert len(set(recovery)) == 10
    assert second_step(address, challenge(person, address), code=recovery[3]).status_code == 200
    assert second_step(address, challenge(person, address), code=recovery[3]).status_code == 401
    assert api.ask("GET", "me/mfa").json()["recovery_codes_left"] == 9


def test_new_recovery_codes_replace_the_old_ones(api: Api, person: Person, address: str) -> None:
    _, old = api.set_up_totp()
    new = api.confirmed("POST", "me/mfa/recovery-codes").json()["recovery_codes"]
    assert not set(old) & set(new)
    assert second_step(address, challenge(person, address), code=old[0]).status_code == 401
    assert second_step(address, challenge(person, address), code=new[0]).status_code == 200


def test_guessing_codes_is_throttled(api: Api, person: Person, address: str) -> None:
    """A challenge accepts five answers; then the next one has to wait, and the wait ends by itself."""
    secret, _ = api.set_up_totp()
    pending = challenge(person, address)
    for number in range(second_factors.ATTEMPTS):
        assert second_step(address, pending, code=f"00000{number}").status_code == 401
    assert second_step(address, pending, code=code(secret)).status_code == 401
    for _ in range(5):
        waiting = LoginThrottle(account=str(person.id), address=address, limits=SECOND_FACTOR)
        end_waits(waiting)
        waiting.hit()
    pending = challenge(person, address)
    slowed = second_step(address, pending, code=code(secret))
    assert (slowed.status_code, slowed.json()["code"]) == (429, "too_many_guesses")
    end_waits(LoginThrottle(account=str(person.id), address=address, limits=SECOND_FACTOR))
    assert second_step(address, pending, code=code(secret)).status_code == 200


def test_challenge_is_refused_for_suspended_person(api: Api, person: Person, address: str) -> None:
    secret, _ = api.set_up_totp()
    pending = challenge(person, address)
    set_status(person, "suspended")  # type: ignore[arg-type]
    assert second_step(address, pending, code=code(secret)).status_code == 401


def test_secrets_are_encrypted_in_the_database(api: Api, person: Person) -> None:
    secret, recovery = api.set_up_totp()
    kept = " ".join(str(one.data) for one in Authenticator.objects.filter(user_id=person.id))
    assert secret not in kept
    assert not [one for one in recovery if one in kept]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "me/mfa/totp"),
        ("DELETE", "me/mfa/totp"),
        ("POST", "me/mfa/passkeys"),
        ("DELETE", "me/mfa/passkeys/1"),
        ("POST", "me/mfa/recovery-codes"),
    ],
)
def test_second_factor_change_requires_confirmation(api: Api, method: str, path: str) -> None:
    """Confirmations of another person and expired ones are refused."""
    other = AccountFactory.create()
    principal = Principal(kind=PrincipalKind.PERSON, id=other.id, name="")
    theirs = second_factors.confirm(principal=principal, password=PASSWORD, address="::1", now=timezone.now())
    long_ago = timezone.now() - timedelta(hours=1)
    mine = Principal(kind=PrincipalKind.PERSON, id=api.person.id, name="")
    old = second_factors.confirm(principal=mine, password=PASSWORD, address="::1", now=long_ago)
    for confirmation in ({}, {"x-confirmation": theirs}, {"x-confirmation": old}, {"x-confirmation": "guessed"}):
        answer = api.ask(method, path, **confirmation)
        assert (answer.status_code, answer.json()["code"]) == (403, "confirmation_required")


def test_confirmation_with_wrong_password_is_refused(api: Api) -> None:
    answer = api.ask("POST", "me/confirmation", {"password": "wrong"})
    assert (answer.status_code, answer.json()["code"]) == (403, "wrong_password")


def test_enrolment_requires_its_owner_and_a_right_code(api: Api, address: str) -> None:
    begun = api.confirmed("POST", "me/mfa/totp").json()
    stranger = Api(AccountFactory.create(), address)
    for asking, answer, field in (
        (api, "000000", "code"),
        (api, "half a code \u0663", "code"),
        (stranger, code(begun["secret"]), "enrolment"),
    ):
        refused = asking.ask("PUT", "me/mfa/totp", {"enrolment": begun["enrolment"], "code": answer})
        assert (refused.status_code, list(refused.json()["errors"])) == (400, [field])
    assert Authenticator.objects.filter(user_id__in=[api.person.id, stranger.person.id]).count() == 0


def test_second_app_is_refused_until_the_first_is_removed(api: Api, person: Person, address: str) -> None:
    api.set_up_totp()
    assert api.confirmed("POST", "me/mfa/totp").json()["code"] == "second_factor_exists"
    assert api.confirmed("DELETE", "me/mfa/totp").status_code == 204
    assert api.confirmed("DELETE", "me/mfa/totp").status_code == 404
    assert api.ask("GET", "me/mfa").json() == {
        "totp": None, "passkeys": [], "recovery_codes_left": 0, "required_by": []
    }  # fmt: skip
    assert first_step(person, address).status_code == 200


def test_owner_is_notified_of_second_factor_change(api: Api, mailoutbox: list[Any], settings: Settings) -> None:
    settings.CELERY_TASK_ALWAYS_EAGER = True
    from apps.accounts import tasks

    tasks.tell_second_factor_changed(api.person.email)
    assert [(mail.to, mail.subject) for mail in mailoutbox] == [([api.person.email], "Your sign-in was changed")]


def test_portal_requires_the_second_factor(api: Api, person: Person, address: str) -> None:
    secret, _ = api.set_up_totp()
    browser = Client(REMOTE_ADDR=address)
    page = browser.post("/login/", {"email": person.email, "password": PASSWORD, "next": "/board/"})
    assert page.status_code == 200
    assert "sessionid" not in browser.cookies
    pending = page.context["challenge"]
    wrong = browser.post("/login/", {"challenge": pending, "code": "000000", "next": "/board/"})
    assert "This code is not right" in wrong.content.decode()
    assert "sessionid" not in browser.cookies
    done = browser.post("/login/", {"challenge": pending, "code": code(secret), "next": "/board/"})
    assert (done.status_code, done["Location"]) == (302, "/board/")
    assert browser.get("/api/v1/me/mfa").status_code == 200


def test_command_resets_lost_second_factors(api: Api, person: Person, address: str) -> None:
    """The reason is audited; a dry run changes nothing, and an unknown address is an error."""
    secret, recovery = api.set_up_totp()
    pending = challenge(person, address)
    call_command("reset_second_factor", person.email, reason="seen in person", dry_run=True)
    assert first_step(person, address).status_code == 401
    call_command("reset_second_factor", person.email, reason="seen in person")
    assert first_step(person, address).status_code == 200
    for answer in (code(secret), recovery[0]):
        assert second_step(address, pending, code=answer).status_code == 401
    assert ("second_factor.reset", "done") in actions(person)
    with pytest.raises(CommandError):
        call_command("reset_second_factor", "nobody@elsewhere.example", reason="none")


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501])
def test_reset_of_second_factors_needs_a_reason_of_1_to_500_characters(api: Api, person: Person, reason: str) -> None:
    api.set_up_totp()
    with pytest.raises(CommandError, match="a reason has 1 to 500 characters"):
        call_command("reset_second_factor", person.email, reason=reason)
    assert ("second_factor.reset", "done") not in actions(person)


# --- Passkeys --------------------------------------------------------------------------------------------------------


def test_passkey_completes_the_sign_in(api: Api, person: Person, address: str, passkey: Passkey) -> None:
    added = api.set_up_passkey(passkey)
    assert added.status_code == 201, added.content
    assert len(added.json()["recovery_codes"]) == 10
    asked = first_step(person, address).json()
    assert asked["methods"] == ["passkey", "recovery_code"]
    pair = second_step(address, asked["challenge"], passkey=passkey.signed(asked["passkey"]))
    assert set(pair.json()) == {"access", "refresh", "expires_in"}
    assert api.ask("GET", "me/mfa").json()["passkeys"][0]["last_used_at"] is not None


def test_passkey_is_accepted_only_for_its_own_challenge(
    api: Api, person: Person, address: str, passkey: Passkey
) -> None:
    """Refused for an earlier challenge, for another origin, with another key, and after it was copied."""
    api.set_up_passkey(passkey)
    earlier = first_step(person, address).json()["passkey"]
    asked = first_step(person, address).json()
    phishing = Passkey(origin="https://safesignal.example.evil", key=passkey.key, id=passkey.id)
    forged = Passkey(origin=passkey.origin, id=passkey.id)
    for wrong in (passkey.signed(earlier), phishing.signed(asked["passkey"]), forged.signed(asked["passkey"]), {}):
        assert second_step(address, asked["challenge"], passkey=wrong).json()["code"] == "second_factor_refused"
    assert second_step(address, asked["challenge"], passkey=passkey.signed(asked["passkey"])).status_code == 200
    asked = first_step(person, address).json()
    copied = Passkey(origin=passkey.origin, key=passkey.key, id=passkey.id)
    assert second_step(address, asked["challenge"], passkey=copied.signed(asked["passkey"])).status_code == 401


def test_passkey_of_another_person_is_refused(api: Api, person: Person, address: str, passkey: Passkey) -> None:
    api.set_up_totp()
    stranger = Api(AccountFactory.create(), address)
    stranger.set_up_passkey(passkey)
    asked = first_step(person, address).json()
    theirs = first_step(stranger.person, address).json()
    assert asked["passkey"] is None
    signed = passkey.signed(theirs["passkey"])
    assert second_step(address, asked["challenge"], passkey=signed).status_code == 401


@pytest.mark.parametrize("change", ["challenge", "origin", "twice", "nonsense"])
def test_invalid_passkey_is_not_added(api: Api, passkey: Passkey, change: str) -> None:
    begun = api.confirmed("POST", "me/mfa/passkeys").json()
    options = begun["options"]
    if change == "twice":
        assert api.set_up_passkey(passkey).status_code == 201
    credential = {
        "challenge": passkey.created({**options, "challenge": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}),
        "origin": Passkey(origin="https://evil.example").created(options),
        "twice": passkey.created(options),
        "nonsense": {"id": 1, "response": []},
    }[change]
    answer = api.ask(
        "PUT", "me/mfa/passkeys", {"enrolment": begun["enrolment"], "name": "Phone", "credential": credential}
    )
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["credential"])


def test_removed_passkey_is_refused(api: Api, person: Person, address: str, passkey: Passkey) -> None:
    api.set_up_totp()
    added = api.set_up_passkey(passkey).json()
    assert added["recovery_codes"] == []
    asked = first_step(person, address).json()
    assert api.confirmed("DELETE", f"me/mfa/passkeys/{added['passkey']['id']}").status_code == 204
    signed = passkey.signed(asked["passkey"])
    assert second_step(address, asked["challenge"], passkey=signed).status_code == 401


# --- Administrators --------------------------------------------------------------------------------------------------


@pytest.fixture
def strict() -> Person:
    """An administrator of a school that requires a second factor of its administrators."""
    school = SchoolFactory.create()
    with tenant_scope([school.organization]):
        Organization.objects.update(settings={"mfa_required_for_admins": True})
    raise_alert(school)
    return AccountFactory.create(role=Role.ADMIN, organization=school.organization)


def test_admin_without_required_second_factor_can_only_answer_alarms(strict: Person, address: str) -> None:
    """An organization can require one; until it is set up the role keeps the permissions to answer alarms."""
    api = Api(strict, address)
    school = f"organizations/{strict.organization}"
    refused = api.ask("GET", f"{school}/settings")
    assert (refused.status_code, refused.json()["code"]) == (403, "second_factor_needed")
    with tenant_scope([strict.organization]):
        alert = Alert.objects.get().id
    assert api.ask("PUT", f"alerts/{alert}/acknowledge").status_code == 200
    assert api.ask("GET", "me/mfa").json()["required_by"] == [str(strict.organization)]
    api.set_up_totp()
    assert api.ask("GET", f"{school}/settings").status_code == 200
    assert api.ask("GET", "me/mfa").json()["required_by"] == []


def test_recovery_codes_alone_do_not_count_as_second_factor(strict: Person, address: str) -> None:
    api = Api(strict, address)
    api.set_up_totp()
    assert api.confirmed("DELETE", "me/mfa/totp").status_code == 204
    assert api.ask("GET", f"organizations/{strict.organization}/settings").status_code == 403


@pytest.mark.parametrize("role", [Role.MANAGER, Role.OPERATOR, Role.VIEWER])
def test_second_factor_is_required_only_of_administrators(strict: Person, role: Role, address: str) -> None:
    colleague = AccountFactory.create(role=role, organization=strict.organization)
    assert Api(colleague, address).ask("GET", f"organizations/{strict.organization}").status_code == 200


def test_requirement_does_not_apply_in_another_organization(strict: Person, address: str) -> None:
    """The setting of one school takes no permissions from the same person in another."""
    from apps.accounts.people import memberships

    other = AccountFactory.create(role=Role.ADMIN)
    with tenant_scope([other.organization]):
        memberships.add_membership(actor=SYSTEM, user=strict.user, organization_id=other.organization, role=Role.ADMIN)
    api = Api(strict, address)
    assert api.ask("GET", f"organizations/{other.organization}/settings").status_code == 200
    assert api.ask("GET", f"organizations/{strict.organization}/settings").status_code == 403
