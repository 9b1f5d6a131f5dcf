"""What cannot be read is refused before anything happens: as a problem, with a stable code."""

import pytest
from django.test import Client

from apps.accounts.models import Role
from apps.common.http.body_limits import ANONYMOUS_BYTES
from apps.common.problems import ERRORS_SHOWN
from contracts.validation import problems
from tests.cloud.school import School, make_person

pytestmark = pytest.mark.slow

LOGIN = "/api/v1/auth/login"


def problem(response: object, status: int, code: str) -> dict[str, object]:
    """The body of a refusal, which is one problem in the contract's shape."""
    assert response.status_code == status, response.content  # type: ignore[attr-defined]
    assert response["Content-Type"] == "application/problem+json"  # type: ignore[index]
    body: dict[str, object] = response.json()  # type: ignore[attr-defined]
    assert body["code"] == code
    assert body["status"] == status
    assert str(body["type"]).endswith(f"/problems/{code}")
    return body


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
def test_what_is_not_json_is_a_400(body: bytes) -> None:
    answer = Client().post(LOGIN, body, content_type="application/json")
    if body == b"":
        assert problem(answer, 400, "invalid")["errors"]
    else:
        problem(answer, 400, "malformed")


def test_a_nul_in_a_field_is_named() -> None:
    body = b'{"email": "a@school.example", "password": "a\\u0000b"}'
    answer = Client().post(LOGIN, body, content_type="application/json")
    assert problem(answer, 400, "invalid")["errors"] == {"password": ["It holds a NUL character, which no text may."]}


def test_a_list_where_an_object_belongs_names_no_field() -> None:
    problem(Client().post(LOGIN, b"[]", content_type="application/json"), 400, "invalid")


def test_an_unknown_field_and_a_wrong_type_are_named() -> None:
    answer = Client().post(LOGIN, {"email": 7, "password": ["x"], "remember": True}, content_type="application/json")
    errors = problem(answer, 400, "invalid")["errors"]
    assert isinstance(errors, dict)
    assert set(errors) == {"remember"} or {"email", "password"} <= set(errors)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_another_content_type_is_a_415(kind: str) -> None:
    problem(Client().post(LOGIN, b"email=x", content_type=kind), 415, "unsupported_media_type")


def test_a_body_of_ten_megabytes_is_a_413_and_is_not_read() -> None:
    problem(Client().post(LOGIN, b" " * 10 * 2**20, content_type="application/json"), 413, "too_large")


def test_a_credential_that_a_call_does_not_ask_for_allows_no_larger_body() -> None:
    body, headers = b"x" * (ANONYMOUS_BYTES + 1), {"authorization": "Bearer nonsense"}
    problem(Client().post(LOGIN, body, content_type="application/json", headers=headers), 413, "too_large")


def test_of_many_fields_that_are_not_valid_the_first_are_named() -> None:
    body = ",".join(rf'"field {number}":"\u0000"' for number in range(ERRORS_SHOWN + 5))
    answer = problem(Client().post(LOGIN, f"{{{body}}}".encode(), content_type="application/json"), 400, "invalid")
    errors = answer["errors"]
    assert isinstance(errors, dict) and len(errors) == ERRORS_SHOWN and answer["errors_left_out"] == 5


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api/", "/api/v1/alerts/7", "/api/v2/alerts"])
def test_an_address_that_is_not_there_is_a_404(path: str) -> None:
    problem(Client().get(path), 404, "not_found")


def test_a_page_that_is_not_there_is_for_people() -> None:
    assert Client().get("/nothing")["Content-Type"].startswith("text/html")


@pytest.mark.parametrize(("method", "path"), [("delete", "/api/v1/alerts"), ("get", "/api/v1/oauth/token")])
def test_another_method_is_a_405(school: School, method: str, path: str) -> None:
    client = make_person(Role.OPERATOR, school.organization).client
    problem(client.generic(method.upper(), path), 405, "method_not_allowed")


def test_a_host_that_is_not_ours_is_a_400() -> None:
    problem(Client().get("/api/v1/alerts", headers={"host": "evil.example"}), 400, "bad_request")


@pytest.mark.parametrize("path", ["/api/v1/alerts?cursor=%00", "/api/v1/alerts%00"])
def test_a_nul_in_the_address_is_a_400(path: str) -> None:
    problem(Client().get(path), 400, "invalid")


def test_accepting_only_what_we_do_not_have_is_a_406(school: School) -> None:
    client = make_person(Role.OPERATOR, school.organization).client
    problem(client.get("/api/v1/alerts", headers={"accept": "image/png"}), 406, "not_acceptable")


def test_a_refusal_is_as_the_contract_has_it(school: School) -> None:
    client = make_person(Role.VIEWER, school.organization).client
    answer = client.post("/api/v1/drills", {"device_id": school.device}, content_type="application/json")
    assert problems("problem", answer.content) == []
