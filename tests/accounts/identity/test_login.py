"""Signing in through the API: accepted and refused credentials, responses and audit entries."""

import json
from hashlib import sha256
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client

from apps.accounts.identity.keys import tokens
from apps.accounts.models import RefreshToken, User, UserStatus
from apps.common.db.scope import system_scope
from apps.common.models import AuditEntry
from tests.accounts.changes import set_status, trail
from tests.kit.people import PASSWORD, Person
from tests.kit.refusals import problem


@pytest.fixture
def api(address: str) -> Client:
    return Client(REMOTE_ADDR=address)


def post(api: Client, call: str, body: object, **headers: str) -> Any:
    return api.post(f"/api/v1/auth/{call}", json.dumps(body), content_type="application/json", headers=headers)


def test_tests_run_as_the_application_role() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user")
        assert cursor.fetchone() == ("safesignal_app", False, False)


def test_login_returns_access_and_refresh_tokens(api: Client, person: Person) -> None:
    response = post(api, "login", {"email": person.email, "password": PASSWORD})
    assert response.status_code == 200
    assert response["Cache-Control"] == "no-store"
    pair = response.json()
    assert set(pair) == {"access", "refresh", "expires_in"}
    assert pair["expires_in"] == settings.ACCESS_TOKEN_SECONDS
    claims = tokens.verify(pair["access"])
    assert (claims.sub, claims.email) == (person.id, person.email)
    assert [(each.id, each.role) for each in claims.organizations or ()] == [(person.organization, "operator")]
    assert User.objects.get(pk=person.id).last_login is not None
    assert trail(person) == [("auth.login", "done", person.organization)]


@pytest.mark.parametrize("change", [str.lower, str.upper, lambda email: f"  {email} "])
def test_login_ignores_case_and_surrounding_spaces_of_email(api: Client, person: Person, change: Any) -> None:
    assert post(api, "login", {"email": change(person.email), "password": PASSWORD}).status_code == 200


def test_refresh_token_is_stored_as_digest(api: Client, person: Person) -> None:
    refresh = post(api, "login", {"email": person.email, "password": PASSWORD}).json()["refresh"]
    stored = RefreshToken.objects.get(user_id=person.id)
    assert bytes(stored.digest) == sha256(refresh.encode()).digest()


def test_login_response_is_the_same_for_wrong_unknown_and_suspended(api: Client, person: Person) -> None:
    wrong = post(api, "login", {"email": person.email, "password": "wrong"})
    unknown = post(api, "login", {"email": f"nobody-{person.email}", "password": PASSWORD})
    set_status(person, UserStatus.SUSPENDED)
    suspended = post(api, "login", {"email": person.email, "password": PASSWORD})
    assert problem(wrong) == (401, "wrong_credentials")
    assert wrong["WWW-Authenticate"] == "Bearer"
    assert wrong.json() == unknown.json() == suspended.json()


def test_refused_login_is_audited_without_email_or_password(api: Client, person: Person) -> None:
    post(api, "login", {"email": person.email, "password": "a-wrong-secret"})
    assert trail(person) == [("auth.login", "refused", person.organization)]
    with system_scope():
        entry = AuditEntry.objects.get(target_id=person.id, outcome="refused")
    assert entry.actor_id is None
    assert entry.detail == {}


def test_person_without_password_cannot_log_in(api: Client, person: Person) -> None:
    for unusable in (None, "", "!unusable"):
        User.objects.filter(pk=person.id).update(password=unusable)
        for guess in ("None", "!unusable", PASSWORD):
            assert problem(post(api, "login", {"email": person.email, "password": guess})) == (401, "wrong_credentials")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"email": "tess@example.edu", "password": "x", "otp": "1"}, "otp"),
        ({"email": "tess@example.edu"}, "password"),
        ({"password": "x"}, "email"),
        ({"email": "no address", "password": "x"}, "email"),
        ({"email": "tess@example.edu", "password": "a\x00b"}, "password"),
        ({"email": "te\x00ss@example.edu", "password": "x"}, "email"),
        ({"email": "tess@example.edu", "password": ["x"]}, "password"),
        ({"email": "tess@example.edu", "password": "x" * 1025}, "password"),
    ],
)
def test_invalid_login_is_refused_by_field(api: Client, body: dict[str, object], field: str) -> None:
    response = post(api, "login", body)
    assert problem(response) == (400, "invalid")
    assert set(response.json()["errors"]) == {field}


@pytest.mark.parametrize("call", ["login", "refresh", "logout"])
@pytest.mark.parametrize("body", ["", "{", "[]", "null", '"x"', '{"refresh": NaN}'])
def test_body_that_is_not_a_json_object_is_refused(api: Client, call: str, body: str) -> None:
    response = api.post(f"/api/v1/auth/{call}", body, content_type="application/json")
    assert problem(response)[0] == 400


def test_login_ignores_expired_token_in_the_header(api: Client, person: Person) -> None:
    credentials = {"email": person.email, "password": PASSWORD}
    assert post(api, "login", credentials, authorization="Bearer expired").status_code == 200


def test_login_accepts_only_post(api: Client) -> None:
    assert problem(api.get("/api/v1/auth/login")) == (405, "method_not_allowed")
