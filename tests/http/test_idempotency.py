"""A write that is sent again because its response was lost is carried out once."""

import threading
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection, connections, transaction
from django.test import Client
from django.utils import timezone

from apps.accounts.models import Membership, MembershipScope, Role, SignIn
from apps.accounts.people.memberships import RoleAt, grant_places
from apps.accounts.rights.grants import person_principal
from apps.common.access import Principal, PrincipalKind, rights_of
from apps.common.db.scope import system_scope, tenant_scope
from apps.common.http.writes import idempotency
from apps.common.models import AuditEntry, IdempotencyKey
from apps.common.tasks import apply_retention
from tests.kit.people import Person, PersonFactory
from tests.kit.presses import raise_alert
from tests.kit.refusals import refused
from tests.kit.school import School, SchoolFactory

pytestmark = pytest.mark.slow

JSON = "application/json"


def resolve(person: Person, alert: object, key: str, reason: str = "test") -> Any:
    headers = {"idempotency-key": key}
    return person.client.put(f"/api/v1/alerts/{alert}/resolve", {"reason": reason}, content_type=JSON, headers=headers)


def audit_count(school: School, action: str) -> int:
    with tenant_scope([school.organization]):
        return AuditEntry.objects.filter(organization_id=school.organization, action=action).count()


def test_same_key_returns_the_same_response_and_writes_once(school: School, operator: Person) -> None:
    alert, key = raise_alert(school), str(uuid4())
    first = resolve(operator, alert, key)
    second = resolve(operator, alert, f'"{key}"')  # the quotes of a structured field are not part of the key
    assert first.status_code == second.status_code == 200
    assert first.content == second.content
    assert second["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first
    assert audit_count(school, "alert.resolve") == 1


def test_replay_returns_the_first_response_despite_later_changes(school: School, operator: Person) -> None:
    alert, key = raise_alert(school), str(uuid4())
    acknowledged = operator.client.put(f"/api/v1/alerts/{alert}/acknowledge", headers={"idempotency-key": key})
    resolve(operator, alert, str(uuid4()))
    again = operator.client.put(f"/api/v1/alerts/{alert}/acknowledge", headers={"idempotency-key": key})
    assert again.json() == acknowledged.json()
    assert again.json()["status"] == "acknowledged"


def test_key_with_another_body_is_refused_without_writing(school: School, operator: Person) -> None:
    alert, key = raise_alert(school), str(uuid4())
    resolve(operator, alert, key, "test")
    refused(resolve(operator, alert, key, "mistake"), 422, "idempotency_key_reused")
    refused(resolve(operator, raise_alert(school), key, "test"), 422, "idempotency_key_reused")
    assert audit_count(school, "alert.resolve") == 1


def test_refusals_are_not_stored(school: School, operator: Person) -> None:
    alert, key = raise_alert(school), str(uuid4())
    refused(resolve(operator, alert, key, "nonsense"), 400, "invalid")
    assert resolve(operator, alert, key, "test").status_code == 200


def test_keys_of_different_people_are_independent(school: School, operator: Person) -> None:
    alert, key = raise_alert(school, alert_type="lockdown"), str(uuid4())
    other = PersonFactory.create(role=Role.OPERATOR, organization=school.organization)
    assert resolve(operator, alert, key).status_code == 202
    assert resolve(other, alert, key).status_code == 200


def test_key_in_progress_returns_409(school: School, operator: Person) -> None:
    alert, key = raise_alert(school), str(uuid4())
    with transaction.atomic(using="owner"), connections["owner"].cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"idempotency {operator.id} {key}"])
        refused(resolve(operator, alert, key), 409, "idempotency_in_progress")
    assert resolve(operator, alert, key).status_code == 200


def test_concurrent_requests_with_one_key_write_once(school: School, operator: Person) -> None:
    alert, key = raise_alert(school, alert_type="lockdown"), str(uuid4())
    codes: list[int] = []

    def send() -> None:
        codes.append(resolve(operator, alert, key).status_code)
        connection.close()

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(codes) <= {202, 409} and 202 in codes
    assert audit_count(school, "alert.approve_resolve") == 1


@pytest.mark.parametrize("key", ["", " ", '""', "two words", "ü" * 3, "x" * 256])
def test_malformed_key_returns_400(school: School, operator: Person, key: str) -> None:
    answer = operator.client.put(f"/api/v1/alerts/{uuid4()}/acknowledge", headers={"idempotency-key": key})
    assert "Idempotency-Key" in str(refused(answer, 400, "invalid")["errors"])


