"""The REST endpoints of alerts: visibility, order and error responses."""

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from itertools import chain
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import pytest
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.accounts.models import Role, User
from apps.alerts.models import Alert, AlertStatus
from apps.common.db.ids import new_id
from apps.common.db.scope import tenant_scope
from contracts.validation import problems
from tests.kit.people import Person, PersonFactory
from tests.kit.presses import arm, raise_alert, raise_alerts, raised, send
from tests.kit.refusals import refused
from tests.kit.school import School, SchoolFactory, device_name

ALERTS = "/api/v1/alerts"
PATHS = {
    "/api/v1/alerts": {"get"},
    "/api/v1/alerts/{alert_uuid}": {"get"},
    "/api/v1/alerts/{alert_uuid}/acknowledge": {"put"},
    "/api/v1/alerts/{alert_uuid}/resolve": {"put"},
}


def get(person: Person, path: str = ALERTS, **query: str | int) -> Any:
    return person.client.get(path, query)


def listed(person: Person, **query: str | int) -> list[str]:
    answer = person.client.get(ALERTS, query)
    assert answer.status_code == HTTPStatus.OK, answer.content
    return [alert["id"] for alert in answer.json()["results"]]


def close(person: Person, alert: UUID) -> None:
    answer = person.client.put(f"{ALERTS}/{alert}/resolve", data={"reason": "real"}, content_type="application/json")
    assert answer.status_code == HTTPStatus.OK


@pytest.fixture
def ten(school: School) -> list[str]:
    """Ten alerts, newest first; two of them at the same millisecond."""
    now = timezone.now()
    ages = (0, 0, *range(2, 10))
    ids = raise_alerts(school, *(raised(school, at=now - timedelta(seconds=age)) for age in ages))
    return [str(one) for one in sorted(ids, key=lambda one: (one.int >> 80, one), reverse=True)]


def test_alert_list_is_empty_for_a_new_school(operator: Person) -> None:
    """The page is empty and has no links."""
    assert get(operator).json() == {"next": None, "previous": None, "results": []}


def test_alert_document_matches_the_contract(school: School, operator: Person) -> None:
    """In the list and by itself: with place, button and hops, and without events that have not happened."""
    before = timezone.now()
    event = raised(school, alert_type="lockdown", at=datetime.now(UTC))
    (alert,) = raise_alerts(school, event)
    answer = get(operator, f"{ALERTS}/{alert}")
    assert answer.status_code == HTTPStatus.OK and problems("alert", answer.content) == []
    document = answer.json()
    assert get(operator).json()["results"] == [document]
    assert document["alert_id"] == event["alert_id"] and document["organization_id"] == str(school.organization)
    assert (document["alert_type"], document["status"], document["source"]) == ("lockdown", "new", "button")
    assert document["device"]["device_id"] == school.device
    assert document["place"]["room"]["id"] == document["room_id"] == str(school.room)
    assert [document["place"][one]["id"] for one in ("site", "building", "floor")] == [
        str(one) for one in (school.site, school.building, school.floor)
    ]
    assert document["triggered_at"] == document["hops"]["pressed_at"] == event["at"]
    assert datetime.fromisoformat(document["received_at"]) >= before.replace(microsecond=0)
    assert document["approvals"] == {"given": 0, "required": 2, "by": []}
    assert [document[one] for one in ("acknowledged_by", "resolved_by", "close_reason", "resolved_at")] == [None] * 4


@pytest.mark.parametrize("change", [{"device": device_name()}, {"room": None}, {"live": False}, {"drill": True}])
def test_alert_document_is_valid_for_every_kind_of_alert(school: School, change: dict[str, Any]) -> None:
    """Unknown device, no room, late, drill."""
    admin = PersonFactory.create(role=Role.ADMIN, organization=school.organization)
    for silent in (False, True):
        if "drill" in change:
            arm(school)
        raise_alert(school, silent=silent, **change)
    for document in get(admin).json()["results"]:
        assert problems("alert", get(admin, f"{ALERTS}/{document['id']}").content) == []
        assert document["is_unattributed"] == ("device" in change) == (document["place"] is None)
        assert document["is_late"] == ("live" in change) and document["is_drill"] == ("drill" in change)


