"""A runaway program is slowed and is told what is left; an alarm is never refused, and nobody pays for others."""

import re
import secrets
from collections.abc import Iterator
from ipaddress import IPv6Address
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from apps.accounts.identity import sign_in
from apps.accounts.models import Membership, Role, User
from apps.common import valkey
from apps.common.db.scope import tenant_scope
from tests.cloud.school import Person, School, make_person, make_school, raise_alert, raised
from tests.http.test_bad_input import problem
from tests.valkey import valkey_away

pytestmark = pytest.mark.slow

ORGANIZATIONS = "/api/v1/organizations"
LOGIN = "/api/v1/auth/login"
JSON = "application/json"
RATE_LIMIT = re.compile(r'"(\w+)";r=(\d+);t=(\d+)')
PLENTY = 1_000_000


@pytest.fixture
def limits(settings: Settings) -> dict[str, int]:
    """Plenty of each, until a test says otherwise."""
    settings.RATE_LIMITS = {"user": PLENTY, "organization": PLENTY, "address": PLENTY}
    found: dict[str, int] = settings.RATE_LIMITS
    return found


@pytest.fixture
def operator(school: School) -> Person:
    return make_person(Role.OPERATOR, school.organization)


def left(answer: Any) -> tuple[str, int]:
    """The tightest limit, and how many requests are left of it."""
    found = RATE_LIMIT.fullmatch(answer["RateLimit"])
    assert found and 0 < int(found[3]) <= 60, answer.headers
    return found[1], int(found[2])


def from_anywhere() -> Client:
    return Client(REMOTE_ADDR=str(IPv6Address(b"\x20\x01\x0d\xb8" + secrets.token_bytes(12))))


def test_a_person_is_told_what_is_left_and_refused_when_nothing_is(limits: dict[str, int], operator: Person) -> None:
    limits["user"] = 3
    client = operator.client
    answers = [client.get(ORGANIZATIONS) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [left(answer) for answer in answers] == [("user", 2), ("user", 1), ("user", 0), ("user", 0)]
    assert answers[0]["RateLimit-Policy"] == f'"user";q=3;w=60, "organization";q={PLENTY};w=60'
    body = problem(answers[3], 429, "too_many_requests")
    assert 0 < int(answers[3]["Retry-After"]) <= 60
    assert body["retry_after"] == int(answers[3]["Retry-After"])


def test_what_one_person_used_up_is_not_taken_from_another(limits: dict[str, int], school: School) -> None:
    limits["user"] = 1
    greedy, other = (make_person(Role.OPERATOR, school.organization) for _ in range(2))
    assert [greedy.client.get(ORGANIZATIONS).status_code for _ in range(2)] == [200, 429]
    assert other.client.get(ORGANIZATIONS).status_code == 200


def test_a_new_token_is_no_new_person(limits: dict[str, int], operator: Person) -> None:
    limits["user"] = 1
    assert operator.client.get(ORGANIZATIONS).status_code == 200
    assert Client(headers={"authorization": f"Bearer {token_of(operator)}"}).get(ORGANIZATIONS).status_code == 429


def test_an_organization_as_a_whole_has_a_limit_and_another_one_has_its_own(
    limits: dict[str, int], school: School
) -> None:
    limits["organization"] = 2
    colleagues = [make_person(Role.OPERATOR, school.organization) for _ in range(3)]
    assert [one.client.get(ORGANIZATIONS).status_code for one in colleagues] == [200, 200, 429]
    elsewhere = make_person(Role.OPERATOR, make_school().organization)
    assert elsewhere.client.get(ORGANIZATIONS).status_code == 200


def test_whom_nobody_knows_counts_by_address(limits: dict[str, int]) -> None:
    limits["address"] = 2
    client, body = from_anywhere(), {"email": "a@school.example", "password": "x"}
    answers = [client.post(LOGIN, body, content_type=JSON) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [401, 401, 429]
    assert [left(answer)[0] for answer in answers] == ["address"] * 3
    assert from_anywhere().post(LOGIN, body, content_type=JSON).status_code == 401


def test_a_thousand_people_behind_one_address_do_not_get_in_each_others_way(
    limits: dict[str, int], school: School
) -> None:
    """A school has one address: nobody in it may be refused because of the others."""
    limits["address"] = 5
    people = [User(email=f"{secrets.token_hex(8)}@school.example") for _ in range(1000)]
    with tenant_scope([school.organization]):
        User.objects.bulk_create(people)
        Membership.objects.bulk_create(
            Membership(user=user, organization_id=school.organization, role=Role.VIEWER) for user in people
        )
    client = from_anywhere()
    refused = []
    for user in people:
        answer = client.get(ORGANIZATIONS, headers={"authorization": f"Bearer {token_of(user)}"})
        if answer.status_code != 200:
            refused.append(answer.content)
    assert refused == []


def test_seeing_and_answering_an_alarm_is_never_refused(
    limits: dict[str, int], school: School, operator: Person
) -> None:
    limits.update(user=1, organization=1, address=1)
    client = operator.client
    assert [client.get(ORGANIZATIONS).status_code for _ in range(2)] == [200, 429]
    alert = raise_alert(school)
    acts = [
        client.get("/api/v1/alerts"),
        client.get(f"/api/v1/alerts/{alert}"),
        client.put(f"/api/v1/alerts/{alert}/acknowledge"),
        client.put(f"/api/v1/alerts/{alert}/resolve", {"reason": "test"}, content_type=JSON),
    ]
    assert [answer.status_code for answer in acts] == [200] * 4
    assert [answer for answer in acts if "RateLimit" in answer] == []


def test_raising_an_alarm_is_never_refused(limits: dict[str, int], school: School) -> None:
    limits.update(user=0, organization=0, address=0)
    gateway = Client(headers={"authorization": f"Bearer {school.gateway_token}"})
    for _ in range(3):
        answer = gateway.post(
            "/api/v1/edge/events", {"epoch": str(school.epoch), "events": [raised(school)]}, content_type=JSON
        )
        assert answer.status_code == 200 and "RateLimit" not in answer
    for _ in range(3):
        assert from_anywhere().post("/api/v1/oauth/token").status_code == 400  # a gateway that is not known yet


@pytest.fixture
def without_valkey() -> Iterator[None]:
    with valkey_away():
        yield


@pytest.mark.usefixtures("without_valkey")
def test_with_valkey_gone_nobody_is_counted_and_nobody_refused(limits: dict[str, int], operator: Person) -> None:
    limits.update(user=0, organization=0)
    answers = [operator.client.get(ORGANIZATIONS) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert [answer for answer in answers if "RateLimit" in answer] == []


def test_valkey_is_told_nobodys_name_or_address(limits: dict[str, int], operator: Person, school: School) -> None:
    client = from_anywhere()
    address = client.defaults["REMOTE_ADDR"]
    client.get(ORGANIZATIONS)
    operator.client.get(ORGANIZATIONS)
    keys = str(valkey.client().keys("safesignal:rate:*"))
    assert "safesignal:rate:address:" in keys
    for told in (str(operator.id), str(school.organization), address):
        assert told not in keys


def token_of(person: Person | User) -> str:
    return sign_in.begin(user=User.objects.get(pk=person.id), now=timezone.now()).access
