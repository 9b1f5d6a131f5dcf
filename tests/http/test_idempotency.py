"""A write that is sent again because its answer was lost is carried out once."""

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
from apps.common.http import idempotency
from apps.common.models import AuditEntry, IdempotencyKey
from apps.common.tasks import forget_idempotency_keys
from tests.cloud.school import Person, School, make_person, make_school, raise_alert
from tests.http.test_bad_input import problem

pytestmark = pytest.mark.slow

JSON = "application/json"


@pytest.fixture
def operator(school: School) -> Person:
    return make_person(Role.OPERATOR, school.organization)


def resolve(person: Person, alert: object, key: str, reason: str = "test") -> Any:
    headers = {"idempotency-key": key}
    return person.client.put(f"/api/v1/alerts/{alert}/resolve", {"reason": reason}, content_type=JSON, headers=headers)


def story(school: School, action: str) -> int:
    with tenant_scope([school.organization]):
        return AuditEntry.objects.filter(organization_id=school.organization, action=action).count()


def test_the_same_key_gives_the_same_answer_and_writes_once(school: School, operator: Person) -> None:
    alert, key = raise_alert(school), str(uuid4())
    first = resolve(operator, alert, key)
    second = resolve(operator, alert, f'"{key}"')  # a structured field's quotes are no part of the key
    assert first.status_code == second.status_code == 200
    assert first.content == second.content
    assert second["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first
    assert story(school, "alert.resolve") == 1


def test_a_replay_is_the_first_answer_whatever_happened_since(school: School, operator: Person) -> None:
    alert, key = raise_alert(school), str(uuid4())
    acknowledged = operator.client.put(f"/api/v1/alerts/{alert}/acknowledge", headers={"idempotency-key": key})
    resolve(operator, alert, str(uuid4()))
    again = operator.client.put(f"/api/v1/alerts/{alert}/acknowledge", headers={"idempotency-key": key})
    assert again.json() == acknowledged.json()
    assert again.json()["status"] == "acknowledged"


def test_a_key_with_another_body_is_refused_and_nothing_is_written(school: School, operator: Person) -> None:
    alert, key = raise_alert(school), str(uuid4())
    resolve(operator, alert, key, "test")
    problem(resolve(operator, alert, key, "mistake"), 422, "idempotency_key_reused")
    problem(resolve(operator, raise_alert(school), key, "test"), 422, "idempotency_key_reused")
    assert story(school, "alert.resolve") == 1


def test_a_refusal_is_not_kept_since_it_changed_nothing(school: School, operator: Person) -> None:
    alert, key = raise_alert(school), str(uuid4())
    problem(resolve(operator, alert, key, "nonsense"), 400, "invalid")
    assert resolve(operator, alert, key, "test").status_code == 200


def test_another_persons_key_is_another_key(school: School, operator: Person) -> None:
    alert, key = raise_alert(school, alert_type="lockdown"), str(uuid4())
    other = make_person(Role.OPERATOR, school.organization)
    assert resolve(operator, alert, key).status_code == 202
    assert resolve(other, alert, key).status_code == 200


def test_a_key_that_is_being_worked_on_is_a_409(school: School, operator: Person) -> None:
    alert, key = raise_alert(school), str(uuid4())
    with transaction.atomic(using="owner"), connections["owner"].cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"idempotency {operator.id} {key}"])
        problem(resolve(operator, alert, key), 409, "idempotency_in_progress")
    assert resolve(operator, alert, key).status_code == 200


def test_many_at_once_write_once(school: School, operator: Person) -> None:
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
    assert story(school, "alert.approve_resolve") == 1


@pytest.mark.parametrize("key", ["", " ", '""', "two words", "ü" * 3, "x" * 256])
def test_a_key_that_is_none_is_a_400(school: School, operator: Person, key: str) -> None:
    answer = operator.client.put(f"/api/v1/alerts/{uuid4()}/acknowledge", headers={"idempotency-key": key})
    assert "Idempotency-Key" in str(problem(answer, 400, "invalid")["errors"])


