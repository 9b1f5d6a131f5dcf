"""The lifecycle of alerts: the transition table itself, and the REST endpoints with concurrent callers."""

import itertools
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any, ClassVar
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from apps.accounts.models import Role
from apps.alerts import lifecycle
from apps.alerts.lifecycle import Act, IllegalTransition, Outcome
from apps.alerts.models import Alert, AlertEvent, AlertStatus
from apps.common import feed
from apps.common.db.scope import tenant_scope
from apps.common.models import AuditEntry
from contracts import alert_types
from contracts.validation import problems
from tests.kit.concurrency import at_once
from tests.kit.people import Person, PersonFactory
from tests.kit.presses import raise_alert
from tests.kit.school import School, SchoolFactory

NEW, ACKNOWLEDGED, RESOLVED, CANCELLED = (
    AlertStatus.NEW,
    AlertStatus.ACKNOWLEDGED,
    AlertStatus.RESOLVED,
    AlertStatus.CANCELLED,
)

LEADS_TO = {
    (NEW, Act.ACKNOWLEDGE): Outcome(ACKNOWLEDGED, changed=True),
    (NEW, Act.RESOLVE): Outcome(RESOLVED, changed=True),
    (ACKNOWLEDGED, Act.ACKNOWLEDGE): Outcome(ACKNOWLEDGED, changed=False),
    (ACKNOWLEDGED, Act.RESOLVE): Outcome(RESOLVED, changed=True),
    (RESOLVED, Act.ACKNOWLEDGE): None,
    (RESOLVED, Act.RESOLVE): Outcome(RESOLVED, changed=False),
    (CANCELLED, Act.ACKNOWLEDGE): None,
    (CANCELLED, Act.RESOLVE): None,
}
"""The next status for every status and act; None means refused."""

ANN, BOB, EVE = uuid4(), uuid4(), uuid4()


@pytest.mark.parametrize(("status", "act"), itertools.product(AlertStatus, Act))
def test_transitions_for_every_status_and_act(status: AlertStatus, act: Act) -> None:
    """Only the listed transitions are allowed; a repeat changes nothing."""
    expected = LEADS_TO[status, act]
    if expected is None:
        with pytest.raises(IllegalTransition, match=str(status)):
            lifecycle.follow(status, act)
    else:
        assert lifecycle.follow(status, act) == expected


@pytest.mark.parametrize("status", [NEW, ACKNOWLEDGED])
@pytest.mark.parametrize(
    ("approvals", "person", "ends", "counted"),
    [
        ([], ANN, False, True),
        ([ANN], ANN, False, False),
        ([ANN], BOB, True, True),
        ([ANN, BOB], EVE, True, True),
        ([], None, False, False),
        ([ANN], None, False, False),
        ([ANN, ANN], ANN, False, False),
    ],
)
def test_alert_that_needs_two_approvals_ends_by_two_different_people(
    status: AlertStatus, approvals: list[UUID], person: UUID | None, ends: bool, counted: bool
) -> None:
    """The same person twice counts once; a key switch counts as no person."""
    found = lifecycle.approve(status, approvals=approvals, required=2, person=person)
    assert found == Outcome(RESOLVED if ends else status, changed=counted, awaiting_second_person=not ends)


@pytest.mark.parametrize("person", [ANN, None])
def test_alert_that_needs_one_approval_ends_by_one_person_or_key(person: UUID | None) -> None:
    """No second person is needed."""
    assert lifecycle.approve(NEW, approvals=[], required=1, person=person) == Outcome(RESOLVED, changed=True)


def test_ended_alert_cannot_be_approved_again() -> None:
    """Not by another person either."""
    assert lifecycle.approve(RESOLVED, approvals=[ANN, BOB], required=2, person=EVE) == Outcome(RESOLVED, changed=False)
    with pytest.raises(IllegalTransition):
        lifecycle.approve(CANCELLED, approvals=[], required=2, person=ANN)


def put(person: Person, alert: UUID, act: str, body: object = None) -> Any:
    return person.client.put(f"/api/v1/alerts/{alert}/{act}", data=body or {}, content_type="application/json")


