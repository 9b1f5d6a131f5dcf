"""Authentication of requests by bearer token or session, without fallback between the two."""

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

from apps.accounts.identity.keys import tokens
from apps.accounts.identity.principals import principals
from apps.accounts.identity.sign_in import services as sign_in
from apps.accounts.models import User, UserStatus
from apps.common.access import Principal, PrincipalKind
from apps.common.db.ids import new_id
from apps.common.http.api import organization_of, principal_of
from tests.accounts.changes import end_membership, set_status
from tests.kit.people import PASSWORD, AccountFactory, Person
from tests.kit.refusals import problem

pytestmark = pytest.mark.slow


@api_view(["GET", "PUT"])
def whoami(request: Request) -> Response:
    return Response({"id": str(principal_of(request).id), "organization": str(organization_of(request))})


def page(request: HttpRequest) -> HttpResponse:
    principal: Principal | None = getattr(request, "principal", None)
    return HttpResponse(f"{principal.id if principal else 'anonymous'} {get_token(request)}")


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


def mint_token(subject: UUID, kind: PrincipalKind = PrincipalKind.PERSON, minutes: int = 15, **claims: object) -> str:
    return tokens.mint(kind=kind, subject=subject, claims=claims, lifetime=timedelta(minutes=minutes))


def test_anonymous_request_is_refused() -> None:
    response = call(Client())
    assert problem(response) == (401, "not_authenticated")
    assert response["WWW-Authenticate"] == "Bearer"


def test_bearer_token_identifies_the_caller(person: Person, token: str) -> None:
    assert call(Client(), token).json() == {"id": str(person.id), "organization": str(person.organization)}
    assert call(Client(), authorization=f"bearer {token}").status_code == 200


def test_session_identifies_the_caller(person: Person, browser: Client) -> None:
    assert call(browser).json() == {"id": str(person.id), "organization": str(person.organization)}


def test_bearer_token_takes_precedence_over_session(browser: Client, address: str) -> None:
    other = AccountFactory.create()
    token = sign_in.login(email=other.email, password=PASSWORD, address=address).access
    assert call(browser, token).json()["id"] == str(other.id)


@pytest.mark.parametrize("bad", ["", "x", "a.b.c", "expired"])
def test_invalid_bearer_token_does_not_fall_back_to_session(browser: Client, person: Person, bad: str) -> None:
    if bad == "expired":
        bad = mint_token(person.id, minutes=-1, email=person.email, organizations=[])
    for path_ in ("/api/v1/whoami", "/page"):
        response = browser.get(path_, headers={"authorization": f"Bearer {bad}"})
        assert problem(response) == (401, "bad_token")
        assert response["WWW-Authenticate"] == 'Bearer error="invalid_token"'


@pytest.mark.parametrize("status", [UserStatus.SUSPENDED, UserStatus.DELETED])
def test_token_and_session_of_inactive_person_are_refused_at_once(
    person: Person, token: str, browser: Client, status: UserStatus
) -> None:
    assert call(Client(), token).status_code == call(browser).status_code == 200
    set_status(person, status)
    assert problem(call(Client(), token)) == (401, "bad_token")
    assert problem(call(browser)) == (401, "not_authenticated")


def test_ended_membership_is_ignored_in_unexpired_token(person: Person, token: str) -> None:
    end_membership(person)
    assert tokens.verify(token).organizations
    assert problem(call(Client(), token)) == (404, "not_found")


def test_organization_parameter_of_another_school_is_not_found(token: str) -> None:
    other = AccountFactory.create()
    response = Client().get(
        "/api/v1/whoami", {"organization": str(other.organization)}, headers={"authorization": f"Bearer {token}"}
    )
    assert problem(response) == (404, "not_found")


def test_token_of_unknown_gateway_is_refused() -> None:
    assert problem(call(Client(), mint_token(new_id(), PrincipalKind.GATEWAY))) == (401, "bad_token")


def test_principal_kind_cannot_be_registered_twice() -> None:
    with pytest.raises(ValueError, match="already have a resolver"):
        principals.register(PrincipalKind.PERSON, lambda _named, _now: {})


def test_password_change_ends_sessions(person: Person, browser: Client) -> None:
    person.user.set_password("another long enough password")
    person.user.save(update_fields=["password"])
    assert problem(call(browser)) == (401, "not_authenticated")


def test_session_needs_csrf_token_for_unsafe_methods(browser: Client) -> None:
    assert problem(call(browser, method="put")) == (403, "csrf_failed")
    csrf = browser.get("/page").content.decode().split()[1]
    assert problem(call(browser, method="put", **{"x-csrftoken": "x" * len(csrf)})) == (403, "csrf_failed")
    assert call(browser, method="put", **{"x-csrftoken": csrf}).status_code == 200


def test_bearer_token_needs_no_csrf_token(browser: Client, token: str) -> None:
    assert call(browser, token, method="put").status_code == 200


def test_other_authorization_scheme_does_not_skip_csrf_check(browser: Client) -> None:
    response = call(browser, method="put", authorization="Basic eDp5")
    assert problem(response) == (403, "csrf_failed")


def test_session_of_another_backend_is_anonymous(person: Person) -> None:
    client = Client()
    client.force_login(person.user, backend=f"{ModelBackend.__module__}.ModelBackend")
    assert client.get("/page").content.startswith(b"anonymous")


def test_django_authenticate_accepts_the_same_people(person: Person) -> None:
    assert authenticate(email=person.email.upper(), password=PASSWORD) == person.user
    assert authenticate(email=person.email, password="wrong") is None
    assert authenticate(email=f"\x00{person.email}", password=PASSWORD) is None
    User.objects.filter(pk=person.id).update(status=UserStatus.SUSPENDED)
    assert authenticate(email=person.email, password=PASSWORD) is None
