"""What a gateway sends that it should not: each a clear refusal or a reason of its own, and no real press suffers."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings
from django.test import Client
from django.utils import timezone

from apps.accounts.identity.keys import tokens
from apps.accounts.models import Role
from apps.alerts.ingest import service
from apps.alerts.ingest.messages import EventsAnswer
from apps.alerts.tasks import keep_partitions
from apps.common import feed
from apps.common.access import SYSTEM, PrincipalKind
from apps.common.db.scope import tenant_scope
from apps.devices import services as devices
from apps.devices.models import Gateway
from contracts.validation import problems
from tests.cloud.school import JsonObject, School, device_name, make_person, make_school, raised, rfc3339

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Response

pytestmark = pytest.mark.usefixtures("database")

EVENTS = "/api/v1/edge/events"
TOKEN = "/api/v1/oauth/token"
JSON = "application/json"
PROBLEM = "application/problem+json"
NUL = "a\x00b"
CLOCK_START = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.fixture
def school() -> School:
    return make_school()


@dataclass(frozen=True)
class Answer:
    """What came back over HTTP."""

    status_code: int
    content_type: str
    content: bytes

    @classmethod
    def of(cls, response: "Response") -> "Answer":
        return cls(response.status_code, response["content-type"], response.content)


def post(token: str | None, body: bytes) -> Answer:
    headers = {"authorization": f"Bearer {token}"} if token is not None else {}
    return Answer.of(Client(headers=headers).post(EVENTS, body, content_type=JSON))


def send(school: School, *events: JsonObject, sent_at: datetime | None = None) -> EventsAnswer:
    """The answer to a batch, over HTTP."""
    body: JsonObject = {"epoch": school.epoch, "events": list(events)}
    if sent_at is not None:
        body["sent_at"] = rfc3339(sent_at)
    answer = post(school.gateway_token, msgspec.json.encode(body))
    assert answer.status_code == HTTPStatus.OK, answer.content
    assert problems("edge_answer", answer.content) == []
    return msgspec.json.decode(answer.content, type=EventsAnswer)


def outcome(answer: EventsAnswer) -> list[tuple[str, str | None]]:
    return [(result.result, result.reason) for result in answer.results]


class Device(msgspec.Struct):
    id: UUID | None
    device_id: str


class Alert(msgspec.Struct):
    """What of an alert document these tests look at."""

    id: UUID
    alert_id: str
    alert_type: str
    status: str
    is_unattributed: bool
    is_late: bool
    triggered_at: datetime
    place: dict[str, object] | None
    device: Device | None
    presses: int


class Page(msgspec.Struct):
    results: list[Alert]


def shown(school: School) -> dict[str, Alert]:
    """The open alerts that an operator of the school is shown, by their names."""
    operator = make_person(Role.OPERATOR, school.organization)
    answer = operator.client.get("/api/v1/alerts?status=open&limit=100")
    assert answer.status_code == HTTPStatus.OK
    return {alert.alert_id: alert for alert in msgspec.json.decode(answer.content, type=Page).results}


def told(school: School) -> list[str]:
    """The kinds of the school's feed, in order."""
    with tenant_scope([school.organization]):
        return [message.envelope.kind for message in feed.since(school.organization, 0, limit=1000)]


def refused(answer: Answer, status: HTTPStatus, code: str) -> None:
    assert (answer.status_code, answer.content_type) == (status, PROBLEM), answer.content
    assert problems("problem", answer.content) == []
    assert msgspec.json.decode(answer.content)["code"] == code


def test_bad_neighbours_cost_the_real_presses_nothing(school: School) -> None:
    other = make_school()
    real = [raised(school), raised(school, device=school.device, alert_type="assist")]
    strangers = device_name()
    events: list[JsonObject] = [
        raised(school, device=NUL),
        real[0],
        raised(school, device=strangers),
        raised(school, device=other.device),
        raised(school, at=CLOCK_START),
        {"event_id": str(uuid4()), "kind": "alert.danced", "at": rfc3339(timezone.now())},
        real[1],
        raised(school, pattern=NUL, type="of a newer gateway"),
    ]
    answer = send(school, *events)
    good = ("stored", None)
    assert outcome(answer) == [
        ("quarantined", "undecodable"),
        good,
        good,
        good,
        good,
        ("quarantined", "undecodable"),
        good,
        good,
    ]
    assert [result.detail for result in answer.results if result.result == "quarantined"] != [None, None]

    alerts = shown(school)
    for event in real:
        alert = alerts[str(event["alert_id"])]
        assert (alert.is_unattributed, alert.presses) == (False, 1)
        assert alert.place is not None
    for number in (2, 3):
        alert = alerts[str(events[number]["alert_id"])]
        assert alert.is_unattributed
        assert alert.device is not None
        assert (alert.device.id, alert.device.device_id) == (None, events[number]["device"])
        assert alert.place is None
    dated = alerts[str(events[4]["alert_id"])]
    assert abs(dated.triggered_at - timezone.now()) < timedelta(minutes=1)
    assert alerts[str(events[7]["alert_id"])].alert_type == "lockdown"
    assert len(alerts) == 6
    assert told(school).count("alert.created") == 6
    assert "device.trouble" in told(school)
    assert (shown(other), told(other)) == ({}, [])


