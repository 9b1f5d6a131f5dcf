"""The permissions table, which platform operators can change above a minimum that code enforces."""

from collections.abc import Iterator

import pytest
from django.db import connection

from apps.accounts.models import Role
from apps.accounts.rights.grants import person_principal
from apps.accounts.rights.selectors import permissions_of
from apps.common.access import allows
from apps.common.db.scope import system_scope, tenant_scope
from apps.common.models import AuditEntry
from tests.kit.callers import send
from tests.kit.people import Person, PersonFactory
from tests.kit.refusals import problem
from tests.kit.school import SchoolFactory
from tests.matrix.callers import ROLE_TABLE

pytestmark = pytest.mark.slow


@pytest.fixture
def operator() -> Person:
    return PersonFactory.create(is_super_admin=True)


@pytest.fixture(autouse=True)
def restored_table(operator: Person) -> Iterator[None]:
    """Restore the contract's permissions after each test, since all tests share the table."""
    yield
    for role in ("super_admin", *Role):
        answer = put(operator, role, ROLE_TABLE[role])
        assert answer == 200, answer


def put(operator: Person, role: str, permissions: object) -> int:
    body = {"permissions": sorted(permissions)}  # type: ignore[call-overload]
    return int(send(operator.client, "PUT", f"permissions/{role}", body).status_code)


def changes() -> list[dict[str, object]]:
    """Changes of the table in the platform's audit trail."""
    with system_scope():
        entries = AuditEntry.objects.platform().filter(action="permissions.changed").order_by("at", "id")
        return [entry.detail for entry in entries]


def test_permissions_match_the_contract(operator: Person) -> None:
    roles = send(operator.client, "GET", "permissions").json()["roles"]
    assert {one["role"]: set(one["permissions"]) for one in roles} == ROLE_TABLE
    assert [one["role"] for one in roles] == ["super_admin", "admin", "manager", "operator", "viewer"]


def test_permission_change_applies_from_the_next_request_and_is_audited(operator: Person) -> None:
    before = len(changes())
    viewer = PersonFactory.create(role=Role.VIEWER, organization=(school := SchoolFactory.create().organization))
    path = f"organizations/{school}/sites"
    assert problem(send(viewer.client, "GET", path)) == (403, "forbidden")
    assert put(operator, "viewer", ROLE_TABLE["viewer"] | {"places:read"}) == 200
    assert send(viewer.client, "GET", path).status_code == 200
    assert changes()[before:] == [{"role": "viewer", "added": "places:read", "removed": ""}]


@pytest.mark.parametrize("role", [Role.ADMIN, Role.MANAGER, Role.OPERATOR])
def test_staff_permission_to_raise_alarms_cannot_be_removed(operator: Person, role: Role) -> None:
    answer = send(
        operator.client, "PUT", f"permissions/{role}", {"permissions": sorted(ROLE_TABLE[role] - {"alerts:create"})}
    )
    assert problem(answer) == (400, "invalid")
    assert any("alerts:create" in reason for reason in answer.json()["errors"]["permissions"])
    assert set(permissions_of(role)) == ROLE_TABLE[role]


@pytest.mark.parametrize("role", [Role.ADMIN, Role.MANAGER, Role.OPERATOR])
def test_staff_can_raise_alarms_when_the_table_is_empty(operator: Person, role: Role) -> None:
    person = PersonFactory.create(role=role, organization=(school := SchoolFactory.create().organization))
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
def test_unknown_or_excessive_permission_is_refused_by_name(
    operator: Person, role: str, wrong: set[str], named: str
) -> None:
    body = {"permissions": sorted(ROLE_TABLE[role] | wrong)}
    answer = send(operator.client, "PUT", f"permissions/{role}", body)
    assert problem(answer) == (400, "invalid")
    assert any(named in reason for reason in answer.json()["errors"]["permissions"])
    assert set(permissions_of(role)) == ROLE_TABLE[role]


def test_role_cannot_have_fewer_permissions_than_the_role_below(operator: Person) -> None:
    body = {"permissions": sorted(ROLE_TABLE["operator"] - {"statistics:read"})}
    assert problem(send(operator.client, "PUT", "permissions/operator", body)) == (400, "invalid")
    assert put(operator, "viewer", ROLE_TABLE["viewer"] - {"statistics:read"}) == 200
    assert put(operator, "operator", ROLE_TABLE["operator"] - {"statistics:read"}) == 200
    for role in ("operator", "viewer"):
        assert put(operator, role, ROLE_TABLE[role]) == 200


def test_stale_write_of_permissions_is_refused(operator: Person) -> None:
    seen = send(operator.client, "GET", "permissions/viewer")["ETag"]
    body = {"permissions": sorted(ROLE_TABLE["viewer"] | {"places:read"})}
    assert send(operator.client, "PUT", "permissions/viewer", body, **{"if-match": seen}).status_code == 200
    answer = send(operator.client, "PUT", "permissions/viewer", body, **{"if-match": seen})
    assert problem(answer) == (412, "precondition_failed")


@pytest.mark.parametrize("role", list(Role))
def test_school_roles_cannot_read_or_change_permissions(role: Role) -> None:
    client = PersonFactory.create(role=role, organization=SchoolFactory.create().organization).client
    for method, path, body in (
        ("GET", "permissions", None),
        ("GET", "permissions/viewer", None),
        ("PUT", "permissions/viewer", {"permissions": []}),
    ):
        assert problem(send(client, method, path, body)) == (403, "forbidden")


@pytest.mark.parametrize("role", ["owner", "day_account", "gateway"])
def test_unknown_role_is_not_found(operator: Person, role: str) -> None:
    assert problem(send(operator.client, "GET", f"permissions/{role}")) == (404, "not_found")
    assert problem(send(operator.client, "PUT", f"permissions/{role}", {"permissions": []})) == (404, "not_found")