def test_alert_is_unattributed_for_a_device_of_another_gateway(school: School, operator: Person) -> None:
    """A gateway reports only devices of its own buildings; its report about another device still raises an alert."""
    send(school, raised(school, device=school.other_device))
    (document,) = get(operator).json()["results"]
    assert document["is_unattributed"] and document["place"] is None
    assert document["device"] == {"id": None, "device_id": school.other_device}


@pytest.mark.parametrize("limit", [1, 3, 9, 10, 100])
def test_alert_list_can_be_paged_in_both_directions(operator: Person, ten: list[str], limit: int) -> None:
    """Newest first; each alert once in either direction, with both ends marked."""
    answer = get(operator, limit=limit).json()
    assert answer["previous"] is None
    forth = [[alert["id"] for alert in answer["results"]]]
    while answer["next"]:
        answer = operator.client.get(answer["next"]).json()
        forth.append([alert["id"] for alert in answer["results"]])
    assert list(chain.from_iterable(forth)) == ten
    assert [len(page) for page in forth[:-1]] == [limit] * (len(forth) - 1)
    back = [[alert["id"] for alert in answer["results"]]]
    while answer["previous"]:
        answer = operator.client.get(answer["previous"]).json()
        back.insert(0, [alert["id"] for alert in answer["results"]])
    assert back == forth


def test_next_page_is_stable_when_a_new_alert_arrives(school: School, operator: Person, ten: list[str]) -> None:
    """A cursor is a point in time, so newer alerts do not shift the page."""
    first = get(operator, limit=4).json()
    newest = raise_alert(school, at=timezone.now() + timedelta(seconds=1))
    second = operator.client.get(first["next"]).json()
    assert [alert["id"] for alert in second["results"]] == ten[4:8]
    newer = operator.client.get(second["previous"]).json()
    assert [alert["id"] for alert in newer["results"]] == ten[0:4]
    assert [one["id"] for one in operator.client.get(newer["previous"]).json()["results"]] == [str(newest)]


def test_page_links_keep_the_query_parameters(school: School, operator: Person, ten: list[str]) -> None:
    """Status, limit and organization are kept."""
    answer = get(operator, limit=2, status="open", organization=str(school.organization)).json()
    assert answer["next"].startswith("http://testserver/api/v1/alerts?")
    for part in ("limit=2", "status=open", f"organization={school.organization}", "cursor="):
        assert part in answer["next"]


def test_alert_list_can_be_filtered_by_status(school: School, operator: Person) -> None:
    """`open` means new and acknowledged; without a status every alert is listed."""
    new, acknowledged, resolved, cancelled = (raise_alert(school) for _ in range(4))
    assert operator.client.put(f"{ALERTS}/{acknowledged}/acknowledge").status_code == HTTPStatus.OK
    close(operator, resolved)
    with tenant_scope([school.organization]):
        Alert.objects.filter(id=cancelled).update(status=AlertStatus.CANCELLED, resolved_at=timezone.now())
    expected = {
        "new": {new},
        "acknowledged": {acknowledged},
        "resolved": {resolved},
        "cancelled": {cancelled},
        "open": {new, acknowledged},
    }
    for status, alerts in expected.items():
        assert set(listed(operator, status=status)) == {str(alert) for alert in alerts}
    assert len(listed(operator)) == 4


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("limit", value) for value in ("0", "101", "-1", "ten", "", "1.5", "\u0661", "9" * 30)),
        *(("status", value) for value in ("", "OPEN", "closed", "new,resolved", "\x00")),
        ("cursor", "\x00"),
        *(("organization", value) for value in ("", "x", "\x00", "00000000")),
    ],
)
def test_invalid_query_parameter_is_named(operator: Person, field: str, value: str) -> None:
    """400 with the name of the field, never a 500 and never a different list."""
    problem = refused(get(operator, **{field: value}), HTTPStatus.BAD_REQUEST, "invalid")
    assert list(problem["errors"]) == [field]


