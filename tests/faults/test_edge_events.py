"""Invalid input from a gateway: each case is refused or answered with a reason, without affecting real presses."""

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
from tests.kit.people import PersonFactory
from tests.kit.presses import JsonObject, raised, rfc3339
from tests.kit.school import School, SchoolFactory, device_name

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
    return SchoolFactory.create()


@dataclass(frozen=True)
class Answer:
    """An HTTP response."""

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
    """Send a batch over HTTP and return its result."""
    body: JsonObject = {"epoch": school.epoch, "events": list(events)}
    if sent_at is not None:
        body["sent_at"] = rfc3339(sent_at)
    answer = post(school.gateway_token, msgspec.json.encode(body))
    assert answer.status_code == HTTPStatus.OK, answer.content
    assert problems("edge_answer", answer.content) == []
    return msgspec.json.decode(answer.content, type=EventsAnswer)


def outcomes(answer: EventsAnswer) -> list[tuple[str, str | None]]:
    return [(result.result, result.reason) for result in answer.results]


class Device(msgspec.Struct):
    id: UUID | None
    device_id: str


class Alert(msgspec.Struct):
    """The fields of an alert document used by these tests."""

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


def open_alerts(school: School) -> dict[str, Alert]:
    """Return the open alerts visible to an operator of the school, by name."""
    operator = PersonFactory.create(role=Role.OPERATOR, organization=school.organization)
    answer = operator.client.get("/api/v1/alerts?status=open&limit=100")
    assert answer.status_code == HTTPStatus.OK
    return {alert.alert_id: alert for alert in msgspec.json.decode(answer.content, type=Page).results}


def feed_kinds(school: School) -> list[str]:
    """Return the kinds of events in the school's feed, in order."""
    with tenant_scope([school.organization]):
        return [message.envelope.kind for message in feed.since(school.organization, 0, limit=1000)]


def assert_refused(answer: Answer, status: HTTPStatus, code: str) -> None:
    assert (answer.status_code, answer.content_type) == (status, PROBLEM), answer.content
    assert problems("problem", answer.content) == []
    assert msgspec.json.decode(answer.content)["code"] == code


