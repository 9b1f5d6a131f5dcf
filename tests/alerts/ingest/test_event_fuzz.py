"""A press raises an alert whatever surrounds its core, in its own event or in the others of the batch."""

import random
from collections.abc import Sequence
from typing import Final, NamedTuple
from uuid import UUID

import msgspec
import pytest
from django.utils import timezone

from apps.alerts.ingest import service
from apps.alerts.ingest.messages import EventsAnswer
from apps.alerts.models import AlertKey
from apps.common.db.scope import tenant_scope
from apps.common.problems import Invalid
from contracts.validation import problems
from tests.kit.presses import JsonObject, hops, pressed_again, raised
from tests.kit.school import School, SchoolFactory

LARGEST_BATCH: Final = 500
TIMES: Final = (
    "9999-12-31T23:59:59-23:59",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59.999999Z",
    "0001-01-01T00:00:00Z",
    "1969-12-31T23:59:59.999Z",
    "1970-01-01T00:00:00+23:59",
    "2999-12-31T23:59:59.999Z",
    "3000-01-01T00:00:00-23:59",
    "2026-02-30T00:00:00Z",
    "2016-12-31T23:59:60Z",
    "2026-09-01T08:15:03",
    "2026-09-01",
    "2026-09-01T24:00:00Z",
    "2026-09-01T08:15:03.123456789Z",
)
TEXTS: Final = ("", "\x00", "a\x00b", "\ufeff", "\u202e", "x" * 10_000, "NaN", "ss-0000", "null", "\U0001f525" * 300)
NUMBERS: Final = (0, -1, 1, 2**31, 2**32, 2**53, 2**63, 2**64, -(2**63), 0.5, 1e308, 5e-324)
TOKENS: Final = (
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"01",
    b"+1",
    b"tru",
    b"1" * 5000,
    b'"\\ud800"',
    b'"\\u0000"',
    b'"\xff\xfe"',
    b'"open',
    b"[" * 3000,
    b"[1",
    b'{"a":1',
    b'{"a"}',
    b"}",
    b"]",
    b"\x00",
    b"\xef\xbb\xbf",
)
"""Invalid JSON, or more or less than one value."""


class Sent(NamedTuple):
    """An event as bytes, and the name of the press whose core it contains intact."""

    body: bytes
    press: str


def anything(chance: random.Random, depth: int = 2) -> object:
    """Return any JSON value."""
    kind = chance.randrange(7 if depth else 4)
    if kind < 4:
        return chance.choice((chance.choice(TIMES), chance.choice(TEXTS), chance.choice(NUMBERS), None, True, False))
    if kind == 4:
        return [anything(chance, depth - 1) for _ in range(chance.randrange(3))]
    if kind == 5:
        return {chance.choice(("at", "x", "\x00", "person")): anything(chance, depth - 1) for _ in range(2)}
    return str(UUID(int=chance.getrandbits(128)))


def press_event(chance: random.Random, school: School, number: int) -> JsonObject:
    """Return a valid press that no other event has: a new alert, or joined to one that does not exist."""
    now = timezone.now()
    device = chance.choice((school.device, school.device, school.other_device, "ss-00stranger"))
    event = raised(school, device=device, at=now, hops=hops(now)) if chance.random() < 0.7 else None
    event = event or pressed_again(raised(school, device=device), at=now)
    seq = number + 1
    names = {"alert_id": f"{device}:a1b2c3d4:{seq}"} if event["kind"] == "alert.raised" else {}
    return event | {"seq": seq, "silent": chance.random() < 0.2, "drill": chance.random() < 0.1} | names


def name_of(event: JsonObject) -> str:
    return f"{event['device']}:{event['inst']}:{event['seq']}"


def with_other_values(chance: random.Random, event: JsonObject) -> JsonObject:
    """Return the same press with some fields outside its core missing, of another type or out of bounds."""
    core = {"kind", "device", "inst", "seq"}
    changed = dict(event)
    for _ in range(chance.randrange(1, 4)):
        field = chance.choice([*sorted(event.keys() - core), "later", "upgrades", "pattern", "key", "clock_suspect"])
        what = chance.randrange(3)
        if what == 0:
            changed.pop(field, None)
        elif what == 1 and isinstance(changed.get("hops"), dict):
            inner = dict(changed["hops"])  # type: ignore[call-overload]
            inner[chance.choice(sorted(inner))] = anything(chance)
            changed["hops"] = inner
        else:
            changed[field] = anything(chance)
    return changed


