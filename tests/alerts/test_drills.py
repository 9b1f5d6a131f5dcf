"""Drills: one button is armed through the API, and a drill ends automatically, which a real alert never does."""

from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import Any
from uuid import UUID

import msgspec
import pytest
from django.db import connections, transaction
from django.test import Client
from django.utils import timezone

from apps.accounts.models import Role, ServiceToken
from apps.accounts.rights.service_principals import digest_of_token, new_service_token
from apps.alerts import drills
from apps.alerts.models import Alert, AlertEvent
from apps.alerts.tasks import end_drills
from apps.common import feed
from apps.common.access import SYSTEM
from apps.common.db.ids import new_id
from apps.common.db.scope import tenant_scope
from apps.common.feed import Audience
from apps.common.models import AuditEntry
from apps.devices.models import Device, Trouble
from apps.tenancy import services as tenancy
from contracts import permissions
from contracts.validation import problems
from tests.kit.concurrency import at_once
from tests.kit.people import Person, PersonFactory
from tests.kit.presses import arm as arm_button
from tests.kit.presses import hops, pressed_again, raise_alert, raise_alerts, raised, send
from tests.kit.school import School, SchoolFactory, device_name


def arm(person: Person, device: object) -> Any:
    return person.client.post("/api/v1/drills", data={"device_id": device}, content_type="application/json")


def drill(school: School, at: datetime, alert_type: str = "medical") -> UUID:
    """Create a drill on the school's first button, armed and pressed at that time, and reported by the gateway now."""
    arm_button(school, at=at - timedelta(seconds=5))
    return raise_alert(school, alert_type=alert_type, drill=True, at=at, hops=hops(at))


def armed(person: Person) -> list[Any]:
    """Return the buttons that are listed as armed."""
    found: list[Any] = person.client.get("/api/v1/drills").json()["results"]
    return found


def service_token(school: School, scopes: list[str]) -> str:
    secret = new_service_token()
    with tenant_scope([school.organization]):
        ServiceToken.objects.create(
            organization_id=school.organization,
            name="Bells",
            scopes=scopes,
            digest=digest_of_token(secret),
            created_at=timezone.now(),
            expires_at=timezone.now() + timedelta(days=1),
        )
    return secret


def get(person: Person, alert: object) -> Any:
    return person.client.get(f"/api/v1/alerts/{alert}").json()


@pytest.mark.parametrize("role", Role)
def test_drill_permission_follows_the_role_table(school: School, role: Role) -> None:
    """For at most a minute, sent only to the gateway of the button, and audited."""
    person = PersonFactory.create(role=role, organization=school.organization)
    before = timezone.now()
    answer = arm(person, school.device)
    if "drills:create" not in permissions()[role]:
        assert (answer.status_code, answer.json()["code"]) == (HTTPStatus.FORBIDDEN, "forbidden")
        return
    assert answer.status_code == HTTPStatus.CREATED and answer.json()["device_id"] == school.device
    end = datetime.fromisoformat(answer.json()["expires_at"])
    assert before < end <= timezone.now() + timedelta(seconds=60)
    with tenant_scope([school.organization]):
        messages = feed.since(school.organization, 0, limit=10)
        assert AuditEntry.objects.get(action="drill.arm").actor_id == person.id
    message = next(one for one in messages if one.envelope.audience is Audience.GATEWAY)
    announcement = next(one for one in messages if one.envelope.audience is Audience.STAFF)
    assert len(messages) == 2
    assert (message.envelope.audience, message.envelope.building_id) == (Audience.GATEWAY, school.building)
    assert (announcement.envelope.kind, announcement.envelope.audience) == ("drill.armed", Audience.STAFF)
    assert problems("live", announcement.text.encode()) == []
    assert msgspec.json.decode(message.text)["command"] == "arm_drill"
    assert problems("edge_downlink", message.text.encode()) == []


@pytest.mark.parametrize("device", ["", None, [], {}, "x" * 101, "\x00"])
def test_invalid_device_is_named(school: School, device: object) -> None:
    """400 with the field's name."""
    answer = arm(PersonFactory.create(role=Role.ADMIN, organization=school.organization), device)
    assert answer.status_code == HTTPStatus.BAD_REQUEST and list(answer.json()["errors"]) == ["device_id"]
    assert problems("problem", answer.content) == []


