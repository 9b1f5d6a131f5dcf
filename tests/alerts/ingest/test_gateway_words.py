"""A gateway reports on its own buildings: its reports about other buildings' buttons and alerts do not affect them."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from apps.accounts.models import Role
from apps.alerts.models import AlertEvent
from apps.common.access import SYSTEM
from apps.common.db.ids import new_id
from apps.common.db.scope import tenant_scope
from apps.common.models import AuditEntry
from apps.devices import services as devices
from apps.devices.models import Device, Trouble
from tests.kit.people import Person, PersonFactory
from tests.kit.presses import JsonObject, hops, pressed_again, raise_alerts, raised, rfc3339, send
from tests.kit.school import School


def gateway_of(school: School, *buildings: UUID) -> School:
    """Return the same school, as reported by another gateway of these buildings."""
    with tenant_scope([school.organization]):
        gateway = devices.register_gateway(
            actor=SYSTEM,
            organization_id=school.organization,
            name="Another",
            public_key="none",
            buildings=buildings,
        )
    return replace(school, gateway=gateway, epoch=uuid4())


@pytest.fixture
def annex(school: School) -> School:
    """The school as the gateway of its other building reports it."""
    return gateway_of(school, school.other_building)


def act(school: School, kind: str, alert: JsonObject, person: UUID | None = None, at: datetime | None = None) -> Any:
    by = {"via": "board" if person else "key_switch", "person": person, "name": "Maria" if person else None}
    moment = rfc3339(at or timezone.now())
    event = {"event_id": new_id(), "kind": kind, "at": moment, "alert_id": alert["alert_id"], "by": by}
    (result,) = send(school, event).results
    return result.result, result.reason


def results(school: School, *events: JsonObject) -> list[str]:
    return [result.result for result in send(school, *events).results]


def open_alerts(admin: Person) -> list[Any]:
    found: list[Any] = admin.client.get("/api/v1/alerts", {"status": "open", "limit": "100"}).json()["results"]
    return found


def document_of(admin: Person, alert: UUID) -> Any:
    return admin.client.get(f"/api/v1/alerts/{alert}").json()


def troubles(school: School) -> set[str]:
    with tenant_scope([school.organization]):
        return set(Trouble.objects.filter(ended_at=None).values_list("kind", flat=True))


def audited(school: School, action: str) -> list[tuple[str, str, dict[str, object]]]:
    with tenant_scope([school.organization]):
        entries = AuditEntry.objects.filter(action=action).order_by("at", "id")
        return [(entry.actor_kind, entry.outcome, entry.detail) for entry in entries]


def test_press_is_an_alert_when_another_gateway_used_and_closed_its_alert_id(
    school: School, annex: School, admin: Person
) -> None:
    """The other gateway guesses the names of a button's next presses. Its report raises a separate alert."""
    press = raised(school, alert_type="lockdown")
    guessed = press | {"event_id": str(new_id()), "type": "assist"}
    assert results(annex, guessed) == ["stored"]
    assert act(annex, "alert.resolved", press, admin.id) == ("stored", None)
    assert open_alerts(admin) == []
    assert results(school, press) == ["stored"]
    (alert,) = open_alerts(admin)
    assert (alert["alert_id"], alert["alert_type"]) == (press["alert_id"], "lockdown")
    assert alert["place"]["building"]["id"] == str(school.building)
    assert results(school, press, press | {"event_id": str(new_id())}) == ["repeat", "repeat"]
    assert "unattributed_device" in troubles(school)


def test_press_is_an_alert_when_its_alert_id_was_used_before_registration(
    school: School, annex: School, admin: Person
) -> None:
    """A collision raises a separate alert and a trouble, however often it is sent; its gateway can end the alert."""
    device = f"ss-{uuid4().hex[:12]}"
    start = timezone.now() - timedelta(minutes=5)
    press = raised(school, device=device, at=start + timedelta(minutes=1))
    press |= {"hops": hops(start + timedelta(minutes=1))}
    guessed = press | {"event_id": str(new_id())}
    assert [result.result for result in send(annex, guessed, at=start).results] == ["stored"]
    with tenant_scope([school.organization]):
        devices.register_devices(
            actor=SYSTEM, organization_id=school.organization, rooms={device: school.room}, now=start
        )
    for expected in ("stored", "repeat"):
        assert results(school, press) == [expected]
    assert results(school, press | {"event_id": str(new_id())}) == ["repeat"]
    assert "alert_name_taken" in troubles(school)
    assert len(open_alerts(admin)) == 2
    assert act(school, "alert.resolved", press, admin.id) == ("stored", None)
    (left,) = open_alerts(admin)
    assert left["is_unattributed"] and left["alert_id"] == press["alert_id"]


