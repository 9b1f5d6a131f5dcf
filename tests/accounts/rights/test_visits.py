"""Visits of platform operators have a reason and an end; the school can see these and all actions."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.models import Role, User, Visit
from apps.accounts.rights.grants import person_principal
from apps.accounts.rights.visits import LONGEST
from apps.common.db.ids import new_id
from apps.common.db.scope import tenant_scope
from apps.common.models import AuditEntry
from apps.common.times import rfc3339
from apps.tenancy.models import Organization, OrganizationStatus
from tests.accounts.callers import audited
from tests.kit.callers import send
from tests.kit.feed import published_ids
from tests.kit.people import Person, PersonFactory
from tests.kit.refusals import problem
from tests.kit.school import School, SchoolFactory

pytestmark = pytest.mark.slow

WHY = "Asked by the principal to look at the gateway."


@pytest.fixture
def school() -> School:
    return SchoolFactory.create()


@pytest.fixture
def admin(school: School) -> Client:
    return PersonFactory.create(role=Role.ADMIN, organization=school.organization).client


@pytest.fixture
def operator() -> Person:
    return PersonFactory.create(is_super_admin=True)


@pytest.fixture
def path(school: School) -> str:
    return f"organizations/{school.organization}/visits"


def test_operator_has_access_to_a_school_only_during_a_visit(school: School, operator: Person, path: str) -> None:
    users = f"users?organization={school.organization}"
    assert problem(send(operator.client, "GET", users)) == (404, "not_found")
    visit = send(operator.client, "POST", path, {"reason": WHY}).json()
    assert send(operator.client, "GET", users).status_code == 200
    assert send(operator.client, "POST", f"{path}/{visit['id']}/end").json()["ended_by"] == str(operator.id)
    assert problem(send(operator.client, "GET", users)) == (404, "not_found")


def test_visit_is_visible_to_the_school(school: School, admin: Client, operator: Person, path: str) -> None:
    created = send(operator.client, "POST", path, {"reason": WHY}).json()
    (seen,) = send(admin, "GET", path).json()["results"]
    assert seen == created
    assert (seen["visitor"], seen["visitor_name"], seen["reason"]) == (str(operator.id), operator.name, WHY)
    assert published_ids(school.organization, "visits") == [created["id"]]
    assert audited(created["id"], "visit.") == [("visit.started", "person")]


def test_actions_during_a_visit_are_audited_in_the_school(school: School, operator: Person, path: str) -> None:
    send(operator.client, "POST", path, {"reason": WHY})
    person = PersonFactory.create(role=Role.VIEWER, organization=school.organization)
    where = f"users/{person.id}/organizations/{school.organization}"
    assert send(operator.client, "PATCH", where, {"role": "operator"}).status_code == 200
    with tenant_scope([school.organization]):
        entry = AuditEntry.objects.get(action="membership.changed", target_id=person.id)
    assert (entry.actor_id, entry.organization_id) == (operator.id, school.organization)


def test_visit_ends_at_its_expiry(school: School, operator: Person, path: str) -> None:
    now = timezone.now()
    send(operator.client, "POST", path, {"reason": WHY, "ends_at": rfc3339(now + timedelta(hours=2))})
    for hours, is_open in ((0, True), (1.9, True), (2, False)):
        principal = person_principal(operator.id, now=now + timedelta(hours=hours, seconds=1))
        assert principal is not None and bool(principal.grants) is is_open


def test_admin_of_the_school_can_end_a_visit(school: School, admin: Client, operator: Person, path: str) -> None:
    visit = send(operator.client, "POST", path, {"reason": WHY}).json()
    assert send(admin, "POST", f"{path}/{visit['id']}/end").status_code == 200
    answer = send(operator.client, "GET", f"users?organization={school.organization}")
    assert problem(answer) == (404, "not_found")
    assert problem(send(admin, "POST", f"{path}/{visit['id']}/end")) == (409, "visit_over")
    assert [action for action, _ in audited(visit["id"], "visit.")] == ["visit.started", "visit.ended"]


@pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": "  "}, {"reason": "x" * 501}, {"reason": 7}])
def test_visit_without_a_reason_is_refused(operator: Person, path: str, body: object) -> None:
    answer = send(operator.client, "POST", path, body)
    assert problem(answer) == (400, "invalid") and list(answer.json()["errors"]) == ["reason"]


@pytest.mark.parametrize("term", [timedelta(), timedelta(hours=-1), LONGEST + timedelta(minutes=1)])
def test_visit_must_end_within_a_working_day(school: School, operator: Person, path: str, term: timedelta) -> None:
    answer = send(operator.client, "POST", path, {"reason": WHY, "ends_at": rfc3339(timezone.now() + term)})
    assert problem(answer) == (400, "invalid") and list(answer.json()["errors"]) == ["ends_at"]
    with tenant_scope([school.organization]):
        assert not Visit.objects.exists()


def test_admin_cannot_start_a_visit(school: School, admin: Client, path: str) -> None:
    assert problem(send(admin, "POST", path, {"reason": WHY})) == (403, "forbidden")
    elsewhere = f"organizations/{SchoolFactory.create().organization}/visits"
    assert problem(send(admin, "POST", elsewhere, {"reason": WHY})) == (404, "not_found")


def test_visit_of_deleted_or_unknown_school_is_not_found(school: School, operator: Person, path: str) -> None:
    with tenant_scope([school.organization]):
        Organization.objects.update(status=OrganizationStatus.DELETED)
    assert problem(send(operator.client, "POST", path, {"reason": WHY})) == (404, "not_found")
    nowhere = f"organizations/{new_id()}/visits"
    assert problem(send(operator.client, "POST", nowhere, {"reason": WHY})) == (404, "not_found")


def test_visit_of_another_school_is_not_found(admin: Client, operator: Person, path: str) -> None:
    other = SchoolFactory.create()
    elsewhere = f"organizations/{other.organization}/visits"
    id_ = send(operator.client, "POST", elsewhere, {"reason": WHY}).json()["id"]
    for base in (path, elsewhere):
        assert problem(send(admin, "POST", f"{base}/{id_}/end")) == (404, "not_found")
    assert problem(send(admin, "GET", elsewhere)) == (404, "not_found")
    with tenant_scope([other.organization]):
        assert Visit.objects.get().ended_at is None


def test_operator_can_change_a_school_only_during_a_visit(school: School, operator: Person, path: str) -> None:
    """Including its name and address, which are not part of its people and places."""
    organization = f"organizations/{school.organization}"
    changes = [
        ("PATCH", organization, {"name": "Other"}),
        ("PUT", organization, {"name": "Other", "slug": f"other-{school.organization}"}),
        ("PATCH", f"{organization}/settings", {"locale": "en-GB"}),
        ("PUT", f"{organization}/identity-domains/{school.organization.hex}.example", None),
    ]
    for method, where, body in changes:
        assert problem(send(operator.client, method, where, body)) == (404, "not_found")
    send(operator.client, "POST", path, {"reason": WHY})
    for method, where, body in changes:
        assert send(operator.client, method, where, body).status_code == 200


def test_operator_cannot_create_a_service_token_during_a_visit(school: School, operator: Person, path: str) -> None:
    """A service token would outlive the visit."""
    send(operator.client, "POST", path, {"reason": WHY})
    body = {
        "name": "Bells",
        "scopes": ["places:read"],
        "expires_at": rfc3339(timezone.now() + timedelta(days=30)),
    }
    answer = send(operator.client, "POST", f"organizations/{school.organization}/service-tokens", body)
    assert problem(answer) == (403, "forbidden")


def test_visit_ends_when_the_operator_is_no_longer_super_admin(school: School, operator: Person, path: str) -> None:
    send(operator.client, "POST", path, {"reason": WHY})
    User.objects.filter(pk=operator.id).update(is_super_admin=False)
    answer = send(operator.client, "GET", f"users?organization={school.organization}")
    assert problem(answer) == (404, "not_found")
