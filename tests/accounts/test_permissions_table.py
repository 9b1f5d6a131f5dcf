"""The table of permissions is data that operators of the platform change; code holds a floor under it."""

from collections.abc import Iterator

import pytest
from django.db import connection

from apps.accounts.models import Role, User
from apps.accounts.rights.grants import person_principal
from apps.accounts.rights.selectors import permissions_of
from apps.common.access import allows
from apps.common.db.scope import system_scope, tenant_scope
from apps.common.models import AuditEntry
from tests.accounts.callers import problem, send
from tests.cloud.school import Person, make_person, make_school
from tests.matrix.callers import ROLE_TABLE

pytestmark = pytest.mark.slow


@pytest.fixture
def operator() -> Person:
    person = make_person(Role.ADMIN)
    User.objects.filter(pk=person.id).update(is_super_admin=True)
    return person


@pytest.fixture(autouse=True)
def as_it_was(operator: Person) -> Iterator[None]:
    """The table is everybody's: each test leaves it as the contract has it."""
    yield
    for role in ("super_admin", *Role):
        answer = put(operator, role, ROLE_TABLE[role])
        assert answer == 200, answer


def put(operator: Person, role: str, permissions: object) -> int:
    body = {"permissions": sorted(permissions)}  # type: ignore[call-overload]
    return int(send(operator.client, "PUT", f"permissions/{role}", body).status_code)


def changes() -> list[dict[str, object]]:
    """What the platform's own trail says of the table."""
    with system_scope():
        entries = AuditEntry.objects.platform().filter(action="permissions.changed").order_by("at", "id")
        return [entry.detail for entry in entries]


def test_the_table_is_told_as_the_contract_has_it(operator: Person) -> None:
    roles = send(operator.client, "GET", "permissions").json()["roles"]
    assert {one["role"]: set(one["permissions"]) for one in roles} == ROLE_TABLE
    assert [one["role"] for one in roles] == ["super_admin", "admin", "manager", "operator", "viewer"]


def test_a_change_counts_in_every_school_from_the_next_request_on_and_is_written_down(operator: Person) -> None:
    before = len(changes())
    viewer = make_person(Role.VIEWER, school := make_school().organization)
    path = f"organizations/{school}/sites"
    assert problem(send(viewer.client, "GET", path)) == (403, "forbidden")
    assert put(operator, "viewer", ROLE_TABLE["viewer"] | {"places:read"}) == 200
    assert send(viewer.client, "GET", path).status_code == 200
    assert changes()[before:] == [{"role": "viewer", "added": "places:read", "removed": ""}]


@pytest.mark.parametrize("role", [Role.ADMIN, Role.MANAGER, Role.OPERATOR])
def test_no_edit_takes_the_right_to_raise_an_alarm_from_staff(operator: Person, role: Role) -> None:
    answer = send(
        operator.client, "PUT", f"permissions/{role}", {"permissions": sorted(ROLE_TABLE[role] - {"alerts:create"})}
    )
    assert problem(answer) == (400, "invalid")
    assert any("alerts:create" in reason for reason in answer.json()["errors"]["permissions"])
    assert set(permissions_of(role)) == ROLE_TABLE[role]


@pytest.mark.parametrize("role", [Role.ADMIN, Role.MANAGER, Role.OPERATOR])
def test_the_floor_holds_also_where_the_table_itself_was_emptied(operator: Person, role: Role) -> None:
    person = make_person(role, school := make_school().organization)
    with tenant_scope([]), connection.cursor() as cursor:
        cursor.execute("SELECT set_permissions(%s, %s, '{}')", [operator.id, role])
    principal = person_principal(person.id)
    with tenant_scope([]), connection.cursor() as cursor:
        cursor.execute("SELECT set_permissions(%s, %s, %s)", [operator.id, role, sorted(ROLE_TABLE[role])])
    assert principal is not None and allows(principal, school, "alerts", "create")


@pytest.mark.parametrize(
    ("role", "wrong", "named"),
    [
        ("viewer", {"alerts:explode"}, "alerts:explode"),
        ("viewer", {"people:read"}, "people:read"),
        ("operator", {"permissions:update"}, "permissions:update"),
    ],
)
def test_what_is_unknown_or_more_than_the_role_above_may_is_refused_by_its_name(
    operator: Person, role: str, wrong: set[str], named: str
) -> None:
    body = {"permissions": sorted(ROLE_TABLE[role] | wrong)}
    answer = send(operator.client, "PUT", f"permissions/{role}", body)
    assert problem(answer) == (400, "invalid")
    assert any(named in reason for reason in answer.json()["errors"]["permissions"])
    assert set(permissions_of(role)) == ROLE_TABLE[role]


def test_a_role_keeps_what_the_one_below_it_may(operator: Person) -> None:
    body = {"permissions": sorted(ROLE_TABLE["operator"] - {"statistics:read"})}
    assert problem(send(operator.client, "PUT", "permissions/operator", body)) == (400, "invalid")
    assert put(operator, "viewer", ROLE_TABLE["viewer"] - {"statistics:read"}) == 200
    assert put(operator, "operator", ROLE_TABLE["operator"] - {"statistics:read"}) == 200
    for role in ("operator", "viewer"):
        assert put(operator, role, ROLE_TABLE[role]) == 200


def test_a_write_of_what_was_changed_meanwhile_is_refused(operator: Person) -> None:
    seen = send(operator.client, "GET", "permissions/viewer")["ETag"]
    body = {"permissions": sorted(ROLE_TABLE["viewer"] | {"places:read"})}
    assert send(operator.client, "PUT", "permissions/viewer", body, **{"if-match": seen}).status_code == 200
    answer = send(operator.client, "PUT", "permissions/viewer", body, **{"if-match": seen})
    assert problem(answer) == (412, "precondition_failed")


@pytest.mark.parametrize("role", list(Role))
def test_no_role_in_a_school_reads_or_changes_the_table(role: Role) -> None:
    client = make_person(role, make_school().organization).client
    for method, path, body in (
        ("GET", "permissions", None),
        ("GET", "permissions/viewer", None),
        ("PUT", "permissions/viewer", {"permissions": []}),
    ):
        assert problem(send(client, method, path, body)) == (403, "forbidden")


@pytest.mark.parametrize("role", ["owner", "day_account", "gateway"])
def test_a_role_that_the_table_does_not_have_is_not_there(operator: Person, role: str) -> None:
    assert problem(send(operator.client, "GET", f"permissions/{role}")) == (404, "not_found")
    assert problem(send(operator.client, "PUT", f"permissions/{role}", {"permissions": []})) == (404, "not_found")
