"""What is done in the building and told by its gateway: by the same table, and only by persons of this school."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.models import Membership, Role, User
from apps.alerts.ingest import service
from apps.common.db.ids import new_id
from apps.common.db.scope import tenant_scope
from contracts.validation import problems
from tests.cloud.school import (
    JsonObject,
    Person,
    School,
    arm,
    make_person,
    make_school,
    raise_alerts,
    raised,
    rfc3339,
    send,
)


def act(school: School, kind: str, alert: JsonObject, person: UUID | None, **more: object) -> list[str]:
    """What the cloud answers: on the building's board by a person, else with the key."""
    by = {"via": "board" if person else "key_switch", "person": person, "name": "Maria" if person else None}
    at = rfc3339(timezone.now())
    event = {"event_id": new_id(), "kind": kind, "at": at, "alert_id": alert["alert_id"], "by": by}
    return [result.result for result in send(school, event | more).results]


def shown(person: Person, alert: UUID) -> Any:
    """The document, which is one of the contract whatever a gateway said."""
    answer = person.client.get(f"/api/v1/alerts/{alert}")
    assert problems("alert", answer.content) == []
    return answer.json()


@pytest.fixture
def admin(school: School) -> Person:
    return make_person(Role.ADMIN, school.organization)


def test_two_persons_at_the_buildings_board_end_a_lockdown(school: School, admin: Person) -> None:
    """One of them may be in the cloud; the same person twice is one."""
    event = raised(school, alert_type="lockdown")
    (alert,) = raise_alerts(school, event)
    second = make_person(Role.OPERATOR, school.organization)
    assert act(school, "alert.acknowledged", event, admin.id) == ["stored"]
    assert shown(admin, alert)["acknowledged_by"] == {"id": str(admin.id), "name": admin.name}
    for _ in range(2):
        assert act(school, "alert.resolved", event, admin.id) == ["stored"]
        assert (shown(admin, alert)["status"], shown(admin, alert)["approvals"]["given"]) == ("acknowledged", 1)
    assert second.client.put(f"/api/v1/alerts/{alert}/resolve").status_code == 200
    assert shown(admin, alert)["status"] == "resolved"


def test_a_key_ends_what_one_person_may_and_no_lockdown(school: School, admin: Person) -> None:
    """It is nobody's name, so it is never one of two."""
    medical, lockdown = raised(school), raised(school, alert_type="lockdown")
    ids = raise_alerts(school, medical, lockdown)
    for event in (medical, lockdown, lockdown):
        assert act(school, "alert.resolved", event, None) == ["stored"]
    assert shown(admin, ids[0])["status"] == "resolved" and shown(admin, ids[0])["resolved_by"] is None
    assert shown(admin, ids[1])["status"] == "new" and shown(admin, ids[1])["approvals"]["given"] == 0


@pytest.mark.parametrize("who", ["nobody", "stranger", "viewer", "dismissed"])
def test_who_may_not_act_here_is_no_one_of_two(school: School, admin: Person, who: str) -> None:
    """Somebody unknown, of another school, without the right or dismissed: their name neither counts nor is shown."""
    people = {
        "nobody": Person(uuid4(), "Nobody", ""),
        "stranger": make_person(Role.ADMIN, make_school().organization),
        "viewer": make_person(Role.VIEWER, school.organization),
        "dismissed": make_person(Role.ADMIN, school.organization),
    }
    with tenant_scope([school.organization]):
        Membership.objects.filter(user_id=people["dismissed"].id).delete()
    person = people[who]
    event = raised(school, alert_type="lockdown")
    (alert,) = raise_alerts(school, event)
    act(school, "alert.acknowledged", event, person.id)
    act(school, "alert.resolved", event, admin.id)
    act(school, "alert.resolved", event, person.id)
    document = shown(admin, alert)
    assert (document["status"], document["acknowledged_by"]) == ("acknowledged", None)
    assert [one["id"] for one in document["approvals"]["by"]] == [str(admin.id)]


def test_the_board_opens_whatever_a_gateway_said(school: School, admin: Person) -> None:
    """One event of a person whom nobody knows does not take the page from a school."""
    event = raised(school, alert_type="lockdown")
    raise_alerts(school, event)
    act(school, "alert.resolved", event, uuid4())
    browser = Client()
    browser.force_login(User.objects.get(pk=admin.id))
    assert browser.get("/board/").status_code == 200