def test_a_device_of_another_building_is_unattributed(school: School) -> None:
    """Under a name of its own: the plain one is for a gateway of the button's building."""
    event = raised(school, device=school.other_device)
    assert outcome(send(school, event)) == [("stored", None)]
    ((name, alert),) = shown(school).items()
    assert alert.is_unattributed and name.startswith(f"{event['alert_id']}@")


@pytest.mark.parametrize("event", ["picnic", 7, None, [], {}, {"kind": "alert.raised"}, {"event_id": NUL}])
def test_what_is_no_event_at_all_is_put_aside_alone(school: School, event: object) -> None:
    real = raised(school)
    body = msgspec.json.encode({"epoch": school.epoch, "events": [event, real]})
    answer = post(school.gateway_token, body)
    assert answer.status_code == HTTPStatus.OK, answer.content
    results = msgspec.json.decode(answer.content, type=EventsAnswer)
    assert outcome(results) == [("quarantined", "undecodable"), ("stored", None)]
    assert list(shown(school)) == [real["alert_id"]]


def test_501_events_are_refused_and_500_are_not(school: School) -> None:
    events = [raised(school) for _ in range(501)]
    body = msgspec.json.encode({"epoch": school.epoch, "events": events})
    refused(post(school.gateway_token, body), HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_many_events")
    assert told(school) == []
    assert outcome(send(school, *events[:500])) == [("stored", None)] * 500


@pytest.mark.parametrize("body", [b"", b"picnic", b"{", b"[]", b"null", b"\xff\x00", b'{"epoch":"x","events":[]}'])
def test_a_body_that_is_no_batch(school: School, body: bytes) -> None:
    refused(post(school.gateway_token, body), HTTPStatus.BAD_REQUEST, "invalid")


def test_a_body_of_megabytes(school: School) -> None:
    body = b'{"epoch":"%s","events":["%s"]}' % (str(school.epoch).encode(), b"x" * 3_000_000)
    refused(post(school.gateway_token, body), HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large")


def test_the_same_event_twice_in_one_batch(school: School) -> None:
    event = raised(school)
    assert outcome(send(school, event, event)) == [("stored", None), ("repeat", None)]
    assert shown(school)[str(event["alert_id"])].presses == 1
    assert told(school) == ["alert.created"]


def test_the_same_press_as_two_events(school: School) -> None:
    event = raised(school)
    again = event | {"event_id": str(uuid4())}
    assert outcome(send(school, event, again)) == [("stored", None), ("repeat", None)]
    assert outcome(send(school, again | {"event_id": str(uuid4())})) == [("repeat", None)]
    assert told(school) == ["alert.created"]


def test_a_replayed_batch_changes_nothing(school: School) -> None:
    first = raised(school)
    joined = first | {"kind": "alert.pressed_again", "event_id": str(uuid4()), "seq": 7}
    answer = send(school, first, joined)
    before = (told(school), shown(school)[str(first["alert_id"])].presses)
    again = send(school, first, joined)
    assert outcome(again) == [("repeat", None)] * 2
    assert (told(school), shown(school)[str(first["alert_id"])].presses) == before == (
        ["alert.created", "alert.updated"], 2,
    )  # fmt: skip
    assert again.watermark == answer.watermark


def test_tokens_that_open_nothing(school: School) -> None:
    body = msgspec.json.encode({"epoch": school.epoch, "events": [raised(school)]})
    long_ago = timezone.now() - timedelta(hours=1)
    lifetime = timedelta(minutes=10)
    mint = tokens.mint
    expired = mint(kind=PrincipalKind.GATEWAY, subject=school.gateway, claims={}, lifetime=lifetime, now=long_ago)
    nobody = mint(kind=PrincipalKind.GATEWAY, subject=uuid4(), claims={}, lifetime=lifetime)
    claims = jwt.decode(school.gateway_token, options={"verify_signature": False})
    header = jwt.get_unverified_header(school.gateway_token)
    foreign = jwt.encode(claims, ec.generate_private_key(ec.SECP256R1()), algorithm="ES256", headers=header)
    unsigned = jwt.encode(claims, "", algorithm="none", headers={"kid": header["kid"], "typ": header["typ"]})
    for token in (expired, nobody, foreign, unsigned, "picnic"):
        refused(post(token, body), HTTPStatus.UNAUTHORIZED, "bad_token")
    refused(post(None, body), HTTPStatus.UNAUTHORIZED, "not_authenticated")
    refused(post(make_person(Role.ADMIN, school.organization).token, body), HTTPStatus.FORBIDDEN, "forbidden")
    assert told(school) == []


def test_a_gateway_speaks_for_its_own_organization_only(school: School) -> None:
    """Another school's gateway that sends this school's press makes an alert at home, and none here."""
    other = make_school()
    assert outcome(send(other, raised(school))) == [("stored", None)]
    assert told(school) == []
    assert [alert.is_unattributed for alert in shown(other).values()] == [True]


@pytest.mark.parametrize("days", [-2, 2])
def test_a_gateway_whose_clock_is_two_days_off(school: School, days: int) -> None:
    """Its times are corrected by what its clock is off at the moment of sending."""
    off = timedelta(days=days)
    pressed = timezone.now() - timedelta(minutes=3)
    event = raised(school, at=pressed + off)
    assert outcome(send(school, event, sent_at=timezone.now() + off)) == [("stored", None)]
    alert = shown(school)[str(event["alert_id"])]
    assert abs(alert.triggered_at - pressed) < timedelta(seconds=10)
    assert alert.is_late


def test_a_month_without_a_partition(school: School) -> None:
    """The row waits in the default partition, seen by everybody; the keeper gives its month a partition."""
    old = raised(school, at=timezone.now() - timedelta(days=75))
    assert outcome(send(school, old)) == [("stored", None)]
    before = shown(school)[str(old["alert_id"])]
    assert before.is_late
    keep_partitions()
    after = shown(school)[str(old["alert_id"])]
    assert (after.id, after.triggered_at) == (before.id, before.triggered_at)
    assert outcome(send(school, old)) == [("repeat", None)]


def test_an_assertion_opens_the_door_once(school: School) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    with tenant_scope([school.organization]):
        gateway = devices.register_gateway(
            actor=SYSTEM, organization_id=school.organization, name="Second", public_key=public, buildings=[]
        )

    def ask(signer: ec.EllipticCurvePrivateKey, assertion_id: str) -> Answer:
        now = int(timezone.now().timestamp())
        claims = {"iss": str(gateway), "sub": str(gateway), "aud": settings.BASE_URL + TOKEN, "jti": assertion_id}
        assertion = jwt.encode({**claims, "iat": now, "exp": now + 60}, signer, algorithm="ES256")
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": assertion,
        }
        return Answer.of(Client().post(TOKEN, form))

    first = secrets.token_hex(16)
    answer = ask(key, first)
    assert answer.status_code == HTTPStatus.OK
    assert problems("token_answer", answer.content) == []
    refused(ask(key, first), HTTPStatus.UNAUTHORIZED, "invalid_client")
    stranger = ec.generate_private_key(ec.SECP256R1())
    refused(ask(stranger, secrets.token_hex(16)), HTTPStatus.UNAUTHORIZED, "invalid_client")
    assert ask(key, secrets.token_hex(16)).status_code == HTTPStatus.OK


def test_gateway_last_seen_is_recorded_by_each_batch(school: School) -> None:
    """At most SEEN_PRECISION behind the newest batch, and never set back."""

    def last_seen() -> datetime | None:
        with tenant_scope([school.organization]):
            return Gateway.objects.get(id=school.gateway).last_seen_at

    assert last_seen() is None
    start = timezone.now()
    for seconds, expected in ((0, 0), (1, 0), (60, 60), (59, 60), (2, 60)):
        batch = service.parse(msgspec.json.encode({"epoch": school.epoch, "events": [raised(school)]}))
        at = start + timedelta(seconds=seconds)
        with tenant_scope([school.organization]):
            service.ingest(gateway=school.gateway_principal, request=batch, received_at=at)
        assert last_seen() == start + timedelta(seconds=expected)
