"""A rights version rises with every change that rights depend on, and with no other."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import pytest
from allauth.mfa.models import Authenticator
from django.db import OperationalError, connection, connections, transaction
from django.utils import timezone

from apps.accounts.identity.sign_in import services as sign_in
from apps.accounts.models import Membership, Role, ServiceToken, SignIn, SignInKind, User, Visit
from apps.accounts.rights import grants, versions
from apps.accounts.rights.grants import person_principal
from apps.common.access import Principal
from apps.common.db.ids import new_id
from apps.common.db.scope import tenant_scope
from apps.tenancy.models import Organization
from tests.kit.full_school import make_full_school
from tests.kit.people import AccountFactory
from tests.kit.presses import raise_alert
from tests.kit.school import School, SchoolFactory
from tests.kit.service_tokens import make_service_token

pytestmark = pytest.mark.slow

FUNCTIONS: Final = (
    "principal_grants",
    "second_factor_due",
    "service_token_by_digest",
    "gateway_credentials",
    "rights_until",
)
"""The functions that rights are read through; the statement for people is `grants.PEOPLE_AND_GRANTS`."""

SUBJECTS: Final[Mapping[str, str | None]] = {
    "users": "id",
    "sign_ins": "user_id",
    "user_organizations": "user_id",
    "site_grants": "user_id",
    "building_grants": "user_id",
    "platform_visits": "user_id",
    "mfa_authenticator": "user_id",
    "service_tokens": "id",
    "gateways": "id",
    "gateway_buildings": "gateway_id",
    "organizations": "id",
    "buildings": "organization_id",
    "permissions": None,
    "auth_permission": None,
}
"""The column with the subject whose version a row raises; None: the version of everyone."""

NEW_ROWS_GIVE_NOTHING: Final = frozenset({"users", "sign_ins", "service_tokens", "gateways"})
"""A new row is a principal or a credential of its own: nothing has been resolved for it yet."""

NOT_OF_A_PRINCIPAL: Final = frozenset({("gateways", "name"), ("gateways", "public_key")})
"""Read by the same function, but to check a new assertion, which always queries the database."""

BY_TYPE: Final[Mapping[str, str]] = {
    "uuid": "gen_random_uuid()",
    "boolean": "NOT {column}",
    "integer": "{column} + 100000",
    "jsonb": """'{{"mfa_required_for_admins": true}}'""",
    "bytea": "'\\x00'",
    "timestamp with time zone": "coalesce({column}, now()) + interval '1 hour'",
    "ARRAY": "'{{}}'",
    "character varying": "coalesce({column}, '') || 'x'",
}
"""Another value of a column, by its type."""


@pytest.fixture(scope="module")
def school(database: None) -> School:
    """A school with a row in every table that rights are read from."""
    school = make_full_school()
    member = _members(school)[0]
    user = User.objects.get(pk=member)
    Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data={})
    _sign_in(user)
    return school


def test_change_of_every_column_read_for_rights_raises_a_version(school: School) -> None:
    read = _columns_read() - NOT_OF_A_PRINCIPAL
    assert {table for table, _ in read} | {"gateway_buildings"} == set(SUBJECTS)
    silent = []
    for table, column in sorted(read):
        with _unconstrained(table) as cursor:
            row, subject = _some_row(cursor, table)
            before = _versions(cursor)
            cursor.execute(f"UPDATE {table} SET {column} = {_other_value(cursor, table, column)} WHERE ctid = '{row}'")
            if _versions(cursor).get(subject, 0) <= before.get(subject, 0):
                silent.append(f"{table}.{column}")
    assert silent == []


@pytest.mark.parametrize("table", sorted(SUBJECTS))
def test_deleted_row_raises_a_version(school: School, table: str) -> None:
    with _unconstrained(table) as cursor:
        row, subject = _some_row(cursor, table)
        before = _versions(cursor)
        cursor.execute(f"DELETE FROM {table} WHERE ctid = '{row}'")
        assert _versions(cursor).get(subject, 0) > before.get(subject, 0)


@pytest.mark.parametrize("table", sorted(set(SUBJECTS) - NEW_ROWS_GIVE_NOTHING))
def test_inserted_row_raises_a_version(school: School, table: str) -> None:
    with _unconstrained(table) as cursor:
        row, subject = _some_row(cursor, table)
        cursor.execute(f"CREATE TEMP TABLE copied ON COMMIT DROP AS SELECT * FROM {table} WHERE ctid = '{row}'")
        cursor.execute(f"DELETE FROM {table} WHERE ctid = '{row}'")
        before = _versions(cursor)
        cursor.execute(f"INSERT INTO {table} SELECT * FROM copied")
        assert _versions(cursor).get(subject, 0) > before.get(subject, 0)


def test_rolled_back_change_raises_no_version(school: School) -> None:
    before = _versions_now()
    with tenant_scope([school.organization]), transaction.atomic():
        Membership.objects.update(role=Role.VIEWER)
        transaction.set_rollback(True)
    assert _versions_now() == before


def test_routine_writes_raise_no_version(school: School) -> None:
    """Alarms, sign-ins and the last use of credentials do not cause callers to be resolved again."""
    member = _members(school)[0]
    before = _versions_now()
    raise_alert(school)
    _sign_in(User.objects.get(pk=member))
    User.objects.filter(pk=member).update(last_login=timezone.now(), locale="en", phone="+15550100")
    SignIn.objects.filter(user_id=member).update(used_at=timezone.now())
    with tenant_scope([school.organization]):
        Membership.objects.update(title="Nurse")
        ServiceToken.objects.update(used_at=timezone.now())
        Organization.objects.update(name="Other", updated_at=timezone.now())
    assert _versions_now() == before


def test_hot_versions_change_only_for_the_affected_caller(school: School) -> None:
    member = _members(school)[0]
    other = SchoolFactory.create()
    stranger = AccountFactory.create()

    def hot(principal: UUID, organization: UUID) -> tuple[int, int]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT head, rights FROM hot_versions(%s, %s)", [principal, organization])
            head, rights = cursor.fetchone()
        return head, rights

    def change_title_and_role() -> None:
        with tenant_scope([school.organization]):
            Membership.objects.filter(user_id=member).update(role=Role.MANAGER, title="Head of security")

    head, rights = hot(member, school.organization)
    elsewhere = hot(stranger.id, other.organization)
    change_title_and_role()
    assert hot(member, school.organization) == (head, rights + 1)
    raise_alert(school)
    (raised_head, same_rights) = hot(member, school.organization)
    assert raised_head > head and same_rights == rights + 1
    with tenant_scope([school.organization]):
        Organization.objects.update(settings={"locale": "en-GB"})
    assert hot(member, school.organization) == (raised_head, rights + 2)
    assert hot(stranger.id, other.organization) == elsewhere


def test_changed_returns_only_subjects_with_a_new_version() -> None:
    person, bystander = AccountFactory.create(), AccountFactory.create()
    known = dict.fromkeys([person.id, bystander.id, person.organization, new_id()], versions.UNKNOWN)
    known |= versions.changed(known)
    assert versions.UNKNOWN not in known.values()
    assert versions.changed(known) == {}
    with tenant_scope([person.organization]):
        Membership.objects.update(role=Role.VIEWER)
    assert versions.changed(known) == {person.id: known[person.id] + 1}


def test_concurrent_changes_of_the_same_rights_are_serialized() -> None:
    """Versions rise in the order of commits, so that no change is hidden behind the version of another."""
    person = AccountFactory.create()
    before = versions.changed({person.id: versions.UNKNOWN})[person.id]
    with transaction.atomic(using="owner"), connections["owner"].cursor() as other:
        other.execute("UPDATE user_organizations SET role = 'viewer' WHERE user_id = %s", [person.id])
        with pytest.raises(OperationalError, match="lock timeout"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '50ms'")
            cursor.execute("UPDATE users SET last_name = 'Two' WHERE id = %s", [person.id])
    User.objects.filter(pk=person.id).update(last_name="Two")
    assert versions.changed({person.id: before}) == {person.id: before + 2}


ENDS: Final[Mapping[str, Callable[[Principal, Any], object]]] = {
    "sign-in": lambda principal, at: SignIn.objects.filter(user_id=principal.id).update(expires_at=at),
    "membership": lambda principal, at: Membership.objects.filter(user_id=principal.id).update(expires_at=at),
    "visit": lambda principal, at: _visit(principal, started_at=at - timedelta(hours=1), ends_at=at),
    "visit that begins": lambda principal, at: _visit(principal, started_at=at, ends_at=at + timedelta(hours=1)),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
def test_expiries_returns_the_earliest_change_by_time(
    end: Callable[[Principal, Any], object],
) -> None:
    now = timezone.now()
    person = AccountFactory.create()
    principal = person_principal(person.id, sign_in=_sign_in(person.user))
    assert principal is not None
    (at_first,) = versions.expiries([principal], now=now).values()
    at = now + timedelta(minutes=5)
    with tenant_scope([person.organization]):
        end(principal, at)
    assert versions.expiries([principal], now=now) == {(principal.id, principal.sign_in): at}
    assert at < at_first


def test_expiries_includes_service_tokens() -> None:
    school = SchoolFactory.create()
    id_, _ = make_service_token(school, frozenset({"alerts:read"}))
    with tenant_scope([school.organization]):
        ends = ServiceToken.objects.get(pk=id_).expires_at
    service = Principal(kind=school.gateway_principal.kind, id=id_, name="")
    assert versions.expiries([service], now=timezone.now()) == {(id_, None): ends}


def _visit(principal: Principal, **times: Any) -> None:
    organization = next(iter(principal.grants))
    Visit.objects.create(organization_id=organization, user_id=principal.id, reason="A look", **times)


def _sign_in(user: User) -> UUID:
    lifetime = timedelta(hours=1)
    begun = sign_in.new_sign_in(
        user=user, kind=SignInKind.APP, device="", address="", lifetime=lifetime, now=timezone.now()
    )
    return begun.id


def _members(school: School) -> list[UUID]:
    with tenant_scope([school.organization]):
        return list(Membership.objects.values_list("user_id", flat=True))


def _columns_read() -> set[tuple[str, str]]:
    """Every column that a query for rights reads, as PostgreSQL reports for a view of the query."""
    with _undone() as cursor:
        cursor.execute("SELECT proname, prosrc FROM pg_proc WHERE proname = ANY (%s)", [list(FUNCTIONS)])
        bodies = dict(cursor.fetchall())
        assert set(bodies) == set(FUNCTIONS)
        for number, body in enumerate([*bodies.values(), grants.PEOPLE_AND_GRANTS]):
            cursor.execute(f"CREATE VIEW question_{number} AS {_with_constants(body)}")
        cursor.execute(
            "SELECT DISTINCT table_name::text, column_name::text FROM information_schema.view_column_usage"
            " WHERE view_name LIKE 'question_%'"
        )
        return set(cursor.fetchall())


def _with_constants(query: str) -> str:
    """The query without parameters, as a view needs it."""
    text = re.sub(r"%\(now\)s|(?<=<= )at\b|(?<=> )at\b|\bat\b(?= <)", "now()", query)
    text = re.sub(r"%\((people|sign_ins)\)s", "'{}'", text).replace("%(operators_need_one)s", "true")
    text = re.sub(r"(?<== )(person|principal|sign_in|gateway)\b(?!\.)", "gen_random_uuid()", text)
    return re.sub(r"(?<== )secret\b", "''::bytea", text)


@contextmanager
def _undone() -> Iterator[Any]:
    with transaction.atomic(using="owner"), connections["owner"].cursor() as cursor:
        yield cursor
        transaction.set_rollback(True, using="owner")


@contextmanager
def _unconstrained(table: str) -> Iterator[Any]:
    """A transaction that is rolled back, in which each column of the table can be changed by itself."""
    with _undone() as cursor:
        cursor.execute(
            "SELECT conrelid::regclass::text, quote_ident(conname) FROM pg_constraint"
            " WHERE contype IN ('f', 'c') AND conparentid = 0 AND %s::regclass IN (conrelid, confrelid)",
            [table],
        )
        for constrained, name in cursor.fetchall():
            cursor.execute(f"ALTER TABLE {constrained} DROP CONSTRAINT {name}")
        yield cursor


def _some_row(cursor: Any, table: str) -> tuple[str, UUID]:
    column = SUBJECTS[table]
    cursor.execute(f"SELECT ctid::text, {column or 'NULL'} FROM {table} LIMIT 1")
    row, subject = cursor.fetchone()
    return row, versions.EVERYBODY if column is None else subject


def _other_value(cursor: Any, table: str, column: str) -> str:
    cursor.execute(
        "SELECT data_type FROM information_schema.columns WHERE table_name = %s AND column_name = %s", [table, column]
    )
    (type_,) = cursor.fetchone()
    return BY_TYPE[type_].format(column=column)


def _versions(cursor: Any) -> dict[UUID, int]:
    cursor.execute("SELECT subject, version FROM rights_versions")
    return dict(cursor.fetchall())


def _versions_now() -> dict[UUID, int]:
    with connections["owner"].cursor() as cursor:
        return _versions(cursor)
