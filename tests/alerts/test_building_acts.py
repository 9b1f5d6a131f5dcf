"""Acts in the building that its gateway reports: by the same rules, and only by people of this school."""

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
from tests.kit.people import Person, PersonFactory
from tests.kit.presses import JsonObject, arm, raise_alerts, raised, rfc3339, send
from tests.kit.school import School, SchoolFactory


def act(school: School, kind: str, alert: JsonObject, person: UUID | None, **more: object) -> list[str]:
    """Return the cloud's response to an act at the building's board: of a person, else of the key."""
    by = {"via": "board" if person else "key_switch", "person": person, "name": "Maria" if person else None}
    at = rfc3339(timezone.now())
    event = {"event_id": new_id(), "kind": kind, "at": at, "alert_id": alert["alert_id"], "by": by}
    return [result.result for result in send(school, event | more).results]


def document_of(person: Person, alert: UUID) -> Any:
    """Return the alert document, which matches the contract regardless of the gateway's report."""
    answer = person.client.get(f"/api/v1/alerts/{alert}")
    assert problems("alert", answer.content) == []
    return answer.json()


def test_two_people_at_the_building_board_end_a_lockdown(school: School, admin: Person) -> None:
    """One of them may act in the cloud; the same person twice counts once."""
    event = raised(school, alert_type="lockdown")
    (alert,) = raise_alerts(school, event)
    second = PersonFactory.create(role=Role.OPERATOR, organization=school.organization)
    assert act(school, "alert.acknowledged", event, admin.id) == ["stored"]
    assert document_of(admin, alert)["acknowledged_by"] == {"id": str(admin.id), "name": admin.name}
    for _ in range(2):
        assert act(school, "alert.resolved", event, admin.id) == ["stored"]
        assert (document_of(admin, alert)["status"], document_of(admin, alert)["approvals"]["given"]) == (
            "acknowledged",
            1,
        )
    assert second.client.put(f"/api/v1/alerts/{alert}/resolve").status_code == 200
    assert document_of(admin, alert)["status"] == "resolved"


def test_key_ends_single_person_alerts_but_not_a_lockdown(school: School, admin: Person) -> None:
    """A key is no named person, so it never counts as one of two approvals."""
    medical, lockdown = raised(school), raised(school, alert_type="lockdown")
    ids = raise_alerts(school, medical, lockdown)
    for event in (medical, lockdown, lockdown):
        assert act(school, "alert.resolved", event, None) == ["stored"]
    assert document_of(admin, ids[0])["status"] == "resolved" and document_of(admin, ids[0])["resolved_by"] is None
    assert document_of(admin, ids[1])["status"] == "new" and document_of(admin, ids[1])["approvals"]["given"] == 0


@pytest.mark.parametrize("who", ["unknown", "stranger", "viewer", "dismissed"])
def test_person_without_permission_does_not_count_as_approver(school: School, admin: Person, who: str) -> None:
    """Unknown, of another school, without the right or dismissed: the name is not counted and not displayed."""
    people = {
        "unknown": Person(User()),
        "stranger": PersonFactory.create(role=Role.ADMIN, organization=SchoolFactory.create().organization),
        "viewer": PersonFactory.create(role=Role.VIEWER, organization=school.organization),
        "dismissed": PersonFactory.create(role=Role.ADMIN, organization=school.organization),
    }
    with tenant_scope([school.organization]):
        Membership.objects.filter(user_id=people["dismissed"].id).delete()
    person = people[who]
    event = raised(school, alert_type="lockdown")
    (alert,) = raise_alerts(school, event)
    act(school, "alert.acknowledged", event, person.id)
    act(school, "alert.resolved", event, admin.id)
    act(school, "alert.resolved", event, person.id)
    document = document_of(admin, alert)
    assert (document["status"], document["acknowledged_by"]) == ("acknowledged", None)
    assert [one["id"] for one in document["approvals"]["by"]] == [str(admin.id)]


