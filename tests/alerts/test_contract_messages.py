"""Messages that the cloud accepts and sends match the contract: its types are tested with every example."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings
from django.test import Client
from django.utils import timezone

from apps.accounts.identity.keys.signing_keys import signing_key
from apps.alerts.consumers import GatewayResume, PersonResume
from apps.alerts.ingest import service
from apps.alerts.ingest.core import read_core
from apps.alerts.ingest.messages import decode_event
from apps.alerts.models import Alert
from apps.common.access import SYSTEM
from apps.common.db.ids import new_id
from apps.common.db.scope import tenant_scope
from apps.common.problems import Problem
from apps.common.times import rfc3339
from apps.devices import services as devices
from apps.devices.models import Device, DeviceStatus, GatewayRule, Trouble
from contracts import Example, examples
from contracts.validation import problems
from tests.kit.presses import raised, send
from tests.kit.school import School

EVENTS, TOKEN, CONFIGURATION = "/api/v1/edge/events", "/api/v1/oauth/token", "/api/v1/edge/config"
DEMANDS = {"accept": "application/jose"}
NOW = datetime(2026, 9, 1, 8, 15, 4, tzinfo=UTC)
UNKNOWN_ID = "0198f2c4-6a10-7fff-9c41-5d2e8f7a0fff"


def label(example: Example) -> str:
    return example.name


def post(school: School, body: bytes) -> Any:
    headers = {"authorization": f"Bearer {school.gateway_token}"}
    return Client(headers=headers).post(EVENTS, data=body, content_type="application/json")


@pytest.mark.parametrize("example", examples("edge_event", "valid"), ids=label)
def test_valid_event_is_decoded(example: Example) -> None:
    """With its id, kind and every field that the example has and the type defines."""
    event = decode_event(example.raw)
    sent, known = json.loads(example.raw), msgspec.to_builtins(event)
    assert known["kind"] == sent["kind"] and str(event.event_id) == sent["event_id"]
    for trouble in known.get("troubles", ()):
        trouble["since"] = rfc3339(datetime.fromisoformat(trouble["since"]))
    for name in known.keys() & sent.keys() - {"hops", "at", "since"}:
        assert known[name] == sent[name], name


@pytest.mark.parametrize("example", examples("edge_event", "invalid"), ids=label)
def test_invalid_event_is_refused(example: Example) -> None:
    """Events that the contract does not allow never reach the database."""
    with pytest.raises(msgspec.DecodeError):
        decode_event(example.raw)


def test_invalid_events_do_not_affect_others_in_the_batch(school: School) -> None:
    """A batch of all of them with a real press: the press is stored, the others are quarantined with a reason."""
    invalid = [example for example in examples("edge_event", "invalid") if read_core(example.raw, NOW) is None]
    bad = [json.loads(example.raw) for example in invalid]
    press = raised(school)
    answer = post(school, msgspec.json.encode({"epoch": uuid4(), "events": [*bad, press]}))
    assert answer.status_code == 200 and problems("edge_answer", answer.content) == []
    *quarantined, stored = answer.json()["results"]
    assert {result["result"] for result in quarantined} == {"quarantined"}
    assert all(result["reason"] == "undecodable" and result["detail"] for result in quarantined)
    assert (stored["event_id"], stored["result"]) == (press["event_id"], "stored")


@pytest.mark.parametrize("example", examples("edge_event", "invalid"), ids=label)
def test_alarm_is_raised_when_the_event_core_is_readable(school: School, example: Example) -> None:
    """An unknown type is treated as the gravest, with a trouble; readable fields are used. Raised once, also if sent
    again. An invalid event has no other effect.
    """
    sent, alarm = json.loads(example.raw), read_core(example.raw, NOW)
    if alarm and "event_id" not in alarm.unread:
        sent |= {"event_id": str(new_id())}
    answer = send(school, sent)
    with tenant_scope([school.organization]):
        alerts = list(Alert.objects.all())
        troubles = set(Trouble.objects.values_list("kind", flat=True))
    if alarm is None:
        assert (answer.results[0].result, alerts) == ("quarantined", [])
        return
    assert answer.results[0].result == "stored", answer.results[0]
    assert "press_read_in_part" in troubles
    (alert,) = alerts
    assert alert.alert_type == ("lockdown" if "type" in alarm.unread else sent["type"])
    assert alert.is_silent is ("silent" not in alarm.unread and sent["silent"])
    assert [result.result for result in send(school, sent).results] == ["repeat"]


@pytest.mark.parametrize("field", ["event_id", "alert_id", "kind"])
def test_press_raises_one_alert_when_a_field_outside_its_core_is_missing(school: School, field: str) -> None:
    """The core identifies the press, so a repeat is recognized by it."""
    event = raised(school)
    left = {name: value for name, value in event.items() if name != field}
    for expected in ("stored", "repeat"):
        (result,) = send(school, left).results
        assert (result.result, result.event_id and str(result.event_id)) == (expected, left.get("event_id"))
    with tenant_scope([school.organization]):
        assert Alert.objects.get().alert_id == event["alert_id"]


@pytest.mark.parametrize("field", ["device", "inst", "seq"])
def test_press_without_its_core_is_quarantined(school: School, field: str) -> None:
    """It cannot be identified, so a repeat could not be recognized."""
    event = raised(school)
    del event[field]
    assert send(school, event).results[0].result == "quarantined"


@pytest.mark.parametrize("field", ["at", "room", "type", "severity", "silent", "drill", "live", "hops", "policy"])
@pytest.mark.parametrize("value", [None, 7, "a\x00b", [], {"of": "a newer gateway"}])
def test_invalid_field_outside_the_core_does_not_prevent_an_alarm(school: School, field: str, value: object) -> None:
    answer = send(school, raised(school) | {field: value})
    assert answer.results[0].result == "stored"
    with tenant_scope([school.organization]):
        assert Alert.objects.count() == 1


@pytest.mark.parametrize("example", examples("edge_event", "valid"), ids=label)
def test_valid_event_is_stored_or_answered_with_a_reason(school: School, example: Example) -> None:
    """Only events about missing alerts are quarantined; a repeat is reported as one."""
    event = json.loads(example.raw) | {"event_id": str(new_id())}
    first, again = send(school, event), send(school, event)
    about_an_alert = event["kind"].startswith(("action.", "alert.acknowledged", "alert.resolved"))
    assert [result.result for result in first.results] == ["quarantined" if about_an_alert else "stored"]
    assert first.results[0].reason == ("unknown_alert" if about_an_alert else None)
    assert [result.result for result in again.results] == ["repeat"]
    for answer in (first, again):
        assert problems("edge_answer", msgspec.json.encode(answer)) == []


@pytest.mark.parametrize("example", examples("edge_events", "valid"), ids=label)
def test_valid_batch_is_answered_event_by_event(school: School, example: Example) -> None:
    """In the order sent, once each."""
    answer = post(school, example.raw)
    assert answer.status_code == 200 and problems("edge_answer", answer.content) == []
    sent = json.loads(example.raw)["events"]
    ids = [event.get("event_id") if isinstance(event, dict) else None for event in sent]
    assert [result["event_id"] for result in answer.json()["results"]] == ids


@pytest.mark.parametrize("example", examples("edge_events", "invalid"), ids=label)
def test_invalid_batch_returns_one_problem(school: School, example: Example) -> None:
    """The whole request is refused; a gateway splits an oversized batch in half."""
    with pytest.raises(Problem):
        service.parse(example.raw)
    answer = post(school, example.raw)
    code = "too_many_events" if example.name == "events_501" else "invalid"
    assert (answer.status_code, answer.json()["code"]) == (413 if code == "too_many_events" else 400, code)
    assert problems("problem", answer.content) == []


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe", b"null", b'{"epoch":"x"}', b'{"epoch":"\\ud800"}', b"[" * 5000]
)
def test_non_json_body_returns_one_problem(school: School, body: bytes) -> None:
    """Never a 500, which a gateway would retry for ever."""
    answer = post(school, body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert problems("problem", answer.content) == []


RESUMES = [("live_resume", PersonResume), ("edge_resume", GatewayResume)]


def resumes(kind: str) -> Iterator[Any]:
    for message, type_ in RESUMES:
        for example in examples(message, "valid" if kind == "valid" else "invalid"):
            yield pytest.param(example, type_, id=f"{message}/{example.name}")


@pytest.mark.parametrize(("example", "type_"), resumes("valid"))
def test_valid_resume_is_decoded(example: Example, type_: type[msgspec.Struct]) -> None:
    """With the cursors that it names."""
    resume = msgspec.to_builtins(msgspec.json.decode(example.raw, type=type_))
    sent = json.loads(example.raw)
    assert resume == {"epoch": None} | {name: sent[name] for name in resume if name in sent}


@pytest.mark.parametrize(("example", "type_"), resumes("invalid"))
def test_invalid_resume_is_refused(example: Example, type_: type[msgspec.Struct]) -> None:
    """It must not be mistaken for another position."""
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(example.raw, type=type_)


@pytest.fixture
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def gateway(school: School, key: ec.EllipticCurvePrivateKey) -> UUID:
    """A gateway whose private key the test holds."""
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    with tenant_scope([school.organization]):
        return devices.register_gateway(
            actor=SYSTEM,
            organization_id=school.organization,
            name="Gateway",
            public_key=pem,
            buildings=[school.building],
        )


def assertion(gateway: UUID, key: ec.EllipticCurvePrivateKey, **changed: object) -> str:
    now = int(timezone.now().timestamp())
    claims = {
        "iss": str(gateway),
        "sub": str(gateway),
        "aud": f"{settings.BASE_URL}{TOKEN}",
        "iat": now,
        "exp": now + 60,
        "jti": str(uuid4()),
    }
    return jwt.encode(claims | changed, key, algorithm="ES256")


def ask(**fields: str) -> Any:
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    }
    return Client().post(TOKEN, data=form | fields)


def test_assertion_can_be_exchanged_for_a_token_only_once(gateway: UUID, key: ec.EllipticCurvePrivateKey) -> None:
    """The response matches the contract, is not cached, and the token is accepted at the gateway endpoints."""
    proof = assertion(gateway, key)
    assert problems("token_request", msgspec.json.encode(_request(proof))) == []
    answer = ask(client_assertion=proof)
    assert answer.status_code == 200 and answer["Cache-Control"] == "no-store"
    assert problems("token_answer", answer.content) == [] and answer.json()["expires_in"] == 600
    configuration = Client(headers={"authorization": f"Bearer {answer.json()['access_token']}"}).get(CONFIGURATION)
    assert configuration.status_code == 200
    again = ask(client_assertion=proof)
    assert (again.status_code, again.json()["code"]) == (401, "invalid_client")


def _request(proof: str) -> dict[str, str]:
    return {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": proof,
    }


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": "https://elsewhere.example/api/v1/oauth/token"},
        {"iss": UNKNOWN_ID},
        {"sub": UNKNOWN_ID},
        {"exp": 2**31},
        {"iat": 0, "exp": 60},
        {"exp": 0},
        {"jti": "short"},
        {"jti": "\x00" * 10},
        {"jti": "\ud800" * 10},
        {"jti": None},
        {"sub": "root"},
    ],
    ids=str,
)
def test_assertion_with_invalid_claims_is_refused(
    gateway: UUID, key: ec.EllipticCurvePrivateKey, changed: dict[str, object]
) -> None:
    """For another audience, of another issuer, expired or not yet valid, or without a single-use id."""
    answer = ask(client_assertion=assertion(gateway, key, **changed))
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_client")
    assert problems("problem", answer.content) == []


def test_assertion_with_another_key_or_algorithm_is_refused(gateway: UUID, key: ec.EllipticCurvePrivateKey) -> None:
    """Nor an unsigned one, nor one signed with the public key as a secret."""
    stranger = ec.generate_private_key(ec.SECP256R1())
    claims = jwt.decode(assertion(gateway, key), options={"verify_signature": False})
    for proof in (
        assertion(gateway, stranger),
        jwt.encode(claims, "", algorithm="none"),
        jwt.encode(claims, "a secret of thirty-two characters", algorithm="HS256"),
    ):
        answer = ask(client_assertion=proof)
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_client")


def test_gateway_with_a_wrong_clock_can_still_get_a_token(gateway: UUID, key: ec.EllipticCurvePrivateKey) -> None:
    """A gateway whose clock is months off is still the same gateway; the token's lifetime uses the cloud's clock."""
    then = int((timezone.now() - timedelta(days=300)).timestamp())
    assert ask(client_assertion=assertion(gateway, key, iat=then, exp=then + 60)).status_code == 200


@pytest.mark.parametrize("example", examples("token_request", "valid"), ids=label)
def test_valid_token_request_is_decoded(example: Example) -> None:
    """The example's assertion belongs to no gateway, and is refused for that reason."""
    answer = ask(**{name: str(value) for name, value in json.loads(example.raw).items()})
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_client")


