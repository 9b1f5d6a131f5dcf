"""/api/v1/users: an organization manages its members, without power over their accounts."""

from uuid import UUID

import pytest

from apps.accounts.identity import users
from apps.accounts.models import Membership, Role, User
from apps.accounts.people import memberships
from apps.common.access import SYSTEM
from apps.common.db.ids import new_id
from apps.common.db.scope import system_scope, tenant_scope
from tests.accounts.callers import audited
from tests.kit.callers import send
from tests.kit.feed import published_ids
from tests.kit.people import Person, PersonFactory
from tests.kit.refusals import problem
from tests.kit.school import School, SchoolFactory

pytestmark = pytest.mark.slow


@pytest.fixture
def school() -> School:
    return SchoolFactory.create()


def named(school: School, first_name: str, last_name: str) -> UUID:
    with tenant_scope([school.organization]):
        email = f"{first_name[:2]}{new_id().hex}@school.example"
        user = users.create_user(actor=SYSTEM, email=email, password=None, first_name=first_name, last_name=last_name)
        memberships.add_membership(actor=SYSTEM, user=user, organization_id=school.organization, role=Role.OPERATOR)
    return user.id


def names(admin: Person, query: str = "") -> list[str]:
    answer = send(admin.client, "GET", f"users{query}")
    assert answer.status_code == 200, answer.content
    return [one["name"] for one in answer.json()["results"]]


def test_list_is_ordered_by_name_ignoring_case_and_accents(school: School, admin: Person) -> None:
    for first_name in ("zoe", "Émile", "Adam", "ÅSA"):
        named(school, first_name, "Quix")
    assert names(admin, "?search=quix") == ["Adam Quix", "ÅSA Quix", "Émile Quix", "zoe Quix"]


@pytest.mark.parametrize("search", ["emile", "ÉMILE", "il", "Émile  q"])
def test_search_matches_part_of_a_name_ignoring_case_and_accents(school: School, admin: Person, search: str) -> None:
    named(school, "Émile", "Quist")
    named(school, "Adam", "Berg")
    assert names(admin, f"?search={search}") == ["Émile Quist"]


def test_search_matches_part_of_an_email_without_wildcards(school: School, admin: Person) -> None:
    user = User.objects.get(pk=named(school, "Ann", "Lee"))
    assert names(admin, f"?search={user.email[:20].upper()}") == ["Ann Lee"]
    assert names(admin, "?search=%25") == names(admin, "?search=_") == []


def test_pages_contain_everyone_once_in_both_directions(school: School, admin: Person) -> None:
    for number in range(5):
        named(school, f"Person{number}", "Quix")
    first = send(admin.client, "GET", "users?search=quix&limit=3").json()
    second = admin.client.get(first["next"]).json()
    assert [one["name"] for one in (*first["results"], *second["results"])] == [f"Person{n} Quix" for n in range(5)]
    assert second["next"] is None and admin.client.get(second["previous"]).json()["results"] == first["results"]


def test_search_that_is_too_long_is_refused_by_field(admin: Person) -> None:
    answer = send(admin.client, "GET", f"users?search={'x' * 101}")
    assert problem(answer) == (400, "invalid") and list(answer.json()["errors"]) == ["search"]


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.VIEWER])
def test_viewers_and_operators_cannot_read_personal_data_of_others(school: School, role: Role) -> None:
    other = named(school, "Ann", "Lee")
    client = PersonFactory.create(role=role, organization=school.organization).client
    for path in ("users", f"users/{other}"):
        answer = send(client, "GET", path)
        assert problem(answer) == (403, "forbidden") and "Ann" not in answer.content.decode()


def test_display_name_changes_in_one_organization_only(school: School, admin: Person) -> None:
    """One audit row and one feed event; the account and the other school stay unchanged."""
    other = SchoolFactory.create()
    person = PersonFactory.create(role=Role.OPERATOR, organizations=[school.organization, other.organization])
    answer = send(admin.client, "PATCH", f"users/{person.id}", {"name": "Ms Green", "title": "School nurse"})
    assert answer.status_code == 200
    assert (answer.json()["name"], answer.json()["title"]) == ("Ms Green", "School nurse")
    assert names(admin, "?search=ms green") == ["Ms Green"]
    elsewhere = PersonFactory.create(role=Role.ADMIN, organization=other.organization)
    assert send(elsewhere.client, "GET", f"users/{person.id}").json()["name"] == person.name
    assert User.objects.get(pk=person.id).full_name == person.name
    assert audited(person.id, "person.") == [("person.updated", "person")]
    assert (
        published_ids(school.organization, "people") == [str(person.id)]
        and published_ids(other.organization, "people") == []
    )


