"""Rate limits slow down runaway programs and report the remaining quota, never refuse an alarm, and are per caller."""

import re
import secrets
from collections.abc import Iterator
from ipaddress import IPv6Address
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from apps.accounts.identity.sign_in import services as sign_in
from apps.accounts.models import Membership, Role, User
from apps.common import valkey
from apps.common.db.scope import tenant_scope
from tests.kit.people import Person, PersonFactory
from tests.kit.presses import raise_alert, raised
from tests.kit.refusals import refused
from tests.kit.school import School, SchoolFactory
from tests.kit.valkey import valkey_away

pytestmark = pytest.mark.slow

ORGANIZATIONS = "/api/v1/organizations"
LOGIN = "/api/v1/auth/login"
JSON = "application/json"
RATE_LIMIT = re.compile(r'"(\w+)";r=(\d+);t=(\d+)')
PLENTY = 1_000_000


@pytest.fixture
def limits(settings: Settings) -> dict[str, int]:
    """High limits, until a test lowers one."""
    settings.RATE_LIMITS = {"user": PLENTY, "organization": PLENTY, "address": PLENTY}
    found: dict[str, int] = settings.RATE_LIMITS
    return found


def remaining(answer: Any) -> tuple[str, int]:
    """Return the tightest limit, and how many requests remain."""
    found = RATE_LIMIT.fullmatch(answer["RateLimit"])
    assert found and 0 < int(found[3]) <= 60, answer.headers
    return found[1], int(found[2])


def client_from_new_address() -> Client:
    return Client(REMOTE_ADDR=str(IPv6Address(b"\x20\x01\x0d\xb8" + secrets.token_bytes(12))))


def test_person_gets_remaining_quota_and_is_refused_when_it_is_used_up(
    limits: dict[str, int], operator: Person
) -> None:
    limits["user"] = 3
    client = operator.client
    answers = [client.get(ORGANIZATIONS) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [remaining(answer) for answer in answers] == [("user", 2), ("user", 1), ("user", 0), ("user", 0)]
    assert answers[0]["RateLimit-Policy"] == f'"user";q=3;w=60, "organization";q={PLENTY};w=60'
    body = refused(answers[3], 429, "too_many_requests")
    assert 0 < int(answers[3]["Retry-After"]) <= 60
    assert body["retry_after"] == int(answers[3]["Retry-After"])


def test_rate_limits_are_counted_per_person(limits: dict[str, int], school: School) -> None:
    limits["user"] = 1
    greedy, other = (PersonFactory.create(role=Role.OPERATOR, organization=school.organization) for _ in range(2))
    assert [greedy.client.get(ORGANIZATIONS).status_code for _ in range(2)] == [200, 429]
    assert other.client.get(ORGANIZATIONS).status_code == 200


def test_new_token_does_not_reset_the_rate_limit(limits: dict[str, int], operator: Person) -> None:
    limits["user"] = 1
    assert operator.client.get(ORGANIZATIONS).status_code == 200
    assert Client(headers={"authorization": f"Bearer {token_of(operator)}"}).get(ORGANIZATIONS).status_code == 429


def test_each_organization_has_its_own_rate_limit(limits: dict[str, int], school: School) -> None:
    limits["organization"] = 2
    colleagues = [PersonFactory.create(role=Role.OPERATOR, organization=school.organization) for _ in range(3)]
    assert [one.client.get(ORGANIZATIONS).status_code for one in colleagues] == [200, 200, 429]
    elsewhere = PersonFactory.create(role=Role.OPERATOR, organization=SchoolFactory.create().organization)
    assert elsewhere.client.get(ORGANIZATIONS).status_code == 200


def test_anonymous_callers_are_counted_by_address(limits: dict[str, int]) -> None:
    limits["address"] = 2
    client, body = client_from_new_address(), {"email": "a@school.example", "password": "x"}
    answers = [client.post(LOGIN, body, content_type=JSON) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [401, 401, 429]
    assert [remaining(answer)[0] for answer in answers] == ["address"] * 3
    assert client_from_new_address().post(LOGIN, body, content_type=JSON).status_code == 401


def test_thousand_people_behind_one_address_do_not_limit_each_other(limits: dict[str, int], school: School) -> None:
    """A school has one public address: its people must not be refused because of each other."""
    limits["address"] = 5
    people = [User(email=f"{secrets.token_hex(8)}@school.example") for _ in range(1000)]
    with tenant_scope([school.organization]):
        User.objects.bulk_create(people)
        Membership.objects.bulk_create(
            Membership(user=user, organization_id=school.organization, role=Role.VIEWER) for user in people
        )
    client = client_from_new_address()
    refused = []
    for user in people:
        answer = client.get(ORGANIZATIONS, headers={"authorization": f"Bearer {token_of(user)}"})
        if answer.status_code != 200:
            refused.append(answer.content)
    assert refused == []


def test_reading_and_answering_alarms_is_never_rate_limited(
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


def test_raising_an_alarm_is_never_rate_limited(limits: dict[str, int], school: School) -> None:
    limits.update(user=0, organization=0, address=0)
    gateway = Client(headers={"authorization": f"Bearer {school.gateway_token}"})
    for _ in range(3):
        answer = gateway.post(
            "/api/v1/edge/events", {"epoch": str(school.epoch), "events": [raised(school)]}, content_type=JSON
        )
        assert answer.status_code == 200 and "RateLimit" not in answer
    for _ in range(3):
        assert client_from_new_address().post("/api/v1/oauth/token").status_code == 400  # a gateway without a token


@pytest.fixture
def without_valkey() -> Iterator[None]:
    with valkey_away():
        yield


@pytest.mark.usefixtures("without_valkey")
def test_requests_are_not_limited_without_valkey(limits: dict[str, int], operator: Person) -> None:
    limits.update(user=0, organization=0)
    answers = [operator.client.get(ORGANIZATIONS) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert [answer for answer in answers if "RateLimit" in answer] == []


def test_valkey_keys_contain_no_names_or_addresses(limits: dict[str, int], operator: Person, school: School) -> None:
    client = client_from_new_address()
    address = client.defaults["REMOTE_ADDR"]
    client.get(ORGANIZATIONS)
    operator.client.get(ORGANIZATIONS)
    keys = str(valkey.client().keys("safesignal:rate:*"))
    assert "safesignal:rate:address:" in keys
    for private in (str(operator.id), str(school.organization), address):
        assert private not in keys


def token_of(person: Person | User) -> str:
    return sign_in.begin(user=User.objects.get(pk=person.id), now=timezone.now()).access