def timeline(school: School, alert: UUID) -> list[str]:
    """Return the steps of an alert, in order."""
    with tenant_scope([school.organization]):
        return list(AlertEvent.objects.filter(alert=alert).order_by("created_at").values_list("kind", flat=True))


def audited(school: School, alert: UUID) -> list[str]:
    with tenant_scope([school.organization]):
        return list(AuditEntry.objects.filter(target_id=alert).order_by("at").values_list("action", flat=True))


def feed_length(school: School) -> int:
    with tenant_scope([school.organization]):
        return len(feed.since(school.organization, 0, limit=1000))


@pytest.mark.parametrize("kind", [entry.type for entry in alert_types()])
def test_alert_type_requires_the_approvals_of_the_contract(school: School, kind: str) -> None:
    """Two for a lockdown, one for the others."""
    two = {entry.type: entry.two_person for entry in alert_types()}[kind]
    alert = raise_alert(school, alert_type=kind)
    first, second = (PersonFactory.create(role=Role.OPERATOR, organization=school.organization) for _ in range(2))
    answer = put(first, alert, "resolve")
    assert answer.status_code == (HTTPStatus.ACCEPTED if two else HTTPStatus.OK)
    document = answer.json()["alert"] if two else answer.json()
    assert document["status"] == ("new" if two else "resolved")
    assert put(second, alert, "resolve").json()["status"] == "resolved"


def test_timeline_of_a_lockdown(school: School) -> None:
    """202 for the first of two people, however often they ask, 200 for the second, and each step recorded once."""
    first, second = (PersonFactory.create(role=Role.OPERATOR, organization=school.organization) for _ in range(2))
    alert = raise_alert(school, alert_type="lockdown")
    answers = [
        put(first, alert, "acknowledge"),
        put(first, alert, "acknowledge"),
        put(first, alert, "resolve", {"reason": "mistake"}),
        put(first, alert, "resolve", {"reason": "mistake"}),
        put(second, alert, "resolve"),
        put(second, alert, "resolve"),
        put(first, alert, "resolve"),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 202, 202, 200, 200, 200]
    taken, again, waiting, waiting_still, *ended = (answer.json() for answer in answers)
    assert taken == again and taken["acknowledged_by"] == {"id": str(first.id), "name": first.name}
    assert waiting == waiting_still and waiting["code"] == "awaiting_second_person"
    assert waiting["alert"]["approvals"] == {
        "given": 1,
        "required": 2,
        "by": [{"id": str(first.id), "name": first.name}],
    }
    assert ended[0] == ended[1] == ended[2]
    assert ended[0]["resolved_by"]["id"] == str(second.id) and ended[0]["close_reason"] == "mistake"
    assert [one["id"] for one in ended[0]["approvals"]["by"]] == [str(first.id), str(second.id)]
    assert timeline(school, alert) == ["alert.raised", "alert.acknowledged", "alert.resolve_approved", "alert.resolved"]
    assert audited(school, alert) == ["alert.acknowledge", "alert.approve_resolve", "alert.resolve"]
    assert feed_length(school) == 4


def test_reason_can_be_added_later_but_not_changed(school: School) -> None:
    """Closing is never delayed by asking for a reason; the first reason given is kept."""
    person = PersonFactory.create(role=Role.OPERATOR, organization=school.organization)
    alert = raise_alert(school)
    answers = [put(person, alert, "resolve", body).json() for body in (None, {"reason": "fault"}, {"reason": "real"})]
    assert [answer["close_reason"] for answer in answers] == [None, "fault", "fault"]
    assert timeline(school, alert) == ["alert.raised", "alert.resolved", "alert.reason_given"]
    assert audited(school, alert) == ["alert.resolve", "alert.give_reason"]


def test_invalid_transition_returns_409_with_the_current_alert(school: School) -> None:
    """409 with a stable code and the current document, so that a screen can display it; nothing is written."""
    person = PersonFactory.create(role=Role.OPERATOR, organization=school.organization)
    alert = raise_alert(school)
    resolved = put(person, alert, "resolve").json()
    answer = put(person, alert, "acknowledge")
    assert answer.status_code == HTTPStatus.CONFLICT and answer["Content-Type"] == "application/problem+json"
    assert problems("problem", answer.content) == []
    assert answer.json()["code"] == "illegal_transition" and answer.json()["current"] == resolved
    assert timeline(school, alert) == ["alert.raised", "alert.resolved"]


