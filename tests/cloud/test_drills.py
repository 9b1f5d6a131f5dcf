"""Drills: one button is armed, through the API; and a drill ends by itself, which a real alert never does."""

from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

import msgspec
import pytest
from django.utils import timezone

from apps.accounts.models import Role
from apps.alerts import drills
from apps.alerts.models import AlertEvent
from apps.alerts.tasks import end_drills
from apps.common import feed
from apps.common.feed import Audience
from apps.common.models import AuditEntry
from apps.common.scope import tenant_scope
from contracts import permissions
from contracts.validation import problems
from tests.cloud.school import Person, School, device_name, make_person, make_school, raise_alert


def arm(person: Person, device: object) -> Any:
    return person.client.post("/api/v1/drills", data={"device_id": device}, content_type="application/json")


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
        (message,) = feed.since(school.organization, 0, limit=10)
        assert AuditEntry.objects.get(action="drill.arm").actor_id == person.id
    assert (message.envelope.audience, message.envelope.building_id) == (Audience.GATEWAY, school.building)
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
            assert feed.heads().get(one.organization, 0) == 0


def test_a_drill_ends_by_itself_and_a_real_alert_does_not(school: School) -> None:
    """After an hour, a lockdown drill too, without a second person; the story says so, and every screen is told."""
    other = make_school()
    admin, theirs = make_person(Role.ADMIN, school.organization), make_person(Role.ADMIN, other.organization)
    long_ago, lately = timezone.now() - drills.LONGEST - timedelta(seconds=5), timezone.now() - drills.LONGEST / 2
    overdue = raise_alert(school, alert_type="lockdown", drill=True, at=long_ago)
    elsewhere = raise_alert(other, drill=True, at=long_ago)
    running = raise_alert(school, alert_type="fire", drill=True, at=lately)
    real = raise_alert(school, alert_type="lockdown", at=long_ago)
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
        assert feed.heads()[school.organization] == 4