@pytest.mark.parametrize("example", examples("token_request", "invalid"), ids=label)
def test_invalid_token_request_is_refused(example: Example) -> None:
    """As a problem with its own code."""
    answer = Client().post(TOKEN, data=json.loads(example.raw))
    about_assertion = example.name.startswith("assertion_") and example.name != "assertion_type_not_known"
    expected = (401, "invalid_client") if about_assertion else (400, "unsupported_grant_type")
    assert (answer.status_code, answer.json()["code"]) == expected
    assert problems("problem", answer.content) == []


def fetched(school: School, **headers: str) -> Any:
    return Client(headers={"authorization": f"Bearer {school.gateway_token}", **headers}).get(CONFIGURATION)


def opened(answer: Any) -> Any:
    """Return the payload of a configuration after checking its signature as a gateway does."""
    assert answer.status_code == 200 and answer["Content-Type"] == "application/jose"
    key = signing_key(Path(settings.CONFIG_KEY_FILE)).private.public_key()
    whole = jwt.decode_complete(answer.content.decode(), key, algorithms=["ES256"])
    assert whole["header"]["typ"] == "ss-config+jwt"
    return whole["payload"]


def test_gateway_configuration_matches_the_contract(school: School) -> None:
    """The rooms and devices of its buildings only; signed, and not sent again to a gateway that has it."""
    with tenant_scope([school.organization]):
        devices.add_rule(
            actor=SYSTEM,
            organization_id=school.organization,
            key=2,
            pattern="long",
            alert_type="assist",
            is_silent=True,
        )
        device = Device.objects.get(device_id=school.device)
        GatewayRule.objects.create(
            organization_id=school.organization, device=device, pattern="long", alert_type="fire"
        )
    answer = fetched(school, **DEMANDS)
    document = opened(answer)
    assert problems("configuration", msgspec.json.encode(document)) == []
    assert (document["organization"], document["gateway"]) == (str(school.organization), str(school.gateway))
    assert [room["id"] for room in document["rooms"]] == [str(school.room)]
    assert [one["device"] for one in document["devices"]] == [school.device]
    assert [(rule["type"], rule.get("device")) for rule in document["rules"]] == [
        ("fire", school.device),
        ("assist", None),
    ]
    assert datetime.fromisoformat(document["issued_at"]) <= datetime.now(UTC)
    again = fetched(school, **DEMANDS, **{"if-none-match": answer["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("status", DeviceStatus)
def test_configuration_can_hold_every_device_status(school: School, status: DeviceStatus) -> None:
    """The column can also be `offline`, which is not an administrative state: the gateway receives `active`."""
    with tenant_scope([school.organization]):
        Device.objects.filter(device_id=school.device).update(status=status)
    document = opened(fetched(school))
    assert problems("configuration", msgspec.json.encode(document)) == []
    expected = "active" if status is DeviceStatus.OFFLINE else status.value
    assert [one["lifecycle"] for one in document["devices"]] == [expected]
