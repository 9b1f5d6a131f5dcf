"""Service tokens of an organization's other systems: permissions, lifetime and limits."""

import json
from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.accounts.identity import last_use
from apps.accounts.identity.principals.principals import named_by_bearer, principal_named
from apps.accounts.models import Permission, Role, ServiceToken, User
from apps.accounts.rights.people_only import PEOPLE_ONLY
from apps.accounts.rights.service_tokens import LONGEST
from apps.common.db.scope import system_scope, tenant_scope
from apps.common.models import AuditEntry
from apps.tenancy.models import OrganizationStatus
from tests.accounts.changes import end_membership, make_site, set_organization_status
from tests.kit.people import AccountFactory, Person, PersonFactory

pytestmark = pytest.mark.slow

IN_A_MONTH = timedelta(days=30)


@pytest.fixture
def admin() -> Person:
    return AccountFactory.create(role=Role.ADMIN)


@pytest.fixture
def api(admin: Person) -> Client:
    return PersonFactory.create(role=Role.ADMIN, organization=admin.organization).client


def address(person: Person, token: str = "") -> str:
    return f"/api/v1/organizations/{person.organization}/service-tokens" + (f"/{token}" if token else "")


def make(api: Client, person: Person, *scopes: str, **changed: object) -> Any:
    body = {
        "name": "Bells",
        "scopes": list(scopes),
        "expires_at": (timezone.now() + IN_A_MONTH).isoformat(),
        **changed,
    }
    return api.post(address(person), json.dumps(body), content_type="application/json")


@pytest.fixture
def token(api: Client, admin: Person) -> Any:
    """A service token that may read places."""
    answer = make(api, admin, "places:read")
    assert answer.status_code == 201, answer.content
    return answer.json()


def with_token(token: Any) -> Client:
    return Client(headers={"authorization": f"Bearer {token['token']}"})


def tree(token: Any, person: Person) -> int:
    return with_token(token).get(f"/api/v1/organizations/{person.organization}/tree").status_code


def refused_scopes(answer: Any) -> list[str]:
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    reasons: list[str] = answer.json()["errors"]["scopes"]
    return reasons


def test_service_has_only_the_permissions_of_its_scopes(admin: Person, token: Any) -> None:
    make_site(admin.organization, "Main")
    assert tree(token, admin) == 200
    service = with_token(token)
    site = service.get(f"/api/v1/organizations/{admin.organization}/sites").json()["results"][0]["id"]
    answer = service.delete(f"/api/v1/sites/{site}")
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert service.get("/api/v1/alerts").status_code == 403


def test_service_token_is_not_valid_in_another_organization(token: Any) -> None:
    assert tree(token, AccountFactory.create()) == 404


def test_service_token_secret_is_returned_once_and_stored_as_digest(api: Client, admin: Person, token: Any) -> None:
    with tenant_scope([admin.organization]):
        row = ServiceToken.objects.get(pk=token["id"])
    assert bytes(row.digest) == sha256(token["token"].encode()).digest()
    assert token["token"] not in api.get(address(admin)).content.decode()
    with connections["owner"].cursor() as cursor:
        cursor.execute("SELECT row_to_json(t)::text FROM service_tokens t WHERE id = %s", [row.id])
        assert token["token"] not in cursor.fetchone()[0]


def test_response_with_the_secret_is_not_stored(api: Client, admin: Person) -> None:
    """Neither in a cache nor for an Idempotency-Key."""
    body = json.dumps({"name": "x", "scopes": ["places:read"], "expires_at": (timezone.now() + IN_A_MONTH).isoformat()})
    once, again = (
        api.post(address(admin), body, content_type="application/json", headers={"idempotency-key": "k1"})
        for _ in range(2)
    )
    assert once["Cache-Control"] == "no-store"
    assert (again.status_code, again.json()["code"]) == (409, "idempotency_answer_not_kept")


def test_list_contains_scopes_expiry_and_last_use(api: Client, admin: Person, token: Any) -> None:
    before = api.get(address(admin)).json()["results"][0]
    assert before == {name: value for name, value in token.items() if name != "token"}
    assert before["used_at"] is None
    tree(token, admin)
    assert api.get(address(admin)).json()["results"][0]["used_at"] is not None


