"""Troubles: listed while open to callers who may see them, raised and ended by the sweep on time."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
import pytest
from django.db import connections
from django.utils import timezone

from apps.accounts.models import Membership, MembershipScope, Role
from apps.accounts.people.memberships import RoleAt, grant_places
from apps.common import feed, valkey
from apps.common.access import SYSTEM
from apps.common.db.scope import tenant_scope
from apps.common.observability import heartbeats
from apps.devices import services as devices
from apps.devices.models import Device, Gateway
from apps.devices.supervision import supervision
from apps.tenancy.models import Room
from contracts.validation import problems
from tests.kit.concurrency import at_once
from tests.kit.patience import until
from tests.kit.people import Person, PersonFactory
from tests.kit.school import School, device_name
from tests.kit.server import start_relay, stop

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("database")]

OF_THE_CLOUD: Final = frozenset({"relay_missing", "worker_missing"})
"""Raised for every school when a relay of another test has stopped; only one test checks them."""
SILENCE: Final = supervision.GATEWAY_SILENCE + timedelta(seconds=1)


@pytest.fixture
def admin(school: School) -> Person:
    return PersonFactory.create(role=Role.ADMIN, organization=school.organization)


@pytest.fixture
def now() -> datetime:
    return timezone.now()


def listed(person: Person) -> list[tuple[str, str | None]]:
    answer = person.client.get("/api/v1/troubles")
    assert answer.status_code == 200, answer.content
    found = answer.json()["results"]
    return sorted((one["kind"], one["device"]) for one in found if one["kind"] not in OF_THE_CLOUD)


def kinds(person: Person) -> list[str]:
    return [kind for kind, _ in listed(person)]


def report(school: School, kind: str, *, device: str | None = None, detail: str | None = None) -> bool:
    with tenant_scope([school.organization]):
        return devices.raise_trouble(
            organization_id=school.organization,
            gateway_id=school.gateway,
            device=device,
            kind=kind,
            detail=detail,
            since=timezone.now(),
        )


def recover(school: School, kind: str, *, device: str | None = None) -> None:
    with tenant_scope([school.organization]):
        devices.clear_trouble(
            organization_id=school.organization, gateway_id=school.gateway, device=device, kind=kind, at=timezone.now()
        )


def gateway_seen(school: School, at: datetime) -> None:
    with tenant_scope([school.organization]):
        Gateway.objects.filter(id=school.gateway).update(last_seen_at=at)


def button_seen(device: str, school: School, at: datetime, *, power: str = "mains") -> None:
    with tenant_scope([school.organization]):
        Device.objects.filter(device_id=device).update(last_seen_at=at, power=power)


def announced(school: School) -> Iterator[tuple[str, Any]]:
    with tenant_scope([school.organization]):
        messages = feed.since(school.organization, 0, limit=1000)
    for message in messages:
        if message.envelope.kind.startswith("device."):
            assert problems("live", message.text.encode()) == []
            if msgspec.json.decode(message.text)["trouble"]["kind"] not in OF_THE_CLOUD:
                yield message.envelope.kind, message.envelope.audience


def test_trouble_is_listed_until_it_ends(school: School, admin: Person) -> None:
    """Its start and end are also published in the live feed."""
    assert listed(admin) == []
    assert report(school, "battery_low", device=school.device)
    assert listed(admin) == [("battery_low", school.device)]
    (document,) = admin.client.get("/api/v1/troubles").json()["results"]
    assert document["gateway"] == {"id": str(school.gateway), "name": "Gateway"}
    recover(school, "battery_low", device=school.device)
    assert listed(admin) == []
    assert [kind for kind, _ in announced(school)] == ["device.trouble", "device.recovered"]


def test_repeated_trouble_is_one_row_and_announced_when_it_differs(school: School, admin: Person) -> None:
    """A trouble left open by a dead agent does not suppress a later report with another detail."""
    assert report(school, "broker", detail="first")
    assert not report(school, "broker", detail="first")
    assert not report(school, "broker", detail="second")
    assert kinds(admin) == ["broker"]
    assert [kind for kind, _ in announced(school)] == ["device.trouble", "device.trouble"]


def test_trouble_caused_by_a_press_is_visible_only_with_silent_alerts(
    school: School, admin: Person, operator: Person
) -> None:
    """For every kind that a press can cause, both in the list and in the feed."""
    report(school, "unattributed_device", device=device_name())
    report(school, "word_of_the_future")
    report(school, "broker")
    assert kinds(admin) == ["broker", "unattributed_device", "word_of_the_future"]
    assert kinds(operator) == ["broker"]
    audiences = [audience for _, audience in announced(school)]
    assert audiences == [feed.Audience.SILENT_DEVICES, feed.Audience.SILENT_DEVICES, feed.Audience.DEVICES]


def test_person_of_one_building_can_list_only_its_troubles(school: School) -> None:
    person = PersonFactory.create(role=Role.ADMIN, organization=school.organization)
    with tenant_scope([school.organization]):
        membership = Membership.objects.get(user_id=person.id)
        Membership.objects.filter(user_id=person.id).update(scope=MembershipScope.PLACES)
        role = RoleAt(Role.ADMIN, MembershipScope.PLACES, sites=frozenset(), buildings=frozenset({school.building}))
        grant_places(membership, role)
    report(school, "battery_low", device=school.device)
    report(school, "battery_low", device=school.other_device)
    report(school, "broker")
    assert listed(person) == [("battery_low", school.device), ("broker", None)]


def test_viewer_cannot_list_troubles(school: School) -> None:
    viewer = PersonFactory.create(role=Role.VIEWER, organization=school.organization)
    assert viewer.client.get("/api/v1/troubles").status_code == 403


def test_silent_gateway_is_a_trouble_until_it_reports(school: School, operator: Person, now: datetime) -> None:
    """Raised once, however often the sweep runs, and again when it falls silent again."""
    gateway_seen(school, now)
    supervision.sweep(now + supervision.GATEWAY_SILENCE - timedelta(seconds=1))
    assert kinds(operator) == []
    for expected in range(2):
        later = now + SILENCE + expected * timedelta(hours=1)
        supervision.sweep(later)
        supervision.sweep(later)
        assert kinds(operator) == ["gateway_missing"]
        gateway_seen(school, later)
        supervision.sweep(later)
        assert kinds(operator) == []
    assert [kind for kind, _ in announced(school)] == ["device.trouble", "device.recovered"] * 2


def test_gateway_that_never_reported_becomes_a_trouble(school: School, admin: Person, now: datetime) -> None:
    supervision.sweep(now + supervision.FIRST_REPORT)
    assert kinds(admin) == []
    supervision.sweep(now + supervision.FIRST_REPORT + SILENCE)
    assert kinds(admin) == ["gateway_missing"]
    with connections["owner"].cursor() as cursor:
        cursor.execute("UPDATE gateways SET status = 'revoked' WHERE id = %s", [school.gateway])
    supervision.sweep(now + supervision.FIRST_REPORT + SILENCE)
    assert kinds(admin) == [], "a revoked gateway is not missing"


def test_report_concurrent_with_the_timeout_raises_no_trouble(school: School, admin: Person, now: datetime) -> None:
    """The sweep decides under the gateway's lock and skips gateways whose row is being written."""
    gateway_seen(school, now)
    with tenant_scope([school.organization]):
        Gateway.objects.filter(id=school.gateway).update(last_seen_at=now + SILENCE)
        at_once([lambda: supervision.sweep(now + SILENCE)])
    assert kinds(admin) == []
    supervision.sweep(now + SILENCE)
    assert kinds(admin) == []