def test_press_reported_by_two_gateways_of_a_building_is_one_alert(school: School, admin: Person) -> None:
    """Even if one of them joins it to an alert that the other did not know, and after the alert was closed."""
    beside = gateway_of(school, school.building)
    now = timezone.now() - timedelta(seconds=10)
    first = raised(school, at=now, hops=hops(now))
    assert results(school, first) == ["stored"]
    assert results(beside, first | {"event_id": str(new_id())}) == ["repeat"]
    second = pressed_again(first, at=now + timedelta(seconds=2))
    alone = second | {
        "event_id": str(new_id()),
        "kind": "alert.raised",
        "alert_id": f"{second['device']}:{second['inst']}:{second['seq']}",
    }
    assert results(school, second) == ["stored"]
    assert results(beside, alone) == ["repeat"]
    (alert,) = open_alerts(admin)
    assert alert["presses"] == 2
    assert admin.client.put(f"/api/v1/alerts/{alert['id']}/resolve").status_code == 200
    assert results(beside, first | {"event_id": str(new_id())}, alone | {"event_id": str(new_id())}) == ["repeat"] * 2
    assert open_alerts(admin) == []


def test_press_reported_before_it_was_made_is_another_press(school: School, admin: Person) -> None:
    """A second gateway of the same building cannot use up the names of future presses either."""
    beside = gateway_of(school, school.building)
    start = timezone.now() - timedelta(minutes=10)
    made_at = start + timedelta(minutes=5)
    press = raised(school, at=made_at, hops=hops(made_at))
    guessed = press | {"event_id": str(new_id()), "hops": hops(start)}
    assert [result.result for result in send(beside, guessed, at=start).results] == ["stored"]
    assert results(school, press) == ["stored"]
    assert len(open_alerts(admin)) == 2 and "alert_name_taken" in troubles(school)


def test_events_copied_to_a_replacement_gateway_are_repeats(school: School, admin: Person) -> None:
    """Its store was copied to another gateway with another id and epoch: the same events are repeats."""
    now = timezone.now() - timedelta(hours=1)
    first = raised(school, at=now)
    second = pressed_again(first, at=now + timedelta(seconds=3))
    assert results(school, first, second) == ["stored", "stored"]
    (alert,) = open_alerts(admin)
    assert admin.client.put(f"/api/v1/alerts/{alert['id']}/resolve").status_code == 200
    assert results(gateway_of(school, school.building), first, second) == ["repeat", "repeat"]
    assert open_alerts(admin) == []


@pytest.mark.parametrize("change", [{"type": "lockdown"}, {"silent": True}])
def test_reused_alert_id_with_another_kind_of_press_is_a_new_alert(
    school: School, admin: Person, change: JsonObject
) -> None:
    first = raised(school)
    other = first | {"event_id": str(new_id())} | change
    assert results(school, first, other) == ["stored", "stored"]
    assert results(school, other | {"event_id": str(new_id())}, other) == ["repeat", "repeat"]
    assert len(open_alerts(admin)) == 2 and "alert_name_taken" in troubles(school)


def test_alert_id_of_another_button_is_replaced_by_that_of_the_press(school: School, annex: School) -> None:
    """`alert_id` is only a claim: a press is identified by its device, inst and seq."""
    press = raised(school)
    own = raised(school, device=school.other_device)
    assert results(annex, own | {"alert_id": press["alert_id"]}) == ["stored"]
    assert results(school, press) == ["stored"]
    assert results(annex, own | {"event_id": str(new_id())}) == ["repeat"]


def test_joining_press_cannot_use_the_name_of_another_buildings_button(
    school: School, annex: School, admin: Person
) -> None:
    now = timezone.now() - timedelta(seconds=5)
    theirs = raised(school, device=school.other_device, at=now, hops=hops(now))
    mine = raised(school, at=now, hops=hops(now), alert_type="medical")
    assert results(annex, theirs) == ["stored"]
    joining = pressed_again(theirs, at=now + timedelta(seconds=1), device=school.device, inst=mine["inst"])
    assert results(annex, joining | {"seq": mine["seq"]}) == ["stored"]
    assert results(school, mine) == ["stored"]
    assert str(mine["alert_id"]) in {alert["alert_id"] for alert in open_alerts(admin)}


def test_press_of_a_moved_button_is_an_alert_for_each_reporting_gateway(school: School, admin: Person) -> None:
    """The old building ends alerts raised there; presses after the move belong to the new building."""
    annex = gateway_of(school, school.other_building)
    before, after = raised(school), raised(school)
    assert results(school, before) == ["stored"]
    with tenant_scope([school.organization]):
        other_room = Device.objects.get(device_id=school.other_device).room_id
        Device.objects.filter(device_id=school.device).update(room_id=other_room)
    assert results(school, after) == ["stored"]
    assert results(annex, after | {"event_id": str(new_id())}) == ["stored"]
    places = {alert["alert_id"]: (alert["place"] or {}).get("building", {}).get("id") for alert in open_alerts(admin)}
    assert len(places) == 3
    assert places[before["alert_id"]] == str(school.building)
    assert places[after["alert_id"]] == str(school.other_building)
    assert act(school, "alert.resolved", before, admin.id) == ("stored", None)
    assert act(school, "alert.resolved", after, admin.id) == ("stored", None)
    (left,) = open_alerts(admin)
    assert left["alert_id"] == after["alert_id"] and left["place"]["building"]["id"] == str(school.other_building)


