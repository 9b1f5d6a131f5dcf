"""Drills: one button is armed, through the API; and a drill ends by itself, which a real alert never does."""

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
from tests.cloud.connections import at_once
from tests.cloud.school import (
    Person,
    School,
    device_name,
    hops,
    make_person,
    make_school,
    pressed_again,
    raise_alert,
    raise_alerts,
    raised,
    send,
)
from tests.cloud.school import arm as arm_button


def arm(person: Person, device: object) -> Any:
    return person.client.post("/api/v1/drills", data={"device_id": device}, content_type="application/json")


def drill(school: School, at: datetime, alert_type: str = "medical") -> UUID:
    """A drill on the school's first button, armed and pressed at that time; its gateway's word comes now."""
    arm_button(school, at=at - timedelta(seconds=5))
    return raise_alert(school, alert_type=alert_type, drill=True, at=at, hops=hops(at))


def armed(person: Person) -> list[Any]:
    """The buttons that are shown as armed."""
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
def test_who_may_start_a_drill(school: School, role: Role) -> None:
    """As the table of roles says; for at most a minute, told to the gateway of the button alone, and on record."""
    person = make_person(role, school.organization)
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
    shown = next(one for one in messages if one.envelope.audience is Audience.STAFF)
    assert len(messages) == 2
    assert (message.envelope.audience, message.envelope.building_id) == (Audience.GATEWAY, school.building)
    assert (shown.envelope.kind, shown.envelope.audience) == ("drill.armed", Audience.STAFF)
    assert problems("live", shown.text.encode()) == []
    assert msgspec.json.decode(message.text)["command"] == "arm_drill"
    assert problems("edge_downlink", message.text.encode()) == []


@pytest.mark.parametrize("device", ["", None, [], {}, "x" * 101, "\x00"])
def test_a_bad_device_is_named(school: School, device: object) -> None:
    """400 with the field's name."""
    answer = arm(make_person(Role.ADMIN, school.organization), device)
    assert answer.status_code == HTTPStatus.BAD_REQUEST and list(answer.json()["errors"]) == ["device_id"]
    assert problems("problem", answer.content) == []


def test_a_button_of_another_school_is_not_there(school: School) -> None:
    """With the same words as one that never was; nothing is told to anyone."""
    other = make_school()
    admin = make_person(Role.ADMIN, school.organization)
    theirs, never = arm(admin, other.device), arm(admin, device_name())
    assert theirs.status_code == never.status_code == HTTPStatus.NOT_FOUND
    assert theirs.json() == never.json() and theirs.json()["code"] == "device_not_found"
    for one in (school, other):
        with tenant_scope([one.organization]):
            assert feed.heads().of(one.organization).seq == 0


def test_a_drill_ends_by_itself_and_a_real_alert_does_not(school: School) -> None:
    """After an hour, a lockdown drill too, without a second person; the story says so, and every screen is told."""
    other = make_school()
    admin, theirs = make_person(Role.ADMIN, school.organization), make_person(Role.ADMIN, other.organization)
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
        story = AlertEvent.objects.filter(alert=overdue).order_by("created_at")
        assert [(step.kind, step.actor_kind) for step in story] == [
            ("alert.raised", "gateway"),
            ("alert.resolved", "system"),
        ]
        kinds = [message.envelope.kind for message in feed.since(school.organization, 0, limit=20)]
        assert kinds.count("alert.updated") == 1
        (ended,) = AuditEntry.objects.filter(action="drill.end")
        assert (ended.actor_kind, ended.target_id, ended.detail["why"]) == ("system", overdue, "timeout")


def test_only_a_person_arms_a_drill(school: School) -> None:
    """A program may hold every right that a program can hold: it arms nothing."""
    secret = service_token(school, ["drills:create", "alerts:read"])
    answer = Client(headers={"authorization": f"Bearer {secret}"}).post(
        "/api/v1/drills", data={"device_id": school.device}, content_type="application/json"
    )
    assert (answer.status_code, answer.json()["code"]) == (HTTPStatus.FORBIDDEN, "forbidden")
    assert armed(make_person(Role.ADMIN, school.organization)) == []


def test_one_button_is_armed_at_a_time(school: School) -> None:
    """Also when several ask at once; the next one when it was pressed."""
    people = [make_person(Role.ADMIN, school.organization) for _ in range(4)]
    devices = [school.device, school.other_device] * 2
    answers = at_once([partial(arm, person, device) for person, device in zip(people, devices, strict=True)])
    assert sorted(answer.status_code for answer in answers) == [HTTPStatus.CREATED] + [HTTPStatus.CONFLICT] * 3
    refused = next(answer for answer in answers if answer.status_code == HTTPStatus.CONFLICT)
    assert refused.json()["code"] == "drill_already_armed" and problems("problem", refused.content) == []


def test_button_without_a_room_is_not_armed(school: School) -> None:
    """No gateway speaks for it, so its press would be real."""
    with tenant_scope([school.organization]):
        Device.objects.filter(device_id=school.device).update(room_id=None)
    answer = arm(make_person(Role.ADMIN, school.organization), school.device)
    assert (answer.status_code, answer.json()["code"]) == (HTTPStatus.CONFLICT, "device_without_room")