@pytest.mark.parametrize("cursor", ["", "x", "=", "bm9uZQ", "\u00fc", "A" * 4000])
def test_malformed_cursor_is_refused(operator: Person, cursor: str) -> None:
    assert list(refused(get(operator, cursor=cursor), HTTPStatus.BAD_REQUEST, "bad_cursor")["errors"]) == ["cursor"]


def test_cursor_is_refused_for_another_list(operator: Person, ten: list[str]) -> None:
    """A cursor made for other filters, or by hand, is refused by field name."""
    cursor = parse_qs(urlsplit(get(operator, limit=4).json()["next"]).query)["cursor"][0]
    assert listed(operator, limit=4, cursor=cursor) == ten[4:8]
    for wrong in (cursor[:-1], f"x{cursor}"):
        assert list(refused(get(operator, cursor=wrong), HTTPStatus.BAD_REQUEST, "bad_cursor")["errors"]) == ["cursor"]
    refused(get(operator, status="open", cursor=cursor), HTTPStatus.BAD_REQUEST, "bad_cursor")


def test_organization_is_required_for_members_of_several() -> None:
    """`organization_required`; with an organization, each list by itself."""
    schools = [SchoolFactory.create(), SchoolFactory.create()]
    person = PersonFactory.create(role=Role.OPERATOR, organizations=(school.organization for school in schools))
    alerts = [str(raise_alert(school)) for school in schools]
    refused(get(person), HTTPStatus.BAD_REQUEST, "organization_required")
    for school, alert in zip(schools, alerts, strict=True):
        assert listed(person, organization=str(school.organization)) == [alert]
        assert get(person, f"{ALERTS}/{alert}").status_code == HTTPStatus.OK


def test_alerts_of_another_school_return_404(school: School, operator: Person) -> None:
    """404 for its alerts and its list, with the same text as for ids that never existed."""
    other = SchoolFactory.create()
    theirs = raise_alert(other)
    refused(get(operator, organization=str(other.organization)), HTTPStatus.NOT_FOUND, "not_found")
    refused(get(operator, organization=str(new_id())), HTTPStatus.NOT_FOUND, "not_found")
    seen = refused(get(operator, f"{ALERTS}/{theirs}"), HTTPStatus.NOT_FOUND, "alert_not_found")
    never = refused(get(operator, f"{ALERTS}/{new_id()}"), HTTPStatus.NOT_FOUND, "alert_not_found")
    assert seen == never == refused(get(operator, f"{ALERTS}/{uuid4()}"), HTTPStatus.NOT_FOUND, "alert_not_found")
    assert listed(operator) == []


def test_callers_without_membership_cannot_read_alerts(school: School) -> None:
    """Anonymous callers, gateways and people without a membership are refused."""
    alert = raise_alert(school)
    gateway = Person(User(id=school.gateway), token=school.gateway_token)
    nowhere = PersonFactory.create(role=Role.ADMIN)
    for path in (ALERTS, f"{ALERTS}/{alert}"):
        refused(Client().get(path), HTTPStatus.UNAUTHORIZED, "not_authenticated")
        refused(get(gateway, path), HTTPStatus.FORBIDDEN, "forbidden")
        assert get(nowhere, path).status_code == HTTPStatus.NOT_FOUND


def test_silent_alerts_are_hidden_from_operators(school: School, operator: Person) -> None:
    """Hidden in the list, by id and in the page count; admins can read them."""
    admin = PersonFactory.create(role=Role.ADMIN, organization=school.organization)
    silent = str(raise_alert(school, silent=True))
    loud = str(raise_alert(school, at=timezone.now() - timedelta(seconds=5)))
    assert listed(admin) == [silent, loud]
    assert listed(operator) == [loud]
    assert get(operator, limit=1).json()["next"] is None
    refused(get(operator, f"{ALERTS}/{silent}"), HTTPStatus.NOT_FOUND, "alert_not_found")
    assert get(admin, f"{ALERTS}/{silent}").json()["is_silent"] is True