def test_who_lost_a_right_is_not_told_the_old_answer(school: School, operator: Person) -> None:
    """A dismissed teacher gets no school data, by no door."""
    alert, key = raise_alert(school), str(uuid4())
    resolve(operator, alert, key)
    with tenant_scope([school.organization]):
        Membership.objects.filter(user_id=operator.id).delete()
    answer = resolve(operator, alert, key)
    problem(answer, 409, "idempotency_answer_not_kept")
    assert str(alert) not in answer.content.decode()


def _at(person: Person, school: School, *buildings: UUID) -> None:
    """Let the person's role hold at these buildings only."""
    with tenant_scope([school.organization]):
        Membership.objects.filter(user_id=person.id).update(scope=MembershipScope.PLACES)
        held = RoleAt(Role.OPERATOR, MembershipScope.PLACES, buildings=frozenset(buildings))
        grant_places(Membership.objects.get(user_id=person.id), held)


def test_replay_is_refused_when_the_role_moved_to_another_building(school: School, operator: Person) -> None:
    """The role and its rights are the same; where they hold is not."""
    _at(operator, school, school.building)
    alert, key = raise_alert(school), str(uuid4())
    assert resolve(operator, alert, key).status_code == 200
    assert resolve(operator, alert, key)["Idempotency-Replayed"] == "true"
    _at(operator, school, school.other_building)
    answer = resolve(operator, alert, key)
    problem(answer, 409, "idempotency_answer_not_kept")
    assert str(alert) not in answer.content.decode()
    _at(operator, school, school.building, school.other_building)
    problem(resolve(operator, alert, key), 409, "idempotency_answer_not_kept")


def test_replay_is_refused_to_a_sign_in_that_counts_in_one_school_only(school: School) -> None:
    """The same person: what their own sign-in was answered is not told to one that a school vouched for."""
    person = make_person(Role.OPERATOR, school.organization, make_school().organization)
    alert, key = raise_alert(school), str(uuid4())
    path = f"/api/v1/alerts/{alert}/acknowledge"
    assert person.client.put(path, headers={"idempotency-key": key}).status_code == 200
    SignIn.objects.filter(user_id=person.id).update(only_organization=school.organization)
    problem(person.client.put(path, headers={"idempotency-key": key}), 409, "idempotency_answer_not_kept")


def test_rights_of_a_principal_are_all_that_is_not_its_identity(school: School, operator: Person) -> None:
    """Another value of any field is another right, but for who it is."""
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


def test_signing_in_keeps_nothing() -> None:
    """No token is ever stored in the clear."""
    before = count()
    Client().post(
        "/api/v1/auth/login",
        {"email": "a@b.example", "password": "x"},
        content_type=JSON,
        headers={"idempotency-key": "k1"},
    )
    assert count() == before


def test_an_answer_that_no_cache_may_store_is_not_kept_either(school: School, operator: Person) -> None:
    """What gives out a secret says `no-store`: that it was carried out is remembered, what was said is not."""
    alert, key = raise_alert(school), str(uuid4())
    resolve(operator, alert, key)
    with system_scope():
        IdempotencyKey.objects.using("owner").filter(principal_id=operator.id).update(body=None)
    problem(resolve(operator, alert, key), 409, "idempotency_answer_not_kept")


def test_a_key_is_seen_by_its_owner_alone(school: School, operator: Person) -> None:
    resolve(operator, raise_alert(school), str(uuid4()))
    with tenant_scope([school.organization]):
        assert not IdempotencyKey.objects.filter(principal_id=operator.id).exists()
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('safesignal.principal', %s, true)", [str(operator.id)])
        assert IdempotencyKey.objects.filter(principal_id=operator.id).exists()


def test_after_a_day_a_key_is_free_again(school: School, operator: Person) -> None:
    alert, key = raise_alert(school), str(uuid4())
    resolve(operator, alert, key)
    yesterday = timezone.now() - idempotency.KEEP - timedelta(minutes=1)
    IdempotencyKey.objects.using("owner").filter(principal_id=operator.id).update(created_at=yesterday)
    again = resolve(operator, alert, key)
    assert "Idempotency-Replayed" not in again
    IdempotencyKey.objects.using("owner").filter(principal_id=operator.id).update(created_at=yesterday)
    forget_idempotency_keys()
    assert not IdempotencyKey.objects.using("owner").filter(principal_id=operator.id).exists()


def count() -> int:
    return IdempotencyKey.objects.using("owner").count()