@pytest.mark.parametrize(("power", "interval"), supervision.REPORT_INTERVAL.items())
def test_button_is_missing_after_three_report_intervals(
    school: School, operator: Person, now: datetime, power: str, interval: timedelta
) -> None:
    button_seen(school.device, school, now, power=power)
    gateway_seen(school, now + 3 * interval)
    supervision.sweep(now + 3 * interval - timedelta(seconds=1))
    assert listed(operator) == []
    supervision.sweep(now + 3 * interval + timedelta(seconds=1))
    assert listed(operator) == [("missing", school.device)]
    with tenant_scope([school.organization]):
        assert Device.objects.get(device_id=school.device).status == "offline"
    button_seen(school.device, school, now + 3 * interval + timedelta(seconds=1), power=power)
    supervision.sweep(now + 3 * interval + timedelta(seconds=2))
    assert listed(operator) == []
    with tenant_scope([school.organization]):
        assert Device.objects.get(device_id=school.device).status == "active"


def test_buttons_of_a_missing_gateway_raise_no_troubles(school: School, operator: Person, now: datetime) -> None:
    """They could not be heard; once the gateway is back they have three report intervals."""
    button_seen(school.device, school, now)
    gateway_seen(school, now)
    later = now + timedelta(minutes=10)
    supervision.sweep(later)
    assert listed(operator) == [("gateway_missing", None)]
    gateway_seen(school, later)
    supervision.sweep(later)
    supervision.sweep(later + timedelta(seconds=50))
    assert listed(operator) == []
    gateway_seen(school, later + timedelta(minutes=4))
    supervision.sweep(later + timedelta(minutes=4))
    assert listed(operator) == [("missing", school.device)]


