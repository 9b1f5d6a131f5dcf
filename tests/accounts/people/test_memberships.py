"""Roles and their places, granted and removed through the API; an organization keeps its last administrator."""

import pytest
from django.test import Client

from apps.accounts.models import BuildingGrant, Membership, MembershipScope, Role, User, UserStatus
from apps.accounts.rights.grants import person_principal
from apps.common.db.ids import new_id
from apps.common.db.scope import tenant_scope
from tests.accounts.callers import audited
from tests.kit.callers import send
from tests.kit.concurrency import at_once
from tests.kit.feed import published_ids
from tests.kit.people import Person, PersonFactory
from tests.kit.refusals import problem
from tests.kit.school import School, SchoolFactory

pytestmark = pytest.mark.slow


@pytest.fixture
def school() -> School:
    return SchoolFactory.create()


def change(client: Client, person: Person, school: School, body: object) -> tuple[int, str]:
    answer = send(client, "PATCH", f"users/{person.id}/organizations/{school.organization}", body)
    return (answer.status_code, "") if answer.status_code < 400 else problem(answer)


def roles(school: School) -> dict[object, str]:
    with tenant_scope([school.organization]):
        return dict(Membership.objects.values_list("user_id", "role"))


def test_admin_of_two_schools_can_add_a_person_of_one_to_the_other(school: School) -> None:
    other = SchoolFactory.create()
    both = PersonFactory.create(role=Role.ADMIN, organizations=[school.organization, other.organization])
    person = PersonFactory.create(role=Role.MANAGER, organization=school.organization)
    body = {
        "organization": str(other.organization),
        "role": "operator",
        "scope": "places",
        "places": {"buildings": [str(other.building)]},
    }
    answer = send(both.client, "POST", f"users/{person.id}/organizations", body)
    assert answer.status_code == 201, answer.content
    assert answer.json()["places"] == {"sites": [], "buildings": [str(other.building)]}
    principal = person_principal(person.id)
    assert principal is not None
    assert principal.grants[other.organization].buildings("alerts", "update") == frozenset({other.building})
    assert roles(school)[person.id] == "manager"
    assert audited(person.id, "membership.") == [("membership.added", "system"), ("membership.added", "person")]
    assert published_ids(other.organization, "people") == [str(person.id)]
    again = send(both.client, "POST", f"users/{person.id}/organizations", body)
    assert problem(again) == (409, "already_member")


def test_person_not_visible_to_the_caller_cannot_be_added(school: School, admin: Person) -> None:
    """People of another school join by invitation; the response does not reveal that they exist."""
    stranger = PersonFactory.create(role=Role.OPERATOR, organization=SchoolFactory.create().organization)
    for one in (stranger.id, new_id()):
        body = {"organization": str(school.organization), "role": "operator"}
        assert problem(send(admin.client, "POST", f"users/{one}/organizations", body)) == (404, "not_found")
    assert stranger.id not in roles(school)


def test_person_cannot_be_added_to_another_school(school: School, admin: Person) -> None:
    other = SchoolFactory.create()
    person = PersonFactory.create(role=Role.OPERATOR, organization=school.organization)
    body = {"organization": str(other.organization), "role": "admin"}
    assert problem(send(admin.client, "POST", f"users/{person.id}/organizations", body)) == (404, "not_found")
    assert person.id not in roles(other)


def test_role_change_applies_from_the_next_request(school: School, admin: Person) -> None:
    person = PersonFactory.create(role=Role.ADMIN, organization=school.organization)
    assert send(person.client, "GET", "users").status_code == 200
    assert change(admin.client, person, school, {"role": "viewer"}) == (200, "")
    assert problem(send(person.client, "GET", "users")) == (403, "forbidden")
    assert audited(person.id, "membership.changed") == [("membership.changed", "person")]
    assert published_ids(school.organization, "people") == [str(person.id)]