def test_button_of_another_school_returns_404(school: School) -> None:
    """With the same text as for a button that never existed; no notification is sent."""
    other = SchoolFactory.create()
    admin = PersonFactory.create(role=Role.ADMIN, organization=school.organization)
    theirs, never = arm(admin, other.device), arm(admin, device_name())
    assert theirs.status_code == never.status_code == HTTPStatus.NOT_FOUND
    assert theirs.json() == never.json() and theirs.json()["code"] == "device_not_found"
    for one in (school, other):
        with tenant_scope([one.organization]):
            assert feed.heads().of(one.organization).seq == 0


def test_drill_ends_automatically_but_a_real_alert_does_not(school: School) -> None:
    """After an hour, also a lockdown drill, without a second person; the timeline and every screen get it."""
    other = SchoolFactory.create()
    admin, theirs = (
        PersonFactory.create(role=Role.ADMIN, organization=school.organization),
        PersonFactory.create(role=Role.ADMIN, organization=other.organization),
    )
    long_ago, lately = timezone.now() - drills.LONGEST - timedelta(seconds=5), timezone.now() - drills.LONGEST / 2
    real = raise_alert(school, alert_type="lockdown", at=long_ago - timedelta(minutes=1))
    overdue = drill(school, alert_type="lockdown", at=long_ago)
    elsewhere = drill(other, at=long_ago)
    running = drill(school, alert_type="fire", at=lately)
    end_drills()
    end_drills()
    document = get(admin, overdue)
    assert (document["status"], document["resolved_by"], document["close_reason"]) == ("resolved", None, "drill")
    assert problems("alert", msgspec.json.encode(document)) == []
    assert get(theirs, elsewhere)["status"] == "resolved"
    assert get(admin, running)["status"] == get(admin, real)["status"] == "new"
    with tenant_scope([school.organization]):
        timeline = AlertEvent.objects.filter(alert=overdue).order_by("created_at")
        assert [(step.kind, step.actor_kind) for step in timeline] == [
            ("alert.raised", "gateway"),
            ("alert.resolved", "system"),
        ]
        kinds = [message.envelope.kind for message in feed.since(school.organization, 0, limit=20)]
        assert kinds.count("alert.updated") == 1
        (ended,) = AuditEntry.objects.filter(action="drill.end")
        assert (ended.actor_kind, ended.target_id, ended.detail["why"]) == ("system", overdue, "timeout")


def test_only_a_person_can_arm_a_drill(school: School) -> None:
    """A program that holds every right available to programs still cannot arm a button."""
    secret = service_token(school, ["drills:create", "alerts:read"])
    answer = Client(headers={"authorization": f"Bearer {secret}"}).post(
        "/api/v1/drills", data={"device_id": school.device}, content_type="application/json"
    )
    assert (answer.status_code, answer.json()["code"]) == (HTTPStatus.FORBIDDEN, "forbidden")
    assert armed(PersonFactory.create(role=Role.ADMIN, organization=school.organization)) == []


def test_only_one_button_is_armed_at_a_time(school: School) -> None:
    """Also with concurrent requests; the next one can be armed after the press."""
    people = [PersonFactory.create(role=Role.ADMIN, organization=school.organization) for _ in range(4)]
    devices = [school.device, school.other_device] * 2
    answers = at_once([partial(arm, person, device) for person, device in zip(people, devices, strict=True)])
    assert sorted(answer.status_code for answer in answers) == [HTTPStatus.CREATED] + [HTTPStatus.CONFLICT] * 3
    refused = next(answer for answer in answers if answer.status_code == HTTPStatus.CONFLICT)
    assert refused.json()["code"] == "drill_already_armed" and problems("problem", refused.content) == []


def test_button_without_a_room_cannot_be_armed(school: School) -> None:
    """No gateway reports it, so its press would be real."""
    with tenant_scope([school.organization]):
        Device.objects.filter(device_id=school.device).update(room_id=None)
    answer = arm(PersonFactory.create(role=Role.ADMIN, organization=school.organization), school.device)
    assert (answer.status_code, answer.json()["code"]) == (HTTPStatus.CONFLICT, "device_without_room")