def test_cancelled_alert_cannot_change(school: School) -> None:
    """Both acts are refused."""
    person = PersonFactory.create(role=Role.OPERATOR, organization=school.organization)
    alert = raise_alert(school)
    with tenant_scope([school.organization]):
        row = Alert.objects.get(id=alert)
        Alert.objects.filter(id=alert).update(status=CANCELLED, resolved_at=row.triggered_at)
    for act in ("acknowledge", "resolve"):
        answer = put(person, alert, act)
        assert answer.status_code == HTTPStatus.CONFLICT
        assert answer.json()["current"]["status"] == "cancelled"


@pytest.mark.parametrize(
    ("body", "field"),
    [({"reason": "bored"}, "reason"), ({"why": "real"}, "why"), ([], "non_field_errors")],
)
def test_invalid_body_names_the_field(school: School, body: object, field: str) -> None:
    """400, and the alert is unchanged."""
    person = PersonFactory.create(role=Role.OPERATOR, organization=school.organization)
    alert = raise_alert(school)
    answer = person.client.put(f"/api/v1/alerts/{alert}/resolve", data=body, content_type="application/json")
    assert answer.status_code == HTTPStatus.BAD_REQUEST and answer["Content-Type"] == "application/problem+json"
    assert field in answer.json()["errors"]
    assert timeline(school, alert) == ["alert.raised"]


def test_alert_acts_require_the_operator_role(school: School) -> None:
    """Operators and above may act; a viewer may not, and a stranger does not learn that the alert exists."""
    alert = raise_alert(school)
    stranger = PersonFactory.create(role=Role.ADMIN, organization=SchoolFactory.create().organization)
    viewer = PersonFactory.create(role=Role.VIEWER, organization=school.organization)
    for act in ("acknowledge", "resolve"):
        assert put(viewer, alert, act).status_code == HTTPStatus.FORBIDDEN
        assert put(stranger, alert, act).json()["code"] == "alert_not_found"
        assert put(stranger, alert, act).status_code == HTTPStatus.NOT_FOUND
        assert put(stranger, uuid4(), act).json() == put(stranger, alert, act).json()
    for role in (Role.OPERATOR, Role.MANAGER, Role.ADMIN):
        assert (
            put(PersonFactory.create(role=role, organization=school.organization), alert, "acknowledge").status_code
            == HTTPStatus.OK
        )


def test_silent_alert_returns_404_outside_the_response_team(school: School) -> None:
    """An operator can neither act on it nor learn of it; an admin can."""
    alert = raise_alert(school, silent=True)
    operator, admin = (
        PersonFactory.create(role=role, organization=school.organization) for role in (Role.OPERATOR, Role.ADMIN)
    )
    assert put(operator, alert, "acknowledge").status_code == HTTPStatus.NOT_FOUND
    assert put(admin, alert, "acknowledge").status_code == HTTPStatus.OK


@pytest.mark.slow
def test_concurrent_acknowledge_and_resolve_end_resolved() -> None:
    """In either order the alert ends resolved, each change is in the timeline once, and no caller gets an error."""
    school = SchoolFactory.create()
    people = [PersonFactory.create(role=Role.OPERATOR, organization=school.organization) for _ in range(4)]
    for _ in range(8):
        alert = raise_alert(school)
        calls: list[Callable[[], Any]] = [
            partial(put, person, alert, act)
            for person, act in zip(people, ("acknowledge", "resolve", "acknowledge", "resolve"), strict=True)
        ]
        answers = at_once(calls)
        codes = [answer.status_code for answer in answers]
        assert codes[1] == codes[3] == HTTPStatus.OK
        assert {codes[0], codes[2]} <= {HTTPStatus.OK, HTTPStatus.CONFLICT}
        assert answers[1].json()["resolved_by"] == answers[3].json()["resolved_by"]
        steps = timeline(school, alert)
        assert steps in (
            ["alert.raised", "alert.resolved"],
            ["alert.raised", "alert.acknowledged", "alert.resolved"],
        )
        assert ("alert.acknowledged" in steps) == (HTTPStatus.OK in {codes[0], codes[2]})
        assert people[0].client.get(f"/api/v1/alerts/{alert}").json()["status"] == "resolved"