def test_what_comes_too_late_is_told_and_opens_nothing(school: School, admin: Person) -> None:
    """An acknowledgement of an alert that was closed meanwhile."""
    event = raised(school)
    (alert,) = raise_alerts(school, event)
    assert admin.client.put(f"/api/v1/alerts/{alert}/resolve").status_code == 200
    before = shown(admin, alert)
    assert act(school, "alert.acknowledged", event, admin.id) == ["stored"]
    assert shown(admin, alert) == before


def test_a_person_who_has_no_name_is_still_somebody(school: School) -> None:
    """Whose row is without a name by the e-mail address, and never longer than the contract has it."""
    long = make_person(Role.OPERATOR, school.organization)
    User.objects.filter(pk=long.id).update(first_name="A" * 100, last_name="B" * 100)
    event = raised(school, at=timezone.now() - timedelta(seconds=1))
    (alert,) = raise_alerts(school, event)
    assert long.client.put(f"/api/v1/alerts/{alert}/acknowledge").status_code == 200
    assert len(shown(long, alert)["acknowledged_by"]["name"]) == 200
    User.objects.filter(pk=long.id).update(first_name=None, last_name="")
    assert shown(long, alert)["acknowledged_by"]["name"].endswith("@school.example")


@pytest.mark.parametrize("wrong", [timedelta(hours=20), timedelta(days=400), -timedelta(days=400)], ids=str)
def test_a_close_of_a_gateway_whose_clock_is_wrong_takes_no_later_press(
    school: School, admin: Person, wrong: timedelta
) -> None:
    """Nobody closes an alert in the future: what is pressed after that is a new alert."""
    event = raised(school)
    (alert,) = raise_alerts(school, event)
    assert act(school, "alert.resolved", event, admin.id, at=rfc3339(timezone.now() + wrong)) == ["stored"]
    assert datetime.fromisoformat(shown(admin, alert)["resolved_at"]) <= timezone.now()
    again = raised(school, kind="alert.pressed_again", alert_id=event["alert_id"])
    assert [result.result for result in send(school, again).results] == ["stored"]
    assert shown(admin, alert)["presses"] == 1
    assert admin.client.get("/api/v1/alerts", {"status": "open"}).json()["results"]


@pytest.mark.parametrize("slow", [timedelta(0), timedelta(minutes=10)], ids=["right", "slow"])
def test_a_press_after_a_close_made_in_the_cloud_is_a_new_alert(school: School, admin: Person, slow: timedelta) -> None:
    """Though the gateway did not know of the close, and though its clock is behind that of the cloud."""
    event = raised(school, at=timezone.now() - timedelta(minutes=1))
    (alert,) = raise_alerts(school, event)
    assert admin.client.put(f"/api/v1/alerts/{alert}/resolve").status_code == 200
    now = timezone.now() - slow
    again = raised(school, at=now, kind="alert.pressed_again", alert_id=event["alert_id"])
    body = msgspec.json.encode({"epoch": school.epoch, "sent_at": rfc3339(now), "events": [again]})
    with tenant_scope([school.organization]):
        service.ingest(gateway=school.gateway_principal, request=service.parse(body), received_at=timezone.now())
    (new,) = admin.client.get("/api/v1/alerts", {"status": "open"}).json()["results"]
    assert new["alert_id"] == f"{again['device']}:{again['inst']}:{again['seq']}"
    assert shown(admin, alert)["presses"] == 1


@pytest.mark.parametrize("drill", [True, False])
def test_real_press_ends_drill_and_nothing_else(school: School, admin: Person, drill: bool) -> None:
    """Without a second person, since a real alert stands beside it; a real alert stays open."""
    if drill:
        arm(school)
    event = raised(school, alert_type="lockdown") | {"drill": drill}
    (alert,) = raise_alerts(school, event)
    by = {"via": "real_press", "person": None, "name": None}
    at = rfc3339(timezone.now())
    end = {"event_id": new_id(), "kind": "alert.resolved", "at": at, "alert_id": event["alert_id"], "by": by}
    (result,) = send(school, end).results
    assert (result.result, result.reason) == (("stored", None) if drill else ("quarantined", "not_a_drill"))
    document = shown(admin, alert)
    assert (document["status"], document["close_reason"]) == (("resolved", "drill") if drill else ("new", None))