def test_replay_is_refused_after_the_right_was_lost(school: School, operator: Person) -> None:
    """A dismissed teacher gets no school data from any endpoint."""
    alert, key = raise_alert(school), str(uuid4())
    resolve(operator, alert, key)
    with tenant_scope([school.organization]):
        Membership.objects.filter(user_id=operator.id).delete()
    answer = resolve(operator, alert, key)
    refused(answer, 409, "idempotency_answer_not_kept")
    assert str(alert) not in answer.content.decode()


def _at(person: Person, school: School, *buildings: UUID) -> None:
    """Limit the person's role to these buildings."""
    with tenant_scope([school.organization]):
        Membership.objects.filter(user_id=person.id).update(scope=MembershipScope.PLACES)
        held = RoleAt(Role.OPERATOR, MembershipScope.PLACES, buildings=frozenset(buildings))
        grant_places(Membership.objects.get(user_id=person.id), held)


def test_replay_is_refused_when_the_role_moved_to_another_building(school: School, operator: Person) -> None:
    """The role and its rights are the same, but not its places."""
    _at(operator, school, school.building)
    alert, key = raise_alert(school), str(uuid4())
    assert resolve(operator, alert, key).status_code == 200
    assert resolve(operator, alert, key)["Idempotency-Replayed"] == "true"
    _at(operator, school, school.other_building)
    answer = resolve(operator, alert, key)
    refused(answer, 409, "idempotency_answer_not_kept")
    assert str(alert) not in answer.content.decode()
    _at(operator, school, school.building, school.other_building)
    refused(resolve(operator, alert, key), 409, "idempotency_answer_not_kept")


def test_replay_is_refused_to_a_sign_in_bound_to_one_school(school: School) -> None:
    """For the same person: a response to their own sign-in is not returned to a sign-in vouched for by a school."""
    person = PersonFactory.create(
        role=Role.OPERATOR, organizations=[school.organization, SchoolFactory.create().organization]
    )
    alert, key = raise_alert(school), str(uuid4())
    path = f"/api/v1/alerts/{alert}/acknowledge"
    assert person.client.put(path, headers={"idempotency-key": key}).status_code == 200
    SignIn.objects.filter(user_id=person.id).update(only_organization=school.organization)
    refused(person.client.put(path, headers={"idempotency-key": key}), 409, "idempotency_answer_not_kept")


def test_rights_digest_covers_every_field_except_identity(school: School, operator: Person) -> None:
    """Changing any field changes the rights, except the fields of the identity."""
    principal = person_principal(operator.id)
    assert principal is not None
    others: dict[str, Any] = {
        "kind": PrincipalKind.SERVICE,
        "id": uuid4(),
        "name": "Other",
        "grants": {},
        "is_super_admin": True,
        "sign_in": uuid4(),
        "only": school.organization,
        "needs_second_factor": True,
    }
    assert others.keys() == {field.name for field in fields(Principal)}
    before = rights_of(principal)
    same = {name for name, value in others.items() if rights_of(replace(principal, **{name: value})) == before}
    assert same == {"id", "name", "sign_in"}


def test_sign_in_responses_are_not_stored() -> None:
    """No token is ever stored in plain text."""
    before = count()
    Client().post(
        "/api/v1/auth/login",
        {"email": "a@b.example", "password": "x"},
        content_type=JSON,
        headers={"idempotency-key": "k1"},
    )
    assert count() == before


def test_no_store_responses_are_not_stored(school: School, operator: Person) -> None:
    """A response with a secret has `no-store`: the key is stored as used, but not the response."""
    alert, key = raise_alert(school), str(uuid4())
    resolve(operator, alert, key)
    with system_scope():
        IdempotencyKey.objects.using("owner").filter(principal_id=operator.id).update(body=None)
    refused(resolve(operator, alert, key), 409, "idempotency_answer_not_kept")


def test_key_is_visible_only_to_its_owner(school: School, operator: Person) -> None:
    resolve(operator, raise_alert(school), str(uuid4()))
    with tenant_scope([school.organization]):
        assert not IdempotencyKey.objects.filter(principal_id=operator.id).exists()
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('safesignal.principal', %s, true)", [str(operator.id)])
        assert IdempotencyKey.objects.filter(principal_id=operator.id).exists()


def test_key_can_be_reused_after_a_day(school: School, operator: Person) -> None:
    alert, key = raise_alert(school), str(uuid4())
    resolve(operator, alert, key)
    yesterday = timezone.now() - idempotency.KEEP - timedelta(minutes=1)
    IdempotencyKey.objects.using("owner").filter(principal_id=operator.id).update(created_at=yesterday)
    again = resolve(operator, alert, key)
    assert "Idempotency-Replayed" not in again
    IdempotencyKey.objects.using("owner").filter(principal_id=operator.id).update(created_at=yesterday)
    apply_retention()
    assert not IdempotencyKey.objects.using("owner").filter(principal_id=operator.id).exists()


def count() -> int:
    return IdempotencyKey.objects.using("owner").count()