def test_put_resets_omitted_fields_and_patch_keeps_them(school: School, admin: Person) -> None:
    person = named(school, "Ann", "Lee")
    send(admin.client, "PATCH", f"users/{person}", {"title": "School nurse"})
    assert send(admin.client, "PATCH", f"users/{person}", {"name": "Ann"}).json()["title"] == "School nurse"
    assert send(admin.client, "PUT", f"users/{person}", {"name": "Ann"}).json()["title"] is None
    answer = send(admin.client, "PUT", f"users/{person}", {"title": "x"})
    assert problem(answer) == (400, "invalid") and list(answer.json()["errors"]) == ["name"]


def test_update_does_not_change_the_account(school: School, admin: Person) -> None:
    """E-mail and role are read-only: values sent for them are ignored."""
    person = PersonFactory.create(
        role=Role.OPERATOR, organizations=[school.organization, SchoolFactory.create().organization]
    )
    before = User.objects.values().get(pk=person.id)
    body = {"name": "Ms Green", "email": "mine@evil.example", "role": "admin", "phone": "1", "status": "deleted"}
    answer = send(admin.client, "PUT", f"users/{person.id}", body)
    assert answer.status_code == 200 and answer.json()["role"] == "operator"
    assert User.objects.values().get(pk=person.id) == before
    assert problem(send(admin.client, "PATCH", f"users/{person.id}", {"password": "x"})) == (400, "invalid")


def test_stale_write_of_person_is_refused(school: School, admin: Person) -> None:
    person = named(school, "Ann", "Lee")
    seen = send(admin.client, "GET", f"users/{person}")["ETag"]
    assert send(admin.client, "PATCH", f"users/{person}", {"title": "Nurse"}, **{"if-match": seen}).status_code == 200
    for method, path, body in (
        ("PUT", f"users/{person}", {"name": "Other"}),
        ("PATCH", f"users/{person}/organizations/{school.organization}", {"role": "admin"}),
        ("DELETE", f"users/{person}/organizations/{school.organization}", None),
        ("DELETE", f"users/{person}", None),
    ):
        answer = send(admin.client, method, path, body, **{"if-match": seen})
        assert problem(answer) == (412, "precondition_failed"), (method, path)
    now = send(admin.client, "GET", f"users/{person}").json()
    assert (now["name"], now["title"], now["role"]) == ("Ann Lee", "Nurse", "operator")


def test_delete_ends_the_membership_and_keeps_the_account(school: School, admin: Person) -> None:
    other = SchoolFactory.create()
    person = PersonFactory.create(role=Role.OPERATOR, organizations=[school.organization, other.organization])
    assert send(admin.client, "DELETE", f"users/{person.id}").status_code == 204
    assert problem(send(admin.client, "GET", f"users/{person.id}")) == (404, "not_found")
    assert User.objects.get(pk=person.id).is_active
    assert send(person.client, "GET", "alerts").status_code == 200, "their other school is unchanged"
    answer = send(person.client, "GET", f"alerts?organization={school.organization}")
    assert problem(answer) == (404, "not_found"), "a token that is still valid gives no access here"
    with system_scope():
        left = Membership.objects.filter(user_id=person.id).values_list("organization_id", flat=True)
        assert list(left) == [other.organization]
    assert audited(person.id, "membership.ended") == [("membership.ended", "person")]
    assert published_ids(school.organization, "people")[-1] == str(person.id)


@pytest.mark.parametrize(("method", "body"), [("GET", None), ("PUT", {"name": "x"}), ("PATCH", {}), ("DELETE", None)])
def test_person_of_another_school_is_not_found(admin: Person, method: str, body: object) -> None:
    stranger = PersonFactory.create(role=Role.OPERATOR, organization=SchoolFactory.create().organization)
    for one in (stranger.id, new_id()):
        assert problem(send(admin.client, method, f"users/{one}", body)) == (404, "not_found")
    assert send(stranger.client, "GET", "alerts").status_code == 200


def test_admin_of_two_schools_must_name_the_organization(school: School) -> None:
    other = SchoolFactory.create()
    both = PersonFactory.create(role=Role.ADMIN, organizations=[school.organization, other.organization])
    person = PersonFactory.create(role=Role.OPERATOR, organization=school.organization)
    assert problem(send(both.client, "GET", "users")) == (400, "organization_required")
    assert send(both.client, "GET", f"users/{person.id}?organization={school.organization}").status_code == 200
    answer = send(both.client, "GET", f"users/{person.id}?organization={other.organization}")
    assert problem(answer) == (404, "not_found")