@pytest.mark.parametrize("kind", ["alert.acknowledged", "alert.resolved"])
def test_gateway_cannot_act_on_alert_of_another_building(
    school: School, annex: School, admin: Person, kind: str
) -> None:
    """Neither anonymously nor in the names of two people: the act is refused, audited, and people are notified."""
    press = raised(school, alert_type="lockdown")
    (alert,) = raise_alerts(school, press)
    second = PersonFactory.create(role=Role.ADMIN, organization=school.organization)
    for person in (None, admin.id, second.id):
        assert act(annex, kind, press, person) == ("quarantined", "foreign_alert")
    document = document_of(admin, alert)
    assert (document["status"], document["approvals"]["given"]) == ("new", 0)
    (entry, *_) = audited(school, kind)
    assert entry[:2] == ("gateway", "refused")
    assert "foreign_alert" in troubles(school)


def test_gateway_counts_for_one_of_two_approvals(school: School, admin: Person) -> None:
    """Regardless of the names it reports; acts of those people in the cloud count for themselves."""
    second, third = (PersonFactory.create(role=Role.OPERATOR, organization=school.organization) for _ in range(2))
    press = raised(school, alert_type="lockdown")
    (alert,) = raise_alerts(school, press)
    for person in (admin, second, third, admin):
        assert act(school, "alert.resolved", press, person.id) == ("stored", None)
        document = document_of(admin, alert)
        assert (document["status"], [one["id"] for one in document["approvals"]["by"]]) == ("new", [str(admin.id)])
    done = audited(school, "alert.approve_resolve")
    assert [(kind, outcome, detail["person"]) for kind, outcome, detail in done] == [
        ("gateway", "done", str(admin.id)),
        ("gateway", "refused", str(second.id)),
        ("gateway", "refused", str(third.id)),
    ]
    assert second.client.put(f"/api/v1/alerts/{alert}/resolve").status_code == 200
    assert document_of(admin, alert)["status"] == "resolved"


def test_confirmed_own_approval_frees_the_gateways_approval(school: School, admin: Person) -> None:
    second = PersonFactory.create(role=Role.OPERATOR, organization=school.organization)
    press = raised(school, alert_type="lockdown")
    (alert,) = raise_alerts(school, press)
    assert act(school, "alert.resolved", press, admin.id) == ("stored", None)
    for _ in range(2):
        assert admin.client.put(f"/api/v1/alerts/{alert}/resolve").status_code == 202
    assert act(school, "alert.resolved", press, second.id) == ("stored", None)
    assert document_of(admin, alert)["status"] == "resolved"
    assert audited(school, "alert.resolve")[0][:2] == ("gateway", "done")


def test_acts_in_the_building_are_audited(school: School, admin: Person) -> None:
    """With the person and the gateway; the presses of a batch share one entry."""
    press = raised(school)
    (alert,) = raise_alerts(school, press)
    assert act(school, "alert.acknowledged", press, admin.id) == ("stored", None)
    assert act(school, "alert.resolved", press) == ("stored", None)
    with tenant_scope([school.organization]):
        entries = AuditEntry.objects.filter(actor_id=school.gateway).order_by("at", "id")
        found = [(entry.action, entry.target_id, entry.detail) for entry in entries]
    assert found == [
        ("alert.raise", school.gateway, {"presses": 1}),
        ("alert.acknowledge", alert, {"via": "board", "person": str(admin.id)}),
        ("alert.resolve", alert, {"via": "key_switch"}),
    ]


def test_late_reported_close_leaves_later_presses_open(school: School, admin: Person) -> None:
    """A building with two gateways: one is offline while a person closes at its board, the other receives a press."""
    beside = gateway_of(school, school.building)
    start = timezone.now() - timedelta(minutes=10)
    press = raised(school, at=start, hops=hops(start))
    (alert,) = raise_alerts(school, press)
    later = pressed_again(press, at=start + timedelta(minutes=2))
    assert results(beside, later) == ["stored"]
    assert act(school, "alert.resolved", press, at=start + timedelta(minutes=1)) == ("stored", None)
    assert document_of(admin, alert)["status"] == "new"
    with tenant_scope([school.organization]):
        assert AlertEvent.objects.filter(alert=alert, kind="alert.resolve_outdated").count() == 1
    assert act(school, "alert.resolved", press, at=start + timedelta(minutes=3)) == ("stored", None)
    assert document_of(admin, alert)["status"] == "resolved"