def test_armed_button_is_listed_until_it_is_pressed(school: School) -> None:
    """Staff receive it with its room, and are notified when it is armed and when it is pressed."""
    admin, operator = (
        PersonFactory.create(role=Role.ADMIN, organization=school.organization),
        PersonFactory.create(role=Role.OPERATOR, organization=school.organization),
    )
    viewer, stranger = (
        PersonFactory.create(role=Role.VIEWER, organization=school.organization),
        PersonFactory.create(role=Role.ADMIN),
    )
    answer = arm(admin, school.device)
    (armed_button,) = armed(operator)
    assert (armed_button["device_id"], armed_button["room"], armed_button["building_id"]) == (
        school.device,
        "Art room",
        str(school.building),
    )
    assert armed_button["expires_at"] == answer.json()["expires_at"][:23] + "Z"
    listed = f"/api/v1/drills?organization={school.organization}"
    assert viewer.client.get(listed).status_code == HTTPStatus.FORBIDDEN
    assert stranger.client.get(listed).status_code == HTTPStatus.NOT_FOUND
    now = timezone.now()
    raise_alert(school, drill=True, at=now, hops=hops(now))
    assert armed(operator) == []
    with tenant_scope([school.organization]):
        messages = feed.since(school.organization, 0, limit=10)
    staff_messages = [message for message in messages if message.envelope.audience is Audience.STAFF]
    assert [message.envelope.kind for message in staff_messages] == ["drill.armed", "alert.created", "drill.disarmed"]
    for message in staff_messages:
        assert problems("live", message.text.encode()) == []


ARMED, EXPIRES = timedelta(0), drills.ARMED_FOR


@pytest.mark.parametrize(
    ("earliest", "latest", "is_drill"),
    [
        (ARMED, EXPIRES, True),
        (ARMED - timedelta(milliseconds=1), EXPIRES, False),
        (ARMED, EXPIRES + timedelta(milliseconds=1), False),
        (EXPIRES, EXPIRES + timedelta(hours=1), False),
        (ARMED - timedelta(hours=1), ARMED, False),
        (ARMED - timedelta(hours=1), EXPIRES + timedelta(hours=1), False),
    ],
)
def test_press_is_a_drill_only_if_its_whole_interval_lies_in_the_armed_minute(
    school: School, earliest: timedelta, latest: timedelta, is_drill: bool
) -> None:
    """Regardless of the gateway's claim: in doubt it is a real alarm, and a trouble. A resent press is a repeat."""
    armed_at = timezone.now().replace(microsecond=0) - timedelta(hours=2)
    arm_button(school, at=armed_at)
    pressed_at = armed_at + timedelta(seconds=5)
    press = raised(
        school,
        alert_type="lockdown",
        at=pressed_at,
        drill=True,
        hops=hops(pressed_at, earliest=armed_at + earliest, latest=armed_at + latest),
    )
    (alert,) = raise_alerts(school, press)
    admin = PersonFactory.create(role=Role.ADMIN, organization=school.organization)
    assert get(admin, alert)["is_drill"] is is_drill
    with tenant_scope([school.organization]):
        assert Trouble.objects.filter(kind="drill_not_armed").exists() is not is_drill
    assert [result.result for result in send(school, press | {"event_id": str(new_id())}).results] == ["repeat"]


def test_press_is_real_when_a_slow_gateway_was_offline_while_armed(school: School) -> None:
    """The gateway is an hour slow and gives no interval: its press arrives after the minute has ended."""
    armed_at = timezone.now() - timedelta(hours=1)
    arm_button(school, at=armed_at)
    alert = raise_alert(school, alert_type="lockdown", drill=True, at=armed_at + timedelta(seconds=5))
    assert get(PersonFactory.create(role=Role.ADMIN, organization=school.organization), alert)["is_drill"] is False


@pytest.mark.parametrize("together", [True, False])
def test_armed_button_makes_one_drill(school: School, together: bool) -> None:
    """A second press is real whatever its gateway claims, and ends the drill; another button makes no drill."""
    admin = PersonFactory.create(role=Role.ADMIN, organization=school.organization)
    start = timezone.now() - timedelta(seconds=30)
    arm_button(school, at=start)
    moments = [start + timedelta(seconds=seconds) for seconds in (1, 2)]
    events = [raised(school, drill=True, at=at, hops=hops(at)) for at in moments]
    one_by_one = [raise_alerts(school, event)[0] for event in events] if not together else []
    first, second = one_by_one or raise_alerts(school, *events)
    assert [get(admin, alert)["is_drill"] for alert in (first, second)] == [True, False]
    assert get(admin, first)["status"] == "resolved"


