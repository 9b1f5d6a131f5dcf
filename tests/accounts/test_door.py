"""The door of every request: bearer or session, never one for the other."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.test import Client
from django.urls import path
from pytest_django import Settings
from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.identity import principals, sign_in
from apps.accounts.identity.keys import tokens
from apps.accounts.models import User, UserStatus
from apps.common.access import Principal, PrincipalKind
from apps.common.db.ids import new_id
from apps.common.http.api import organization_of, principal_of
from tests.accounts.people import (
    PASSWORD,
    Person,
    end_membership,
    make_person,
    set_status,
)

pytestmark = pytest.mark.slow


@api_view(["GET", "PUT"])
def whoami(request: Request) -> Response:
    return Response({"id": str(principal_of(request).id), "organization": str(organization_of(request))})


def page(request: HttpRequest) -> HttpResponse:
    principal: Principal | None = getattr(request, "principal", None)
    return HttpResponse(f"{principal.id if principal else 'nobody'} {get_token(request)}")


urlpatterns = [path("api/v1/whoami", whoami), path("page", page)]


@pytest.fixture(autouse=True)
def probe(settings: Settings) -> None:
    settings.ROOT_URLCONF = __name__


@pytest.fixture
def token(person: Person, address: str) -> str:
    return sign_in.login(email=person.email, password=PASSWORD, address=address).access


@pytest.fixture
def browser(person: Person) -> Client:
    """A browser in which the person has signed in, with Django's CSRF check switched on."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(person.user)
    return client


def call(client: Client, token: str | None = None, *, method: str = "get", **headers: str) -> Any:
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    return getattr(client, method)("/api/v1/whoami", headers=headers)


def problem(response: Any) -> tuple[int, str]:
    assert response["Content-Type"] == "application/problem+json"
    return response.status_code, response.json()["code"]


def a_token(subject: UUID, kind: PrincipalKind = PrincipalKind.PERSON, minutes: int = 15, **claims: object) -> str:
    return tokens.mint(kind=kind, subject=subject, claims=claims, lifetime=timedelta(minutes=minutes))


def test_nobody_is_refused() -> None:
    response = call(Client())
    assert problem(response) == (401, "not_authenticated")
    assert response["WWW-Authenticate"] == "Bearer"


def test_a_bearer_token_names_the_caller(person: Person, token: str) -> None:
    assert call(Client(), token).json() == {"id": str(person.id), "organization": str(person.organization)}
    assert call(Client(), authorization=f"bearer {token}").status_code == 200


def test_a_session_names_the_caller(person: Person, browser: Client) -> None:
    assert call(browser).json() == {"id": str(person.id), "organization": str(person.organization)}


def test_a_bearer_token_wins_over_the_session(browser: Client, address: str) -> None:
    other = make_person()
    token = sign_in.login(email=other.email, password=PASSWORD, address=address).access
    assert call(browser, token).json()["id"] == str(other.id)


@pytest.mark.parametrize("bad", ["", "x", "a.b.c", "expired"])
def test_a_bad_bearer_token_never_falls_back_to_the_session(browser: Client, person: Person, bad: str) -> None:
    if bad == "expired":
        bad = a_token(person.id, minutes=-1, email=person.email, organizations=[])
    for path_ in ("/api/v1/whoami", "/page"):
        response = browser.get(path_, headers={"authorization": f"Bearer {bad}"})
        assert problem(response) == (401, "bad_token")
        assert response["WWW-Authenticate"] == 'Bearer error="invalid_token"'


@pytest.mark.parametrize("status", [UserStatus.SUSPENDED, UserStatus.DELETED])
def test_a_dismissed_persons_token_and_session_stop_at_once(
    person: Person, token: str, browser: Client, status: UserStatus
) -> None:
    assert call(Client(), token).status_code == call(browser).status_code == 200
    set_status(person, status)
    assert problem(call(Client(), token)) == (401, "bad_token")
    assert problem(call(browser)) == (401, "not_authenticated")


def test_a_membership_that_ended_is_gone_from_a_living_token(person: Person, token: str) -> None:
    end_membership(person)
    assert tokens.verify(token).organizations
    assert problem(call(Client(), token)) == (404, "not_found")


def test_another_schools_name_opens_nothing(token: str) -> None:
    other = make_person()
    response = Client().get(
        "/api/v1/whoami", {"organization": str(other.organization)}, headers={"authorization": f"Bearer {token}"}
    )
    assert problem(response) == (404, "not_found")


def test_a_token_of_an_unknown_gateway_is_refused() -> None:
    assert problem(call(Client(), a_token(new_id(), PrincipalKind.GATEWAY))) == (401, "bad_token")


def test_a_kind_of_token_is_resolved_in_one_place_only() -> None:
    with pytest.raises(ValueError, match="elsewhere"):
        principals.register(PrincipalKind.PERSON, lambda _named, _now: {})


def test_a_changed_password_ends_the_sessions(person: Person, browser: Client) -> None:
    person.user.set_password("another long enough password")
    person.user.save(update_fields=["password"])
    assert problem(call(browser)) == (401, "not_authenticated")


def test_a_session_needs_the_csrf_token_for_what_changes_something(browser: Client) -> None:
    assert problem(call(browser, method="put")) == (403, "csrf_failed")
    csrf = browser.get("/page").content.decode().split()[1]
    assert problem(call(browser, method="put", **{"x-csrftoken": "x" * len(csrf)})) == (403, "csrf_failed")
    assert call(browser, method="put", **{"x-csrftoken": csrf}).status_code == 200


def test_a_bearer_token_needs_no_csrf_token(browser: Client, token: str) -> None:
    assert call(browser, token, method="put").status_code == 200


def test_another_scheme_does_not_spare_a_session_the_csrf_token(browser: Client) -> None:
    response = call(browser, method="put", authorization="Basic eDp5")
    assert problem(response) == (403, "csrf_failed")


def test_a_session_of_another_backend_is_nobody(person: Person) -> None:
    client = Client()
    client.force_login(person.user, backend=f"{ModelBackend.__module__}.ModelBackend")
    assert client.get("/page").content.startswith(b"nobody")


def test_djangos_own_door_takes_the_same_people(person: Person) -> None:
    assert authenticate(email=person.email.upper(), password=PASSWORD) == person.user
    assert authenticate(email=person.email, password="wrong") is None
    assert authenticate(email=f"\x00{person.email}", password=PASSWORD) is None
    User.objects.filter(pk=person.id).update(status=UserStatus.SUSPENDED)
    assert authenticate(email=person.email, password=PASSWORD) is None
