"""The caller's devices for push notifications."""

import secrets
from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import PushRegistration
from apps.accounts.own_account import push
from tests.accounts.callers import app_of, audited
from tests.kit.callers import send
from tests.kit.people import AccountFactory, Person
from tests.kit.refusals import problem

pytestmark = pytest.mark.slow


@pytest.fixture
def token() -> str:
    return secrets.token_urlsafe(60)


def register(app: Client, token: str, **changed: object) -> Any:
    body = {"token": token, "platform": "android", "app_version": "1.0.0"} | changed
    return send(app, "POST", "me/devices", body)


def listed(app: Client) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = send(app, "GET", "me/devices").json()["results"]
    return results


def test_device_can_be_registered_listed_and_removed(person: Person, address: str, token: str) -> None:
    app = app_of(person, address)
    created = register(app, token)
    assert created.status_code == 201
    assert listed(app) == [created.json()]
    assert token not in created.content.decode()
    assert send(app, "DELETE", f"me/devices/{created.json()['id']}").status_code == 204
    assert listed(app) == []
    assert problem(send(app, "DELETE", f"me/devices/{created.json()['id']}")) == (404, "not_found")
    assert audited(person.id, "push.") == [("push.registered", "person"), ("push.unregistered", "person")]


def test_repeated_registration_updates_the_same_device(person: Person, address: str, token: str) -> None:
    app = app_of(person, address)
    first, second = register(app, token), register(app, token, app_version="1.1.0")
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json()["app_version"] == "1.1.0"
    assert {key: first.json()[key] for key in ("id", "created_at")} == {
        key: second.json()[key] for key in ("id", "created_at")
    }
    assert len(audited(person.id, "push.")) == 1


def test_token_belongs_to_the_last_person_who_registered_it(person: Person, address: str, token: str) -> None:
    """When a phone changes hands, neither user gets the alerts of the other."""
    app, other = app_of(person, address), app_of(AccountFactory.create(), address)
    old = register(app, token)
    new = register(other, token)
    assert new.status_code == 201
    assert listed(app) == []
    assert listed(other) == [new.json()]
    assert new.json()["id"] != old.json()["id"]


def test_device_of_another_person_cannot_be_removed(person: Person, address: str, token: str) -> None:
    app, other = app_of(person, address), app_of(AccountFactory.create(), address)
    id_ = register(app, token).json()["id"]
    assert problem(send(other, "DELETE", f"me/devices/{id_}")) == (404, "not_found")
    assert len(listed(app)) == 1


def test_oldest_device_is_removed_beyond_the_limit(person: Person, address: str) -> None:
    app = app_of(person, address)
    tokens = [f"{number}-{secrets.token_hex(8)}" for number in range(push.MOST + 1)]
    for token in tokens:
        assert register(app, token).status_code == 201
    kept = set(PushRegistration.objects.filter(user=person.user).values_list("token", flat=True))
    assert kept == set(tokens[1:])


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"token": ""}, "token"),
        ({"token": "x" * 1025}, "token"),
        ({"platform": "pager"}, "platform"),
        ({"app_version": None}, "app_version"),
        ({"user": "x"}, "user"),
    ],
)
def test_invalid_device_is_refused_by_field(
    person: Person, address: str, token: str, changes: dict[str, object], field: str
) -> None:
    response = (
        register(app_of(person, address), token, **changes)
        if "token" not in changes
        else send(app_of(person, address), "POST", "me/devices", {"platform": "ios", "app_version": "1", **changes})
    )
    assert problem(response) == (400, "invalid")
    assert set(response.json()["errors"]) == {field}