def test_button_outside_the_gateways_buildings_makes_no_drill(school: School) -> None:
    arm_button(school, device=school.other_device)
    now = timezone.now()
    (result,) = send(school, raised(school, device=school.other_device, drill=True, at=now, hops=hops(now))).results
    assert result.result == "stored"
    with tenant_scope([school.organization]):
        assert not Alert.objects.get().is_drill


@pytest.mark.parametrize("way", ["raised", "joined", "unknown button", "other building"])
def test_real_press_ends_the_drill(school: School, way: str) -> None:
    """Any button of the site, also a press that joins an older alert, raises a real alert beside the ended drill."""
    admin = PersonFactory.create(role=Role.ADMIN, organization=school.organization)
    now = timezone.now() - timedelta(seconds=20)
    earlier = raised(school, alert_type="fire", at=now - timedelta(minutes=1), hops=hops(now - timedelta(minutes=1)))
    raise_alerts(school, earlier)
    started = drill(school, at=now, alert_type="lockdown")
    at = now + timedelta(seconds=2)
    device = {"unknown button": device_name(), "other building": school.other_device}.get(way, school.device)
    real = raised(school, device=device, at=at, hops=hops(at))
    (result,) = send(school, pressed_again(earlier, at=at) if way == "joined" else real).results
    assert result.result == "stored"
    document = get(admin, started)
    assert (document["status"], document["close_reason"], document["resolved_by"]) == ("resolved", "drill", None)
    open_ones = admin.client.get("/api/v1/alerts", {"status": "open"}).json()["results"]
    assert [alert["is_drill"] for alert in open_ones] == [False] * (1 if way == "joined" else 2)
    with tenant_scope([school.organization]):
        (ended,) = AuditEntry.objects.filter(action="drill.end")
        assert (ended.actor_kind, ended.actor_id, ended.detail["why"]) == ("gateway", school.gateway, "real_press")
        assert AlertEvent.objects.get(alert=started, kind="alert.resolved").detail["via"] == "real_press"


@pytest.mark.parametrize("way", ["before", "silent", "other site", "drill"])
def test_drill_continues_without_a_real_press_during_it(school: School, way: str) -> None:
    """Earlier presses, presses elsewhere, and a SILENT press, which would be revealed by the end of the drill."""
    admin = PersonFactory.create(role=Role.ADMIN, organization=school.organization)
    now = timezone.now() - timedelta(minutes=2)
    started = drill(school, at=now, alert_type="lockdown")
    at = now + timedelta(seconds=2) * (-1 if way == "before" else 1)
    with tenant_scope([school.organization]):
        site = tenancy.create_site(
            actor=SYSTEM, organization_id=school.organization, name="North", address="1 Road", timezone="UTC"
        )
        if way == "other site":
            Alert.objects.filter(id=started).update(site_id=site.id)
    if way == "drill":
        arm_button(school, at=now + timedelta(seconds=1))
    raise_alert(school, at=at, hops=hops(at), silent=way == "silent", drill=way == "drill")
    end_drills()
    assert get(admin, started)["status"] == "new"


def test_drill_with_a_locked_row_is_ended_by_the_sweep(school: School) -> None:
    """A real press does not wait for the lock; the drill ends as soon as it can."""
    admin = PersonFactory.create(role=Role.ADMIN, organization=school.organization)
    now = timezone.now() - timedelta(seconds=20)
    started = drill(school, at=now)
    with transaction.atomic(using="owner"), connections["owner"].cursor() as cursor:
        cursor.execute("SELECT 1 FROM alert_history WHERE id = %s FOR UPDATE", [started])
        raise_alert(school, at=now + timedelta(seconds=1), alert_type="fire")
        end_drills()
        assert get(admin, started)["status"] == "new"
    end_drills()
    assert (get(admin, started)["status"], get(admin, started)["close_reason"]) == ("resolved", "drill")
