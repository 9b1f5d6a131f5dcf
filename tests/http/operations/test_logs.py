"""Logs help to find defects without identifying people."""

import json
import logging
import sys

import pytest
from django.test import Client
from pytest_django import Settings

from apps.accounts.models import Role
from apps.common.observability.logs import JsonLines, redact
from tests.http.log_lines import Lines
from tests.kit.passwords import FAST_HASHERS
from tests.kit.people import PASSWORD, AccountFactory
from tests.kit.presses import raise_alert
from tests.kit.school import SchoolFactory

pytestmark = pytest.mark.slow

JSON = "application/json"


@pytest.fixture(autouse=True)
def _quick_passwords(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = FAST_HASHERS


def test_log_contains_no_personal_data(log: Lines) -> None:
    """Sign in with right and wrong passwords, read, act, send invalid requests, sign out: by API and in the browser."""
    school = SchoolFactory.create()
    person = AccountFactory.create(role=Role.ADMIN, organization=school.organization)
    alert = raise_alert(school)
    client = Client(headers={"user-agent": "Secret Phone 7"}, REMOTE_ADDR="203.0.113.77")

    def post(path: str, **body: str) -> dict[str, str]:
        answer = client.post(f"/api/v1/auth/{path}", body, content_type=JSON)
        return answer.json() if answer.content else {}

    post("login", email=person.email, password="not the password")
    pair = post("login", email=person.email, password=PASSWORD)
    newer = post("refresh", refresh=pair["refresh"])
    behind = {"authorization": f"Bearer {newer['access']}"}
    for path in ("alerts", f"alerts/{alert}", "organizations", f"organizations/{school.organization}/tree", "nothing"):
        client.get(f"/api/v1/{path}?search={person.email}", headers=behind)
    client.put(f"/api/v1/alerts/{alert}/acknowledge", headers=behind)
    client.put(f"/api/v1/alerts/{alert}/resolve", {"reason": person.email}, content_type=JSON, headers=behind)
    client.get("/api/v1/alerts", headers={"authorization": f"Bearer {newer['access']}x"})
    client.get("/login/")
    client.post("/login/", {"email": person.email, "password": PASSWORD})
    client.get("/board/")
    client.post("/logout/")
    post("logout", refresh=newer["refresh"])

    text = json.dumps(log.lines, ensure_ascii=False).lower()
    personal = [
        str(person.email),
        f"{person.user.first_name} ",
        str(person.user.last_name),
        PASSWORD,
        "not the password",
        pair["access"],
        pair["refresh"],
        newer["refresh"],
        "203.0.113.77",
        "secret phone",
    ]
    assert [one for one in personal if one.lower() in text] == []
    assert {line["route"] for line in log.lines if line["event"] == "request"} >= {"api/v1/auth/login", "board/"}


def test_log_line_is_one_object_with_the_required_fields(log: Lines) -> None:
    Client().get("/api/v1/alerts", headers={"x-request-id": "a-request-1"})
    (line,) = [line for line in log.lines if line["event"] == "request"]
    assert list(line)[:5] == ["at", "level", "event", "from", "request_id"]
    assert (line["method"], line["route"], line["status"]) == ("GET", "api/v1/alerts", 401)
    assert str(line["at"]).endswith("Z")


def test_exception_is_logged_without_quoted_values() -> None:
    try:
        raise ValueError("tess@school.example sent Bearer abc.def to postgres://app:hunter2@db/x")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, __file__, 1, "broken\nin two", None, sys.exc_info())
    text = JsonLines().format(record)
    assert "\n" not in text
    line = json.loads(text)
    assert "ValueError" in line["error"]
    for secret in ("tess@", "abc.def", "hunter2"):
        assert secret not in line["error"], secret


@pytest.mark.parametrize(
    "name",
    ["password", "new_password", "access", "refresh_token", "Authorization", "cookie", "sessionid", "api_key",
     "private_key", "otp", "recovery_codes", "email", "phone", "first_name", "address", "ip"],
)  # fmt: skip
def test_secret_and_personal_fields_are_never_logged(name: str) -> None:
    assert redact("", {"outer": [{name: "Tess"}]}) == {"outer": [{name: "[redacted]"}]}


def test_harmless_values_are_logged_unchanged() -> None:
    kept = {"status": 200, "route": "api/v1/alerts", "ms": 1.5, "principal": "person:0198f2c4", "event_id": None}
    assert redact("", kept) == kept