def with_other_bytes(chance: random.Random, event: JsonObject) -> bytes:
    """Return the same press with its core first, as gateways write it, and invalid bytes after it."""
    first = ("kind", "event_id", "device", "inst", "seq")
    head = msgspec.json.encode({name: event[name] for name in first})[:-1] + b","
    rest = bytearray(msgspec.json.encode({name: value for name, value in event.items() if name not in first})[1:])
    way = chance.randrange(4)
    if way == 0:
        del rest[chance.randrange(len(rest)) :]
    elif way == 1:
        rest[chance.randrange(len(rest))] = chance.randrange(256)
    elif way == 2:
        at = chance.randrange(len(rest))
        rest[at:at] = chance.choice(TOKENS)
    else:
        field = chance.choice(("type", "at", "policy", "room", "live"))
        rest = bytearray(b'"%s":' % field.encode() + chance.choice(TOKENS) + b"," + rest)
    return head + bytes(rest)


def send_bytes(school: School, events: Sequence[bytes]) -> EventsAnswer:
    body = b'{"epoch":"%s","events":[%s]}' % (str(school.epoch).encode(), b",".join(events))
    request = service.parse(body)
    with tenant_scope([school.organization]):
        return service.ingest(gateway=school.gateway_principal, request=request, received_at=timezone.now())


def check(school: School, sent: Sequence[Sent]) -> None:
    """Check that each press is stored and answered as in the contract; sent again, each is a repeat."""
    answer = send_bytes(school, [one.body for one in sent])
    assert problems("edge_answer", msgspec.json.encode(answer)) == []
    lost = [one for one, result in zip(sent, answer.results, strict=True) if result.result != "stored"]
    assert lost == []
    with tenant_scope([school.organization]):
        known = set(AlertKey.objects.values_list("alert_id", flat=True))
    named = known | {name.partition("@")[0] for name in known}
    assert [one for one in sent if one.press not in named] == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_no_press_is_lost_with_any_values_outside_its_core(seed: int) -> None:
    """10,000 presses in batches of 500, each batch with a valid event among them."""
    chance, school = random.Random(seed), SchoolFactory.create()
    for batch in range(5):
        sent = []
        for number in range(batch * LARGEST_BATCH, (batch + 1) * LARGEST_BATCH):
            event = press_event(chance, school, number)
            variant = event if number % LARGEST_BATCH == LARGEST_BATCH // 2 else with_other_values(chance, event)
            sent.append(Sent(msgspec.json.encode(variant), name_of(event)))
        check(school, sent)
        again = send_bytes(school, [one.body for one in sent[:20]])
        assert {result.result for result in again.results} == {"repeat"}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_no_press_is_lost_with_any_bytes_after_its_core(seed: int) -> None:
    """10,000 presses in batches of 100, most of them valid: invalid JSON does not affect the others."""
    chance, school = random.Random(seed), SchoolFactory.create()
    for batch in range(25):
        sent = []
        for number in range(batch * 100, (batch + 1) * 100):
            event = press_event(chance, school, number)
            is_good = chance.random() < 0.7
            body = msgspec.json.encode(event) if is_good else with_other_bytes(chance, event)
            sent.append(Sent(body, name_of(event)))
        check(school, sent)


@pytest.mark.parametrize("at", TIMES)
@pytest.mark.parametrize("field", ["at", "since", "pressed_at", "arrived_at", "earliest_at", "latest_at", "sent_at"])
def test_time_at_the_calendar_limits_affects_only_its_own_event(school: School, field: str, at: str) -> None:
    """A press with such a time still raises an alert; any other event gets a reason; the press beside it is stored."""
    good, press = raised(school), raised(school)
    trouble: JsonObject = {
        "event_id": str(UUID(int=random.getrandbits(128))),
        "kind": "device.trouble",
        "at": good["at"],
        "device": None,
        "trouble": "clock_suspect",
        "since": good["at"],
    }
    if field in ("at", "since"):
        trouble[field] = press[field] = at
    elif field != "sent_at":
        press["hops"] = {**hops(timezone.now()), field: at}
    body = msgspec.json.encode([trouble, good, press])
    events = [bytes(raw) for raw in msgspec.json.decode(body, type=list[msgspec.Raw])]
    if field == "sent_at":
        head = f'{{"epoch":"{school.epoch}","sent_at":"{at}","events":'.encode()
        try:
            request = service.parse(head + body + b"}")
        except Invalid:
            return
        with tenant_scope([school.organization]):
            answer = service.ingest(gateway=school.gateway_principal, request=request, received_at=timezone.now())
    else:
        answer = send_bytes(school, events)
    assert [result.result for result in answer.results[1:]] == ["stored", "stored"]
    assert answer.results[0].result in ("stored", "quarantined")