@pytest.mark.slow
def test_two_concurrent_approvals_end_a_lockdown() -> None:
    """One counts as first and the other as second: never both first, and no approval is lost."""
    school = SchoolFactory.create()
    people = [PersonFactory.create(role=Role.OPERATOR, organization=school.organization) for _ in range(2)]
    for _ in range(8):
        alert = raise_alert(school, alert_type="lockdown")
        answers = at_once([partial(put, person, alert, "resolve") for person in people])
        assert sorted(answer.status_code for answer in answers) == [HTTPStatus.OK, HTTPStatus.ACCEPTED]
        assert timeline(school, alert) == ["alert.raised", "alert.resolve_approved", "alert.resolved"]


class AlertLife(RuleBasedStateMachine):
    """Three people act on one alert in any order, compared with a model of the requirement."""

    school: ClassVar[School]
    people: ClassVar[list[Person]]

    @initialize(kind=st.sampled_from(["lockdown", "medical"]))
    def raise_alert_of_kind(self, kind: str) -> None:
        self.alert = raise_alert(self.school, alert_type=kind)
        self.required = 2 if kind == "lockdown" else 1
        self.status = "new"
        self.approved: list[UUID] = []
        self.reason: str | None = None
        self.changes = 1
        self.feed_before = feed_length(self.school)

    @rule(who=st.integers(0, 2))
    def acknowledge(self, who: int) -> None:
        answer = put(self.people[who], self.alert, "acknowledge")
        if self.status == "resolved":
            assert answer.status_code == HTTPStatus.CONFLICT
            assert answer.json()["code"] == "illegal_transition"
            self.check(answer.json()["current"])
            return
        if self.status == "new":
            self.status = "acknowledged"
            self.changes += 1
        assert answer.status_code == HTTPStatus.OK
        self.check(answer.json())

    @rule(who=st.integers(0, 2), reason=st.sampled_from([None, "real", "mistake"]))
    def resolve(self, who: int, reason: str | None) -> None:
        person = self.people[who]
        answer = put(person, self.alert, "resolve", {"reason": reason})
        if self.status == "resolved":
            self.changes += self.reason is None and reason is not None
            self.reason = self.reason or reason
        elif person.id not in self.approved:
            self.approved.append(person.id)
            self.changes += 1
            self.reason = reason or self.reason
            if len(self.approved) == self.required:
                self.status = "resolved"
        if self.status == "resolved":
            assert answer.status_code == HTTPStatus.OK
            self.check(answer.json())
        else:
            assert answer.status_code == HTTPStatus.ACCEPTED
            assert answer.json()["code"] == "awaiting_second_person"
            self.check(answer.json()["alert"])

    def check(self, document: Any) -> None:
        assert (document["status"], document["close_reason"]) == (self.status, self.reason)
        assert document["approvals"]["required"] == self.required
        assert [one["id"] for one in document["approvals"]["by"]] == [str(person) for person in self.approved]
        assert (document["resolved_at"] is not None) == (self.status == "resolved")

    @invariant()
    def document_matches_the_last_response(self) -> None:
        answer = self.people[0].client.get(f"/api/v1/alerts/{self.alert}")
        assert problems("alert", answer.content) == []
        self.check(answer.json())

    @invariant()
    def each_change_adds_one_step_and_one_feed_event(self) -> None:
        assert len(timeline(self.school, self.alert)) == self.changes
        assert feed_length(self.school) - self.feed_before == self.changes - 1


@pytest.mark.slow
def test_alert_rules_hold_for_any_order_of_acts() -> None:
    """Never un-resolved, two different people for a lockdown, and repeats return the first response."""
    AlertLife.school = SchoolFactory.create()
    AlertLife.people = [
        PersonFactory.create(role=Role.OPERATOR, organization=AlertLife.school.organization) for _ in range(3)
    ]
    run_state_machine_as_test(
        AlertLife,
        settings=settings(
            max_examples=12, stateful_step_count=8, deadline=None, suppress_health_check=[HealthCheck.too_slow]
        ),
    )