def test_invalid_events_do_not_affect_real_presses(school: School) -> None:
    other = SchoolFactory.create()
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
    assert outcomes(answer) == [
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

    alerts = open_alerts(school)
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
    assert feed_kinds(school).count("alert.created") == 6
    assert "device.trouble" in feed_kinds(school)
    assert (open_alerts(other), feed_kinds(other)) == ({}, [])


def test_device_of_other_building_is_unattributed(school: School) -> None:
    """It gets a name of its own: the plain one is reserved for a gateway of the button's building."""
    event = raised(school, device=school.other_device)
    assert outcomes(send(school, event)) == [("stored", None)]
    ((name, alert),) = open_alerts(school).items()
    assert alert.is_unattributed and name.startswith(f"{event['alert_id']}@")


@pytest.mark.parametrize("event", ["picnic", 7, None, [], {}, {"kind": "alert.raised"}, {"event_id": NUL}])
def test_undecodable_event_is_quarantined_alone(school: School, event: object) -> None:
    real = raised(school)
    body = msgspec.json.encode({"epoch": school.epoch, "events": [event, real]})
    answer = post(school.gateway_token, body)
    assert answer.status_code == HTTPStatus.OK, answer.content
    results = msgspec.json.decode(answer.content, type=EventsAnswer)
    assert outcomes(results) == [("quarantined", "undecodable"), ("stored", None)]
    assert list(open_alerts(school)) == [real["alert_id"]]


def test_batch_of_more_than_500_events_is_refused(school: School) -> None:
    events = [raised(school) for _ in range(501)]
    body = msgspec.json.encode({"epoch": school.epoch, "events": events})
    assert_refused(post(school.gateway_token, body), HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_many_events")
    assert feed_kinds(school) == []
    assert outcomes(send(school, *events[:500])) == [("stored", None)] * 500


@pytest.mark.parametrize("body", [b"", b"picnic", b"{", b"[]", b"null", b"\xff\x00", b'{"epoch":"x","events":[]}'])
def test_body_without_batch_is_refused(school: School, body: bytes) -> None:
    assert_refused(post(school.gateway_token, body), HTTPStatus.BAD_REQUEST, "invalid")


def test_oversized_body_is_refused(school: School) -> None:
    body = b'{"epoch":"%s","events":["%s"]}' % (str(school.epoch).encode(), b"x" * 3_000_000)
    assert_refused(post(school.gateway_token, body), HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large")


def test_duplicate_event_in_batch_is_repeat(school: School) -> None:
    event = raised(school)
    assert outcomes(send(school, event, event)) == [("stored", None), ("repeat", None)]
    assert open_alerts(school)[str(event["alert_id"])].presses == 1
    assert feed_kinds(school) == ["alert.created"]


def test_press_sent_as_two_events_is_repeat(school: School) -> None:
    event = raised(school)
    again = event | {"event_id": str(uuid4())}
    assert outcomes(send(school, event, again)) == [("stored", None), ("repeat", None)]
    assert outcomes(send(school, again | {"event_id": str(uuid4())})) == [("repeat", None)]
    assert feed_kinds(school) == ["alert.created"]


def test_replayed_batch_has_no_effect(school: School) -> None:
    first = raised(school)
    joined = first | {"kind": "alert.pressed_again", "event_id": str(uuid4()), "seq": 7}
    answer = send(school, first, joined)
    before = (feed_kinds(school), open_alerts(school)[str(first["alert_id"])].presses)
    again = send(school, first, joined)
    assert outcomes(again) == [("repeat", None)] * 2
    assert (feed_kinds(school), open_alerts(school)[str(first["alert_id"])].presses) == before == (
        ["alert.created", "alert.updated"], 2,
    )  # fmt: skip
    assert again.watermark == answer.watermark


def test_invalid_tokens_are_refused(school: School) -> None:
    body = msgspec.json.encode({"epoch": school.epoch, "events": [raised(school)]})
    long_ago = timezone.now() - timedelta(hours=1)
    lifetime = timedelta(minutes=10)
    mint = tokens.mint
    expired = mint(kind=PrincipalKind.GATEWAY, subject=school.gateway, claims={}, lifetime=lifetime, now=long_ago)
    unknown = mint(kind=PrincipalKind.GATEWAY, subject=uuid4(), claims={}, lifetime=lifetime)
    claims = jwt.decode(school.gateway_token, options={"verify_signature": False})
    header = jwt.get_unverified_header(school.gateway_token)
    foreign = jwt.encode(claims, ec.generate_private_key(ec.SECP256R1()), algorithm="ES256", headers=header)
    unsigned = jwt.encode(claims, "", algorithm="none", headers={"kid": header["kid"], "typ": header["typ"]})
    for token in (expired, unknown, foreign, unsigned, "picnic"):
        assert_refused(post(token, body), HTTPStatus.UNAUTHORIZED, "bad_token")
    assert_refused(post(None, body), HTTPStatus.UNAUTHORIZED, "not_authenticated")
    assert_refused(
        post(PersonFactory.create(role=Role.ADMIN, organization=school.organization).token, body),
        HTTPStatus.FORBIDDEN,
        "forbidden",
    )
    assert feed_kinds(school) == []


def test_gateway_writes_only_to_its_own_organization(school: School) -> None:
    """A press sent by another school's gateway raises an alert there, and none here."""
    other = SchoolFactory.create()
    assert outcomes(send(other, raised(school))) == [("stored", None)]
    assert feed_kinds(school) == []
    assert [alert.is_unattributed for alert in open_alerts(other).values()] == [True]


@pytest.mark.parametrize("days", [-2, 2])
def test_times_are_corrected_for_gateway_clock_error(school: School, days: int) -> None:
    """Its times are corrected by the clock's error at the time of sending."""
    off = timedelta(days=days)
    pressed = timezone.now() - timedelta(minutes=3)
    event = raised(school, at=pressed + off)
    assert outcomes(send(school, event, sent_at=timezone.now() + off)) == [("stored", None)]
    alert = open_alerts(school)[str(event["alert_id"])]
    assert abs(alert.triggered_at - pressed) < timedelta(seconds=10)
    assert alert.is_late


def test_event_of_month_without_partition_is_stored_and_moved(school: School) -> None:
    """The row waits in the default partition, visible as usual, until the task creates the month's partition."""
    old = raised(school, at=timezone.now() - timedelta(days=75))
    assert outcomes(send(school, old)) == [("stored", None)]
    before = open_alerts(school)[str(old["alert_id"])]
    assert before.is_late
    keep_partitions()
    after = open_alerts(school)[str(old["alert_id"])]
    assert (after.id, after.triggered_at) == (before.id, before.triggered_at)
    assert outcomes(send(school, old)) == [("repeat", None)]


def test_assertion_is_accepted_once(school: School) -> None:
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
    assert_refused(ask(key, first), HTTPStatus.UNAUTHORIZED, "invalid_client")
    stranger = ec.generate_private_key(ec.SECP256R1())
    assert_refused(ask(stranger, secrets.token_hex(16)), HTTPStatus.UNAUTHORIZED, "invalid_client")
    assert ask(key, secrets.token_hex(16)).status_code == HTTPStatus.OK


def test_gateway_last_seen_is_updated_by_batches(school: School) -> None:
    """The time is at most SEEN_PRECISION behind the newest batch, and never moves back."""

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