def test_many_missing_buttons_are_one_trouble(school: School, operator: Person, now: datetime) -> None:
    names = [device_name() for _ in range(supervision.MANY_BUTTONS)]
    with tenant_scope([school.organization]):
        room = Room.objects.get(id=school.room).id
        rooms = dict.fromkeys(names, room)
        devices.register_devices(actor=SYSTEM, organization_id=school.organization, rooms=rooms, now=now)
    for name in names:
        button_seen(name, school, now)
    later = now + timedelta(minutes=5)
    gateway_seen(school, later)
    supervision.sweep(later)
    assert listed(operator) == [("buttons_missing", None)]
    for name in names[1:]:
        button_seen(name, school, later)
    supervision.sweep(later)
    assert listed(operator) == [("missing", names[0])]
    with tenant_scope([school.organization]):
        Device.objects.filter(device_id=names[0]).update(status="decommissioned")
    supervision.sweep(later)
    assert listed(operator) == [], "a decommissioned button is not missing"


def test_trouble_not_repeated_for_a_day_ends(school: School, admin: Person, now: datetime) -> None:
    """A dead agent cannot report the end; while its gateway is missing, troubles stay open."""
    report(school, "store_failing")
    gateway_seen(school, now)
    tomorrow = now + supervision.STALE + timedelta(minutes=1)
    supervision.sweep(tomorrow)
    assert kinds(admin) == ["gateway_missing", "store_failing"]
    gateway_seen(school, tomorrow)
    supervision.sweep(tomorrow)
    supervision.sweep(tomorrow)
    assert kinds(admin) == []


def test_stopped_cloud_process_is_a_trouble_of_every_school(school: School, operator: Person, now: datetime) -> None:
    def is_reported() -> bool:
        answer = operator.client.get("/api/v1/troubles")
        return "worker_missing" in {one["kind"] for one in answer.json()["results"]}

    heartbeats.show("beat", now)
    try:
        supervision.sweep(now + timedelta(seconds=60))
        assert not is_reported()
        supervision.sweep(now + timedelta(seconds=130))
        assert is_reported()
        heartbeats.show("beat", now + timedelta(seconds=130))
        supervision.sweep(now + timedelta(seconds=131))
        assert not is_reported()
    finally:
        valkey.client().delete("safesignal:heartbeat:beat")


def test_relay_supervises_when_no_worker_runs(school: School, operator: Person, now: datetime) -> None:
    gateway_seen(school, now - SILENCE)
    relay = start_relay()
    try:
        until(lambda: kinds(operator) == ["gateway_missing"], 60)
        gateway_seen(school, timezone.now() + timedelta(hours=1))
        until(lambda: kinds(operator) == [], 60)
    finally:
        stop(relay)
