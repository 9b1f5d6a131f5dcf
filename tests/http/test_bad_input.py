"""Unreadable input is refused before anything happens, as a problem with a stable code."""

import pytest
from django.test import Client

from apps.accounts.models import Role
from apps.common.http.limits.body_limits import ANONYMOUS_BYTES
from apps.common.problems import ERRORS_SHOWN
from contracts.validation import problems
from tests.kit.people import PersonFactory
from tests.kit.refusals import refused
from tests.kit.school import School

pytestmark = pytest.mark.slow

LOGIN = "/api/v1/auth/login"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nonsense",
        b'{"email": NaN}',
        b"\xff\xfe{\x00}\x00",
        b"[" * 10_000,
        b'{"email": "\\ud800 half a character"}',
        b'["\\u0000"]',
    ],
)
def test_invalid_json_returns_400(body: bytes) -> None:
    answer = Client().post(LOGIN, body, content_type="application/json")
    if body == b"":
        assert refused(answer, 400, "invalid")["errors"]
    else:
        refused(answer, 400, "malformed")


def test_nul_in_a_field_is_reported_by_name() -> None:
    body = b'{"email": "a@school.example", "password": "a\\u0000b"}'
    answer = Client().post(LOGIN, body, content_type="application/json")
    assert refused(answer, 400, "invalid")["errors"] == {"password": ["It holds a NUL character, which no text may."]}


def test_list_instead_of_an_object_names_no_field() -> None:
    refused(Client().post(LOGIN, b"[]", content_type="application/json"), 400, "invalid")


def test_unknown_field_and_wrong_type_are_named() -> None:
    answer = Client().post(LOGIN, {"email": 7, "password": ["x"], "remember": True}, content_type="application/json")
    errors = refused(answer, 400, "invalid")["errors"]
    assert isinstance(errors, dict)
    assert set(errors) == {"remember"} or {"email", "password"} <= set(errors)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_unsupported_content_type_returns_415(kind: str) -> None:
    refused(Client().post(LOGIN, b"email=x", content_type=kind), 415, "unsupported_media_type")


def test_body_of_ten_megabytes_returns_413_unread() -> None:
    refused(Client().post(LOGIN, b" " * 10 * 2**20, content_type="application/json"), 413, "too_large")


def test_unrequested_credential_does_not_raise_the_body_limit() -> None:
    body, headers = b"x" * (ANONYMOUS_BYTES + 1), {"authorization": "Bearer nonsense"}
    refused(Client().post(LOGIN, body, content_type="application/json", headers=headers), 413, "too_large")


def test_errors_are_limited_to_the_first_invalid_fields() -> None:
    body = ",".join(rf'"field {number}":"\u0000"' for number in range(ERRORS_SHOWN + 5))
    answer = refused(Client().post(LOGIN, f"{{{body}}}".encode(), content_type="application/json"), 400, "invalid")
    errors = answer["errors"]
    assert isinstance(errors, dict) and len(errors) == ERRORS_SHOWN and answer["errors_left_out"] == 5


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api/", "/api/v1/alerts/7", "/api/v2/alerts"])
def test_unknown_api_path_returns_404(path: str) -> None:
    refused(Client().get(path), 404, "not_found")


def test_unknown_page_returns_html_404() -> None:
    assert Client().get("/nothing")["Content-Type"].startswith("text/html")


@pytest.mark.parametrize(("method", "path"), [("delete", "/api/v1/alerts"), ("get", "/api/v1/oauth/token")])
def test_unsupported_method_returns_405(school: School, method: str, path: str) -> None:
    client = PersonFactory.create(role=Role.OPERATOR, organization=school.organization).client
    refused(client.generic(method.upper(), path), 405, "method_not_allowed")


def test_unknown_host_returns_400() -> None:
    refused(Client().get("/api/v1/alerts", headers={"host": "evil.example"}), 400, "bad_request")


@pytest.mark.parametrize("path", ["/api/v1/alerts?cursor=%00", "/api/v1/alerts%00"])
def test_nul_in_the_path_returns_400(path: str) -> None:
    refused(Client().get(path), 400, "invalid")


def test_unsupported_accept_header_returns_406(school: School) -> None:
    client = PersonFactory.create(role=Role.OPERATOR, organization=school.organization).client
    refused(client.get("/api/v1/alerts", headers={"accept": "image/png"}), 406, "not_acceptable")


def test_refusal_matches_the_contract(school: School) -> None:
    client = PersonFactory.create(role=Role.VIEWER, organization=school.organization).client
    answer = client.post("/api/v1/drills", {"device_id": school.device}, content_type="application/json")
    assert problems("problem", answer.content) == []
