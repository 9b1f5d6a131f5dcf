"""Every defect of a request is reported by a stable code and its field, and leaves nothing half-written."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import pytest
from django.db import connections
from django.test import Client
from pytest_django import Settings

from apps.accounts.identity.keys import tokens
from apps.common.access import PrincipalKind
from tests.kit.callers import send
from tests.kit.catalogue import tenant_tables
from tests.kit.people import Person, PersonFactory
from tests.kit.presses import raise_alert
from tests.kit.raw_sql import print_of
from tests.kit.refusals import refused
from tests.kit.school import TOKEN_LIFETIME, School, SchoolFactory

pytestmark = pytest.mark.slow

JSON = "application/json"
OF_THE_TRAIL = {"public.audit_entries", "public.audit_personal"}
"""Tables that record refused attempts."""


@contextmanager
def untouched(*organizations: UUID) -> Iterator[None]:
    """Check that no row of these schools changes, in any table."""

    def prints() -> dict[str, object]:
        return {
            f"{table.name} of {organization}": print_of(table, organization)
            for table in tenant_tables()
            for organization in organizations
            if table.name not in OF_THE_TRAIL
        }

    before = prints()
    yield
    assert prints() == before


def _about(words: dict[str, Any], body: dict[str, object] | None) -> dict[str, object] | None:
    return body and {name: str(v).format_map(words) if isinstance(v, str) else v for name, v in body.items()}


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        pytest.param("POST", "organizations/{organization}/sites", {"name": 7}, "name", id="a number for a text"),
        pytest.param("POST", "organizations/{organization}/sites", {"name": ["x"]}, "name", id="a list for a text"),
        pytest.param("PATCH", "buildings/{building}", {"floor_count": "many"}, "floor_count", id="a text for a number"),
        pytest.param("PATCH", "buildings/{building}", {"floor_count": 1.5}, "floor_count", id="a fraction"),
        pytest.param("PATCH", "buildings/{building}", {"floor_count": 2**40}, "floor_count", id="too great"),
        pytest.param("PATCH", "sites/{site}", {"name": "x" * 201}, "name", id="too long"),
        pytest.param("PATCH", "sites/{site}", {"address": "x" * 1001}, "address", id="too long where it may be null"),
        pytest.param("PATCH", "sites/{site}", {"latitude": 91}, "latitude", id="not on this planet"),
        pytest.param("PATCH", "sites/{site}", {"timezone": "Mars/Base"}, "timezone", id="no such time zone"),
        pytest.param("PATCH", "rooms/{room}", {"colour": "blue"}, "colour", id="an unknown field"),
        pytest.param("PATCH", "rooms/{room}", {"name": "Lab", "nmae": "x"}, "nmae", id="misspelt beside a good one"),
        pytest.param("POST", "floors/{floor}/rooms", {"name": "Lab"}, "room_number", id="a missing field"),
        pytest.param("PUT", "alerts/{alert}/resolve", {"reason": "boredom"}, "reason", id="an unknown choice"),
        pytest.param("POST", "drills", {"device_id": "x" * 101}, "device_id", id="too long an id"),
        pytest.param(
            "PATCH", "organizations/{organization}/settings", {"locale": "english"}, "locale", id="no locale"
        ),
        pytest.param(
            "PATCH", "organizations/{organization}/settings",
            {"legal_hold": True, "escalate_after_seconds": 1}, "escalate_after_seconds", id="one good, one bad",
        ),
    ],
)  # fmt: skip
def test_invalid_value_is_reported_by_its_field(
    school: School, admin: Person, method: str, path: str, body: dict[str, object], field: str
) -> None:
    words = {"alert": raise_alert(school), **vars(school)}
    with untouched(school.organization):
        answer = send(admin.client, method, path.format_map(words), body)
    errors = refused(answer, 400, "invalid")["errors"]
    assert isinstance(errors, dict) and list(errors) == [field]
    assert errors[field]


@pytest.mark.parametrize(("name", "value"), [("limit", "0"), ("limit", "many"), ("status", "asleep"), ("cursor", "x")])
def test_invalid_query_parameter_is_reported_by_name(admin: Person, name: str, value: str) -> None:
    answer = admin.client.get("/api/v1/alerts", {name: value})
    errors = refused(answer, 400, "bad_cursor" if name == "cursor" else "invalid")["errors"]
    assert isinstance(errors, dict) and list(errors) == [name]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "sites/{site}", None),
        ("PATCH", "sites/{site}", {"name": "Mine"}),
        ("DELETE", "rooms/{room}", None),
        ("POST", "buildings/{building}/floors", {"floor_number": 9}),
        ("PATCH", "organizations/{organization}/settings", {"legal_hold": True}),
        ("PUT", "alerts/{alert}/acknowledge", None),
        ("POST", "drills", {"device_id": "{device}"}),
    ],
)
def test_id_of_another_school_is_answered_like_a_missing_id(
    school: School, admin: Person, method: str, path: str, body: dict[str, object] | None
) -> None:
    """The two responses differ only in the requested id, so that callers cannot find out which ids exist."""
    other = SchoolFactory.create()
    theirs: dict[str, Any] = {"alert": raise_alert(other), **vars(other)}
    missing: dict[str, Any] = {word: uuid4() for word in theirs} | {"device": "ss-000000000000"}
    with untouched(school.organization, other.organization):
        answers = [
            send(admin.client, method, path.format_map(words), _about(words, body)) for words in (theirs, missing)
        ]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].json() == answers[1].json()


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_write_with_an_outdated_version_is_refused(school: School, admin: Person, method: str) -> None:
    path = f"sites/{school.site}"
    seen = admin.client.get(f"/api/v1/{path}")["ETag"]
    assert send(admin.client, "PATCH", path, {"name": "Changed"}).status_code == 200
    with untouched(school.organization):
        answer = send(
            admin.client, method, path, {"name": "Overwritten"} if method != "DELETE" else None, **{"if-match": seen}
        )
    refused(answer, 412, "precondition_failed")


def test_idempotency_key_of_another_write_is_refused(school: School, admin: Person) -> None:
    path, key = f"organizations/{school.organization}/sites", {"idempotency-key": str(uuid4())}
    assert send(admin.client, "POST", path, {"name": "Annex"}, **key).status_code == 201
    with untouched(school.organization):
        refused(send(admin.client, "POST", path, {"name": "Another"}, **key), 422, "idempotency_key_reused")


def test_ten_megabyte_bodies_are_refused_everywhere(school: School, admin: Person) -> None:
    with untouched(school.organization):
        body = {"name": "x" * 10 * 2**20}
        refused(send(admin.client, "POST", f"organizations/{school.organization}/sites", body), 413, "too_large")


def test_cursor_of_another_list_is_refused(school: School, admin: Person) -> None:
    """Of another kind, of another parent, with another filter, or with one changed character."""
    sites, client = f"/api/v1/organizations/{school.organization}/sites", admin.client
    for name in ("A", "B", "C"):
        assert (
            send(admin.client, "POST", f"organizations/{school.organization}/sites", {"name": name}).status_code == 201
        )
    following = client.get(sites, {"limit": "1"}).json()["next"]
    cursor = parse_qs(urlsplit(following).query)["cursor"][0]
    assert client.get(following).status_code == 200
    elsewhere = [
        ("/api/v1/organizations", {"cursor": cursor}),
        (f"/api/v1/sites/{school.site}/buildings", {"cursor": cursor}),
        ("/api/v1/alerts", {"cursor": cursor}),
        (sites, {"cursor": cursor, "status": "open"}),
        (sites, {"cursor": ("b" if cursor[0] == "a" else "a") + cursor[1:]}),
    ]
    for path, query in elsewhere:
        errors = refused(client.get(path, query), 400, "bad_cursor")["errors"]
        assert errors == {"cursor": ["Not a cursor of this list."]}, path


def test_token_of_another_environment_is_refused(school: School, admin: Person, settings: Settings) -> None:
    """Although it is signed with the same key: a token of the test system gives no access here."""
    settings.BASE_URL = "https://staging.school.example"
    token = tokens.mint(
        kind=PrincipalKind.PERSON,
        subject=admin.id,
        claims={"email": "", "organizations": []},
        lifetime=TOKEN_LIFETIME,
    )
    settings.BASE_URL = "https://school.example"
    with untouched(school.organization):
        client = Client(headers={"authorization": f"Bearer {token}"})
        answer = client.patch(f"/api/v1/sites/{school.site}", {"name": "Mine"}, content_type=JSON)
    refused(answer, 401, "bad_token")
    assert answer["WWW-Authenticate"] == 'Bearer error="invalid_token"'


def test_slug_is_unique_regardless_of_case(school: School) -> None:
    operator = PersonFactory.create(is_super_admin=True)
    slug = f"lincoln-{secrets.token_hex(6)}"
    assert send(operator.client, "POST", "organizations", {"name": "Lincoln", "slug": slug}).status_code == 201
    answer = send(operator.client, "POST", "organizations", {"name": "Other", "slug": slug.upper()})
    errors = refused(answer, 409, "slug_taken")["errors"]
    assert isinstance(errors, dict) and list(errors) == ["slug"]
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT name, slug FROM organizations WHERE lower(slug) = %s", [slug])
        assert cursor.fetchall() == [("Lincoln", slug)]