def test_last_use_is_written_once_a_minute(admin: Person, token: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """In whichever process, so that reads do not become writes."""
    tree(token, admin)
    with tenant_scope([admin.organization]):
        first = ServiceToken.objects.get().used_at
    assert first is not None
    with CaptureQueriesContext(connection) as queries:
        tree(token, admin)
    assert not [query for query in queries if "UPDATE" in query["sql"]]
    monkeypatch.setattr(last_use, "_seldom", last_use.Seldom())  # as another process
    tree(token, admin)
    with tenant_scope([admin.organization]):
        assert ServiceToken.objects.get().used_at == first
        ServiceToken.objects.update(used_at=first - last_use.SERVICE_EVERY)
    monkeypatch.setattr(last_use, "_seldom", last_use.Seldom())
    tree(token, admin)
    with tenant_scope([admin.organization]):
        again = ServiceToken.objects.get().used_at
    assert again is not None and again > first


def test_scope_for_people_only_is_refused(api: Client, admin: Person) -> None:
    """Such as answering alarms or managing permissions."""
    for pair in sorted(PEOPLE_ONLY):
        scope = ":".join(pair)
        assert refused_scopes(make(api, admin, "places:read", scope)) == [f"{scope}: for people only."]


def test_scopes_for_people_only_are_ignored_in_stored_tokens(admin: Person, token: Any) -> None:
    """Such as in a token from before a permission was for people only, or in an edited row."""
    with tenant_scope([admin.organization]):
        everything = [f"{one.resource}:{one.action}" for one in Permission.objects.filter(role=Role.ADMIN)]
        ServiceToken.objects.filter(pk=token["id"]).update(scopes=everything)
    (grant,) = principal_named(named_by_bearer(token["token"])).grants.values()
    assert grant.permissions and not grant.permissions & PEOPLE_ONLY.keys()


@pytest.mark.parametrize(
    "setting", [{"mfa_required_for_admins": False}, {"open_registration": True}, {"legal_hold": False}]
)
def test_service_token_cannot_weaken_security(
    api: Client, admin: Person, token: Any, setting: dict[str, object]
) -> None:
    path = f"/api/v1/organizations/{admin.organization}/settings"
    scopes = ["organizations:read", "organizations:update", "people:read", "people:delete"]
    with tenant_scope([admin.organization]):
        ServiceToken.objects.filter(pk=token["id"]).update(scopes=scopes)
    answer = with_token(token).patch(path, setting, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    path = f"/api/v1/users/{admin.id}/organizations/{admin.organization}"
    answer = with_token(token).delete(path)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_scope_that_the_creator_lacks_is_refused(api: Client, admin: Person) -> None:
    for scope in ("organizations:delete", "places:everything", "places", "", "alerts:create:x"):
        answer = make(api, admin, scope)
        assert answer.status_code == 400 and "scopes" in answer.json()["errors"]


@settings(max_examples=30)
@given(data=st.data())
def test_service_has_exactly_the_requested_scopes(data: st.DataObject, database: None) -> None:
    """No scope implies another: raising alerts, for example, must be requested by name."""
    table = {f"{one.resource}:{one.action}" for one in Permission.objects.filter(role=Role.ADMIN)}
    holdable = sorted(table - {":".join(pair) for pair in PEOPLE_ONLY})
    scopes = data.draw(st.lists(st.sampled_from(holdable), min_size=1, unique=True))
    admin = AccountFactory.create(role=Role.ADMIN)
    caller = PersonFactory.create(role=Role.ADMIN, organization=admin.organization)
    token = make(caller.client, admin, *scopes).json()
    (grant,) = principal_named(named_by_bearer(token["token"])).grants.values()
    assert {":".join(pair) for pair in grant.permissions} == set(scopes)
    assert (("alerts", "create") in grant.permissions) is ("alerts:create" in scopes)


@pytest.mark.parametrize("role", [Role.MANAGER, Role.OPERATOR, Role.VIEWER])
def test_only_admins_can_create_list_and_withdraw_service_tokens(admin: Person, token: Any, role: Role) -> None:
    caller = PersonFactory.create(role=role, organization=admin.organization).client
    for answer in (
        make(caller, admin, "places:read"),
        caller.get(address(admin)),
        caller.delete(address(admin, token["id"])),
    ):
        assert answer.status_code == 403


def test_service_cannot_create_service_tokens(admin: Person, token: Any) -> None:
    assert make(with_token(token), admin, "places:read").status_code == 403


@pytest.mark.parametrize(
    ("after", "status"),
    [(timedelta(seconds=-1), 400), (timedelta(minutes=1), 201), (LONGEST - timedelta(hours=1), 201), (LONGEST, 400)],
)
def test_service_token_expires_within_a_year(api: Client, admin: Person, after: timedelta, status: int) -> None:
    expires_at = (timezone.now() + after + timedelta(seconds=status == 400 and after == LONGEST)).isoformat()
    answer = make(api, admin, "places:read", expires_at=expires_at)
    assert answer.status_code == status
    assert status == 201 or "expires_at" in answer.json()["errors"]


def expire(person: Person) -> None:
    with tenant_scope([person.organization]):
        ServiceToken.objects.update(expires_at=timezone.now())


def remove_permission_from_admins(person: Person) -> Callable[[], None]:
    with connections["owner"].cursor() as cursor:
        cursor.execute("DELETE FROM permissions WHERE role = 'admin' AND resource = 'places' AND action = 'read'")

    def restore() -> None:
        with connections["owner"].cursor() as cursor:
            cursor.execute(
                "INSERT INTO permissions (id, role, resource, action)"
                " VALUES (gen_random_uuid(), 'admin', 'places', 'read')"
            )

    return restore


def test_expired_service_token_is_refused(admin: Person, token: Any) -> None:
    expire(admin)
    answer = with_token(token).get(f"/api/v1/organizations/{admin.organization}/tree")
    assert (answer.status_code, answer.json()["code"]) == (401, "bad_token")


def test_withdrawn_service_token_is_refused(api: Client, admin: Person, token: Any) -> None:
    assert api.delete(address(admin, token["id"])).status_code == 204
    assert tree(token, admin) == 401
    assert api.delete(address(admin, token["id"])).status_code == 404


def test_service_token_of_deleted_organization_is_refused(admin: Person, token: Any) -> None:
    set_organization_status(admin.organization, OrganizationStatus.DELETED)
    assert tree(token, admin) == 401


def test_service_token_keeps_alarm_permissions_in_suspended_organization(api: Client, admin: Person) -> None:
    answer = make(api, admin, "alerts:create", "places:read").json()
    set_organization_status(admin.organization, OrganizationStatus.SUSPENDED)
    (grant,) = principal_named(named_by_bearer(answer["token"])).grants.values()
    assert grant.permissions == {("alerts", "create")}


def test_service_loses_a_permission_that_admins_lost(admin: Person, token: Any) -> None:
    restore = remove_permission_from_admins(admin)
    try:
        assert tree(token, admin) == 403
    finally:
        restore()
    assert tree(token, admin) == 200


def test_service_token_outlives_its_creator(api: Client, admin: Person, token: Any) -> None:
    """It belongs to the organization: its admins can see and withdraw it."""
    maker = token["created_by"]
    User.objects.filter(pk=maker).update(status="deleted")
    end_membership(admin)
    assert tree(token, admin) == 200


@pytest.mark.parametrize("bad", ["sst_", "sst_x", "sst_" + "x" * 9000, "sst_é", "sst_%00"])
def test_unknown_service_token_is_refused(bad: str, database: None) -> None:
    answer = Client(headers={"authorization": f"Bearer {bad}"}).get("/api/v1/alerts")
    assert (answer.status_code, answer.json()["code"]) == (401, "bad_token")


def test_creation_and_withdrawal_are_audited(api: Client, admin: Person, token: Any) -> None:
    api.delete(address(admin, token["id"]))
    with system_scope():
        entries = list(AuditEntry.objects.filter(target_id=token["id"]).order_by("at", "id"))
    assert [(entry.action, entry.organization_id) for entry in entries] == [
        ("service_token.created", admin.organization),
        ("service_token.withdrawn", admin.organization),
    ]
    assert entries[0].detail == {"scopes": "places:read"}


def test_refused_request_is_audited_with_the_service_as_actor(admin: Person, token: Any) -> None:
    with_token(token).put("/api/v1/alerts/018f0000-0000-7000-8000-000000000000/acknowledge")
    with system_scope():
        refused = AuditEntry.objects.get(actor_id=token["id"], outcome="refused")
    assert (refused.actor_kind, refused.organization_id) == ("service", admin.organization)


def test_service_token_is_looked_up_in_one_query(admin: Person, token: Any) -> None:
    with CaptureQueriesContext(connection) as queries:
        principal_named(named_by_bearer(token["token"]))
    assert len(queries) == 1