def test_role_and_places_can_be_changed_together_or_separately(school: School, admin: Person) -> None:
    """Omitted fields are kept; places are removed when the role applies everywhere."""
    person = PersonFactory.create(role=Role.OPERATOR, organization=school.organization)

    def held() -> tuple[str, str, object]:
        answer = send(admin.client, "GET", f"users/{person.id}").json()
        return answer["role"], answer["scope"], answer["places"]

    here = {"sites": [], "buildings": [str(school.building)]}
    change(admin.client, person, school, {"scope": "places", "places": {"buildings": [str(school.building)]}})
    assert held() == ("operator", "places", here)
    change(admin.client, person, school, {"role": "manager"})
    assert held() == ("manager", "places", here)
    with tenant_scope([school.organization]):
        granted = BuildingGrant.objects.filter(user_id=person.id).values_list("permission__codename", flat=True)
        assert list(granted) == ["as_manager"]
    change(admin.client, person, school, {"places": {"sites": [str(school.site)]}})
    assert held() == ("manager", "places", {"sites": [str(school.site)], "buildings": []})
    change(admin.client, person, school, {"scope": "organization"})
    assert held() == ("manager", "organization", {"sites": [], "buildings": []})


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"role": "super_admin"}, "role"),
        ({"role": "owner"}, "role"),
        ({"scope": "everywhere"}, "scope"),
        ({"places": {"buildings": ["x"]}}, "places"),
        ({"places": {"rooms": []}}, "places"),
        ({"until": "tomorrow"}, "until"),
        ({"scope": "organization", "places": {"sites": ["01a2136a-d67f-7379-88b2-19ad281af914"]}}, "sites"),
    ],
)
def test_invalid_membership_change_is_refused_as_a_whole(
    school: School, admin: Person, body: dict[str, object], field: str
) -> None:
    person = PersonFactory.create(role=Role.OPERATOR, organization=school.organization)
    path = f"users/{person.id}/organizations/{school.organization}"
    answer = send(admin.client, "PATCH", path, {"role": "manager"} | body)
    assert problem(answer) == (400, "invalid") and list(answer.json()["errors"]) == [field]
    assert roles(school)[person.id] == "operator" and audited(person.id, "membership.changed") == []


def test_membership_at_a_place_of_another_school_is_refused(school: School, admin: Person) -> None:
    person, other = PersonFactory.create(role=Role.OPERATOR, organization=school.organization), SchoolFactory.create()
    body = {"role": "manager", "scope": "places", "places": {"buildings": [str(school.building), str(other.building)]}}
    answer = send(admin.client, "PATCH", f"users/{person.id}/organizations/{school.organization}", body)
    assert problem(answer) == (400, "invalid") and list(answer.json()["errors"]) == ["buildings"]
    assert roles(school)[person.id] == "operator"


def test_last_admin_cannot_be_removed_demoted_or_narrowed(school: School, admin: Person) -> None:
    """Not even by themselves; suspended admins and admins of some places only do not count."""
    suspended = PersonFactory.create(role=Role.ADMIN, organization=school.organization)
    User.objects.filter(pk=suspended.id).update(status=UserStatus.SUSPENDED)
    narrowed = PersonFactory.create(role=Role.ADMIN, organization=school.organization)
    with tenant_scope([school.organization]):
        Membership.objects.filter(user_id=narrowed.id).update(scope=MembershipScope.PLACES)
    refused = (409, "last_admin")
    assert change(admin.client, admin, school, {"role": "manager"}) == refused
    narrow = {"scope": "places", "places": {"sites": [str(school.site)]}}
    assert change(admin.client, admin, school, narrow) == refused
    for path in (f"users/{admin.id}", f"users/{admin.id}/organizations/{school.organization}"):
        answer = send(admin.client, "DELETE", path)
        assert problem(answer) == refused
        assert answer.json()["organizations"] == [str(school.organization)]
    assert roles(school)[admin.id] == "admin"
    second = PersonFactory.create(role=Role.ADMIN, organization=school.organization)
    assert change(second.client, admin, school, {"role": "manager"}) == (200, "")


@pytest.mark.parametrize("way", ["demoting", "removing"])
def test_two_admins_who_remove_each_other_concurrently_leave_one(school: School, way: str) -> None:
    """On separate connections, several times: one admin always remains and no request fails."""
    for _ in range(5):
        one, two = (PersonFactory.create(role=Role.ADMIN, organization=school.organization) for _ in range(2))
        with tenant_scope([school.organization]):
            Membership.objects.exclude(user_id__in=[one.id, two.id]).delete()

        def act(actor: Person, on: Person) -> int:
            if way == "demoting":
                return change(actor.client, on, school, {"role": "viewer"})[0]
            return int(send(actor.client, "DELETE", f"users/{on.id}").status_code)

        answers = at_once([lambda one=one, two=two: act(one, two), lambda one=one, two=two: act(two, one)])  # type: ignore[misc]
        assert list(roles(school).values()).count("admin") == 1, answers
        assert sorted(answers)[0] in {200, 204} and sorted(answers)[1] in {403, 404, 409}, answers


def test_membership_of_another_school_is_not_found(school: School, admin: Person) -> None:
    other = SchoolFactory.create()
    person = PersonFactory.create(role=Role.OPERATOR, organizations=[school.organization, other.organization])
    path = f"users/{person.id}/organizations/{other.organization}"
    assert problem(send(admin.client, "PATCH", path, {"role": "admin"})) == (404, "not_found")
    assert problem(send(admin.client, "DELETE", path)) == (404, "not_found")
    assert roles(other)[person.id] == "operator"