def test_board_page_opens_after_an_event_of_an_unknown_person(school: School, admin: Person) -> None:
    """One event of an unknown person does not make the page unavailable to a school."""
    event = raised(school, alert_type="lockdown")
    raise_alerts(school, event)
    act(school, "alert.resolved", event, uuid4())
    browser = Client()
    browser.force_login(User.objects.get(pk=admin.id))
    assert browser.get("/board/").status_code == 200


def test_late_acknowledgement_is_recorded_without_reopening_the_alert(school: School, admin: Person) -> None:
    """An acknowledgement of an alert that was closed in the meantime."""
    event = raised(school)
    (alert,) = raise_alerts(school, event)
    assert admin.client.put(f"/api/v1/alerts/{alert}/resolve").status_code == 200
    before = document_of(admin, alert)
    assert act(school, "alert.acknowledged", event, admin.id) == ["stored"]
    assert document_of(admin, alert) == before


def test_person_without_a_name_is_identified_by_email(school: School) -> None:
    """The e-mail address is used when the row has no name, cut to the contract's limit."""
    long = PersonFactory.create(role=Role.OPERATOR, organization=school.organization)
    User.objects.filter(pk=long.id).update(first_name="A" * 100, last_name="B" * 100)
    event = raised(school, at=timezone.now() - timedelta(seconds=1))
    (alert,) = raise_alerts(school, event)
    assert long.client.put(f"/api/v1/alerts/{alert}/acknowledge").status_code == 200
    assert len(document_of(long, alert)["acknowledged_by"]["name"]) == 200
    User.objects.filter(pk=long.id).update(first_name=None, last_name="")
    assert document_of(long, alert)["acknowledged_by"]["name"].endswith("@school.example")


@pytest.mark.parametrize("wrong", [timedelta(hours=20), timedelta(days=400), -timedelta(days=400)], ids=str)
def test_close_from_a_gateway_with_a_wrong_clock_takes_no_later_press(
    school: School, admin: Person, wrong: timedelta
) -> None:
    """A close cannot be in the future: a press after the arrival of the close is a new alert."""
    event = raised(school)
    (alert,) = raise_alerts(school, event)
    assert act(school, "alert.resolved", event, admin.id, at=rfc3339(timezone.now() + wrong)) == ["stored"]
    assert datetime.fromisoformat(document_of(admin, alert)["resolved_at"]) <= timezone.now()
    again = raised(school, kind="alert.pressed_again", alert_id=event["alert_id"])
    assert [result.result for result in send(school, again).results] == ["stored"]
    assert document_of(admin, alert)["presses"] == 1
    assert admin.client.get("/api/v1/alerts", {"status": "open"}).json()["results"]


@pytest.mark.parametrize("slow", [timedelta(0), timedelta(minutes=10)], ids=["right", "slow"])
def test_press_after_a_close_in_the_cloud_is_a_new_alert(school: School, admin: Person, slow: timedelta) -> None:
    """Even if the gateway did not know of the close and its clock is behind the cloud's."""
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
    assert document_of(admin, alert)["presses"] == 1


@pytest.mark.parametrize("drill", [True, False])
def test_real_press_ends_only_the_drill(school: School, admin: Person, drill: bool) -> None:
    """No second person is needed, because a real alert stands beside it; a real alert stays open."""
    if drill:
        arm(school)
    event = raised(school, alert_type="lockdown") | {"drill": drill}
    (alert,) = raise_alerts(school, event)
    by = {"via": "real_press", "person": None, "name": None}
    at = rfc3339(timezone.now())
    end = {"event_id": new_id(), "kind": "alert.resolved", "at": at, "alert_id": event["alert_id"], "by": by}
    (result,) = send(school, end).results
    assert (result.result, result.reason) == (("stored", None) if drill else ("quarantined", "not_a_drill"))
    document = document_of(admin, alert)
    assert (document["status"], document["close_reason"]) == (("resolved", "drill") if drill else ("new", None))