def test_viewer_can_read_closed_alerts_without_names(school: School, operator: Person) -> None:
    """No live alert, no silent one, no names. An empty list of open alerts would wrongly suggest that all is quiet."""
    admin, viewer = (
        PersonFactory.create(role=role, organization=school.organization) for role in (Role.ADMIN, Role.VIEWER)
    )
    closed, live = raise_alert(school), raise_alert(school)
    silent = raise_alert(school, silent=True)
    assert operator.client.put(f"{ALERTS}/{closed}/acknowledge").status_code == HTTPStatus.OK
    close(operator, closed)
    close(admin, silent)
    assert listed(viewer) == [str(closed)]
    assert listed(viewer, status="resolved") == [str(closed)]
    refused(get(viewer, status="open"), HTTPStatus.FORBIDDEN, "forbidden")
    for hidden in (live, silent):
        refused(get(viewer, f"{ALERTS}/{hidden}"), HTTPStatus.NOT_FOUND, "alert_not_found")
    answer = get(viewer, f"{ALERTS}/{closed}")
    assert problems("alert", answer.content) == []
    document = answer.json()
    assert document["acknowledged_by"] is document["resolved_by"] is None and document["approvals"]["by"] == []
    assert document["approvals"]["given"] == 1 and document["acknowledged_at"]
    assert operator.name not in answer.content.decode() and str(operator.id) not in answer.content.decode()


def test_alert_list_query_count_does_not_depend_on_its_length(school: School, operator: Person) -> None:
    """Queries for the caller, the scope and the page: none for each alert."""
    counted = []
    for alerts in (1, 40):
        raise_alerts(school, *(raised(school) for _ in range(alerts)))
        with CaptureQueriesContext(connections["default"]) as queries:
            assert len(listed(operator, limit=100)) >= alerts
        counted.append(len(queries))
    assert counted[0] == counted[1] <= 6


def test_alert_lookup_reads_one_partition(school: School, operator: Person) -> None:
    """The id contains the time of the trigger, so a lookup reads one partition instead of all."""
    alert = raise_alert(school)
    with CaptureQueriesContext(connections["default"]) as queries:
        assert get(operator, f"{ALERTS}/{alert}").status_code == HTTPStatus.OK
    (read,) = [one["sql"] for one in queries.captured_queries if "FROM alert_history" in one["sql"]]
    with tenant_scope([school.organization]), connections["default"].cursor() as cursor:
        cursor.execute(f"EXPLAIN {read}".replace("%", "%%"))
        plan = "\n".join(str(line) for (line,) in cursor.fetchall())
    assert plan.count(" on alert_history") == 1, plan


def test_openapi_document_includes_the_alert_endpoints(school: School) -> None:
    """Public, and complete: every path with its refusals and parameters."""
    answer = Client().get("/api/v1/openapi.json")
    assert answer.status_code == HTTPStatus.OK
    document = answer.json()
    assert document["openapi"].startswith("3.1")
    for path, methods in PATHS.items():
        assert methods <= set(document["paths"][path]), path
    parameters = document["paths"]["/api/v1/alerts"]["get"]["parameters"]
    assert {one["name"] for one in parameters} == {"organization", "status", "limit", "cursor"}
    resolve = document["paths"]["/api/v1/alerts/{alert_uuid}/resolve"]["put"]["responses"]
    assert set(resolve) >= {"200", "202", "409"} and "application/problem+json" in resolve["409"]["content"]


def test_openapi_alert_schema_matches_the_response(school: School, operator: Person) -> None:
    """An alert has the same members in the document, the response and the contract's schema."""
    alert = raise_alert(school)
    described = Client().get("/api/v1/openapi.json").json()["components"]["schemas"]["Alert"]["properties"]
    assert set(described) == set(get(operator, f"{ALERTS}/{alert}").json())