def test_armed_button_is_shown_until_it_is_pressed(school: School) -> None:
    """To staff, with its room; and they are told when it is armed and when it was pressed."""
    admin, operator = make_person(Role.ADMIN, school.organization), make_person(Role.OPERATOR, school.organization)
    viewer, stranger = make_person(Role.VIEWER, school.organization), make_person(Role.ADMIN)
    answer = arm(admin, school.device)
    (shown,) = armed(operator)
    assert (shown["device_id"], shown["room"], shown["building_id"]) == (
        school.device,
        "Art room",
        str(school.building),
    )
    assert shown["expires_at"] == answer.json()["expires_at"][:23] + "Z"
    listed = f"/api/v1/drills?organization={school.organization}"
    assert viewer.client.get(listed).status_code == HTTPStatus.FORBIDDEN
    assert stranger.client.get(listed).status_code == HTTPStatus.NOT_FOUND
    now = timezone.now()
    raise_alert(school, drill=True, at=now, hops=hops(now))
    assert armed(operator) == []
    with tenant_scope([school.organization]):
        messages = feed.since(school.organization, 0, limit=10)
    told = [message for message in messages if message.envelope.audience is Audience.STAFF]
    assert [message.envelope.kind for message in told] == ["drill.armed", "alert.created", "drill.disarmed"]
    for message in told:
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
    """Whatever its gateway says: in doubt it is a real alarm, and a trouble. Sent once more it is the same press."""
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
    admin = make_person(Role.ADMIN, school.organization)
    assert get(admin, alert)["is_drill"] is is_drill
    with tenant_scope([school.organization]):
        assert Trouble.objects.filter(kind="drill_not_armed").exists() is not is_drill
    assert [result.result for result in send(school, press | {"event_id": str(new_id())}).results] == ["repeat"]


def test_press_of_slow_gateway_armed_while_cut_off_is_real(school: School) -> None:
    """A gateway an hour slow that gives no interval: its press arrives when the minute is over."""
    armed_at = timezone.now() - timedelta(hours=1)
    arm_button(school, at=armed_at)
    alert = raise_alert(school, alert_type="lockdown", drill=True, at=armed_at + timedelta(seconds=5))
    assert get(make_person(Role.ADMIN, school.organization), alert)["is_drill"] is False


@pytest.mark.parametrize("together", [True, False])
def test_an_armed_button_makes_one_drill_in_the_cloud(school: School, together: bool) -> None:
    """Its second press is real whatever its gateway says, and ends the drill; another button's was never a drill."""
    admin = make_person(Role.ADMIN, school.organization)
    start = timezone.now() - timedelta(seconds=30)
    arm_button(school, at=start)
    moments = [start + timedelta(seconds=seconds) for seconds in (1, 2)]
    events = [raised(school, drill=True, at=at, hops=hops(at)) for at in moments]
    one_by_one = [raise_alerts(school, event)[0] for event in events] if not together else []
    first, second = one_by_one or raise_alerts(school, *events)
    assert [get(admin, alert)["is_drill"] for alert in (first, second)] == [True, False]
    assert get(admin, first)["status"] == "resolved"


def test_button_of_no_building_of_its_gateway_makes_no_drill(school: School) -> None:
    arm_button(school, device=school.other_device)
    now = timezone.now()
    (result,) = send(school, raised(school, device=school.other_device, drill=True, at=now, hops=hops(now))).results
    assert result.result == "stored"
    with tenant_scope([school.organization]):
        assert not Alert.objects.get().is_drill


@pytest.mark.parametrize("way", ["raised", "joined", "unknown button", "other building"])
def test_real_press_ends_the_drill(school: School, way: str) -> None:
    """Of any button of the site, also one that joins an older alert. It is a real alert beside the ended drill."""
    admin = make_person(Role.ADMIN, school.organization)
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
def test_drill_goes_on_beside_what_is_no_press_during_it(school: School, way: str) -> None:
    """What was pressed before it, what is elsewhere; and a SILENT press, which its end would give away."""
    admin = make_person(Role.ADMIN, school.organization)
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


def test_drill_whose_row_is_held_is_ended_by_the_sweep(school: School) -> None:
    """A real press waits for nobody; the drill ends as soon as it can."""
    admin = make_person(Role.ADMIN, school.organization)
    now = timezone.now() - timedelta(seconds=20)
    started = drill(school, at=now)
    with transaction.atomic(using="owner"), connections["owner"].cursor() as cursor:
        cursor.execute("SELECT 1 FROM alert_history WHERE id = %s FOR UPDATE", [started])
        raise_alert(school, at=now + timedelta(seconds=1), alert_type="fire")
        end_drills()
        assert get(admin, started)["status"] == "new"
    end_drills()
    assert (get(admin, started)["status"], get(admin, started)["close_reason"]) == ("resolved", "drill")
