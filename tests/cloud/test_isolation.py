"""One school never reads or writes another's rows: held by PostgreSQL itself, for every table that it knows."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from uuid import UUID, uuid4

import pytest
from django.apps import apps
from django.db import DatabaseError, connections, models, transaction
from psycopg import sql

from apps.common.scope import ScopeError, system_scope, tenant_scope
from tests.cloud.catalogue import ROLES, Reference, Relation, references, relations, tenant_tables
from tests.cloud.full_school import make_full_school
from tests.cloud.school import School

DENIED: Final = "42501"
"""insufficient_privilege: no grant, or a row that a policy refuses."""
FOREIGN_KEY: Final = "23503"

READ_WRITE: Final = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE"})
NOTHING: Final[frozenset[str]] = frozenset()

WITHOUT_TENANT: Final = {
    # People are read before anyone is known; who belongs where is said by memberships, which have a tenant.
    "public.users": frozenset({"SELECT", "INSERT", "UPDATE"}),
    # Found by the digest of a secret that only its owner has.
    "public.refresh_tokens": READ_WRITE,
    # Found by a session key that only its owner has.
    "public.django_session": READ_WRITE,
    # The same for every tenant, and written by migrations alone.
    "public.permissions": frozenset({"SELECT"}),
    "public.django_content_type": frozenset({"SELECT"}),
    "public.auth_permission": frozenset({"SELECT"}),
    # Not used: no grant at all.
    "public.auth_group": NOTHING,
    "public.auth_group_permissions": NOTHING,
    "public.django_migrations": NOTHING,
}
"""Each table that belongs to no tenant, with all that `app` may do there: its lock."""

NO_FOREIGN_KEY: Final = {
    # A record of what was true then: it outlives the gateway.
    ("alert_history", "gateway"),
    ("gateway_events", "gateway"),
}

SECURITY_DEFINERS: Final = {
    # What is asked before a tenant is known: callable by app, and each answers about the one id that it is given.
    "gateway_credentials(uuid)": ("safesignal_system", "safesignal_app"),
    "principal_grants(uuid)": ("safesignal_system", "safesignal_app"),
    # Partitions need their parent's owner: callable by the partition keeper alone.
    "partition_ensure(text,date)": ("safesignal_owner", "safesignal_system"),
    "partition_months(text)": ("safesignal_owner", "safesignal_system"),
    "partition_retire(text,date)": ("safesignal_owner", "safesignal_system"),
}
"""Each function that runs with its owner's rights: its owner, and who may call it beside."""


@pytest.fixture(scope="module")
def schools(database: None) -> tuple[School, School]:
    """Ours and another, each with a row in every tenant table."""
    return make_full_school(), make_full_school()


@contextmanager
def as_app(*organizations: UUID) -> Iterator[None]:
    """Raw SQL on a connection that has been in another scope; what it writes is rolled back."""
    connection = connections["default"]
    with tenant_scope([uuid4()]), connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user, current_setting('safesignal.organizations', true)")
        assert cursor.fetchone() == ("safesignal_app", ""), "the connection is not a used one of the application"
    with transaction.atomic():
        if organizations:
            with connection.cursor() as cursor:
                setting = "{" + ",".join(map(str, organizations)) + "}"
                cursor.execute("SELECT set_config('safesignal.organizations', %s, true)", [setting])
        yield
        transaction.set_rollback(True)


def attempt(statement: sql.Composable, *params: UUID | str | None, alias: str = "default") -> str | int:
    """How many rows a statement touched, or the SQLSTATE of its refusal. Nothing of it stays."""
    try:
        with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
            cursor.execute(statement, params)
            touched: int = cursor.rowcount
            transaction.set_rollback(True, using=alias)
            return touched
    except DatabaseError as error:
        return str(getattr(error.__cause__, "sqlstate", error))


def names(table: Relation) -> tuple[sql.Identifier, sql.Identifier]:
    """The table and its tenant column, quoted."""
    return sql.Identifier(*table.name.split(".")), sql.Identifier(table.tenant_column or "")


def print_of(table: Relation, organization: UUID) -> tuple[int, str]:
    """How many rows the school has there, and a digest of all that is in them: as the owner sees it."""
    name, tenant = names(table)
    statement = sql.SQL("SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {} t WHERE {} = %s")
    with connections["owner"].cursor() as cursor:
        cursor.execute(statement.format(name, tenant), [organization])
        row = cursor.fetchone()
    assert row is not None
    return row[0], row[1]


@pytest.fixture
def untouched(schools: tuple[School, School]) -> Iterator[None]:
    """Fails the test when anything of either school is another than before."""
    before = {(t.name, s.organization): print_of(t, s.organization) for t in tenant_tables() for s in schools}
    yield
    after = {(t.name, s.organization): print_of(t, s.organization) for t in tenant_tables() for s in schools}
    assert after == before


def test_every_tenant_table_has_rows_of_both_schools(schools: tuple[School, School]) -> None:
    """Without rows there is nothing to protect: a new table gets a row in `full_school.py`."""
    empty = [t.name for t in tenant_tables() for s in schools if not print_of(t, s.organization)[0]]
    assert not empty


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("scope", ["none", "foreign"])
def test_nothing_of_another_school_is_read_changed_or_deleted(scope: str, schools: tuple[School, School]) -> None:
    """Without a scope and in a foreign one, the application's rows of a school are not there."""
    mine, other = schools
    wrong: list[tuple[str, str, str | int]] = []
    with as_app(*([other.organization] if scope == "foreign" else [])):
        for table in tenant_tables():
            name, tenant = names(table)
            statements = {
                "select": "SELECT 1 FROM {name} WHERE {tenant} = %s",
                "lock": "SELECT 1 FROM {name} WHERE {tenant} = %s FOR UPDATE",
                "update": "UPDATE {name} SET {tenant} = {tenant} WHERE {tenant} = %s",
                "delete": "DELETE FROM {name} WHERE {tenant} = %s",
            }
            for verb, text in statements.items():
                found = attempt(sql.SQL(text).format(name=name, tenant=tenant), mine.organization)
                if found not in {0, DENIED} or (verb == "select" and found != 0):
                    wrong.append((table.name, verb, found))
    assert not wrong


@pytest.mark.parametrize("statement", ["SELECT 1 FROM {}", "SELECT 1 FROM ONLY {}"])
def test_without_a_scope_there_are_no_rows(statement: str, schools: tuple[School, School]) -> None:
    """Not an error either, on a connection that answers '' where a fresh one answers NULL."""
    with as_app():
        found = {table.name: attempt(sql.SQL(statement).format(names(table)[0])) for table in tenant_tables()}
    assert {name for name, rows in found.items() if rows != 0} == set()


def test_in_its_own_scope_a_school_sees_its_rows_and_no_others(schools: tuple[School, School]) -> None:
    """What the tests above find hidden is there."""
    mine, _ = schools
    wrong = []
    with as_app(mine.organization):
        for table in tenant_tables():
            name, tenant = names(table)
            own = attempt(sql.SQL("SELECT 1 FROM {} WHERE {} = %s").format(name, tenant), mine.organization)
            everything = attempt(sql.SQL("SELECT 1 FROM {}").format(name))
            if not own or own != everything or own != print_of(table, mine.organization)[0]:
                wrong.append((table.name, own, everything))
    assert not wrong


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("scope", ["none", "foreign"])
def test_no_row_is_written_into_another_school(scope: str, schools: tuple[School, School]) -> None:
    """A copy of each row, its keys as they are or new: refused before any key is looked at."""
    mine, other = schools
    wrong: list[tuple[str, str | int]] = []
    for table in tenant_tables():
        name, tenant = names(table)
        with connections["owner"].cursor() as cursor:
            cursor.execute(
                sql.SQL("SELECT to_jsonb(t)::text FROM {} t WHERE {} = %s LIMIT 1").format(name, tenant),
                [mine.organization],
            )
            row = cursor.fetchone()
        assert row is not None
        with as_app(*([other.organization] if scope == "foreign" else [])):
            copy = sql.SQL("INSERT INTO {0} SELECT * FROM jsonb_populate_record(NULL::{0}, %s::jsonb)")
            found = attempt(copy.format(name), row[0])
        if found != DENIED:
            wrong.append((table.name, found))
    assert not wrong


@pytest.mark.usefixtures("untouched")
def test_no_row_is_given_away(schools: tuple[School, School]) -> None:
    """A school can not hand one of its own rows to another school, nor to nobody."""
    mine, other = schools
    wrong: list[tuple[str, str | int]] = []
    with as_app(mine.organization):
        for table in tenant_tables():
            name, tenant = names(table)
            for receiver in (other.organization, uuid4(), None):
                found = attempt(sql.SQL("UPDATE {} SET {} = %s").format(name, tenant), receiver)
                if found != DENIED:
                    wrong.append((table.name, found))
    assert not wrong


def test_partitions_have_no_grants(schools: tuple[School, School]) -> None:
    """A grant on a partition would go round its parent's policy; tried with each statement, as app and as system.

    So too for a month that was retired.
    """
    with system_scope(), connections["system"].cursor() as cursor:
        for function in ("partition_ensure", "partition_retire"):
            cursor.execute(f"SELECT {function}('alert_history', '1999-01-01')")
    assert any(one.is_retired for one in relations())
    partitions = [one for one in relations() if one.is_partition or one.is_retired]
    assert len(partitions) >= 4, "the defaults of three tables of alerts and of the metrics, at least"
    wrong: list[tuple[str, str, str, str | int]] = []
    for partition in partitions:
        name = sql.Identifier(*partition.name.split("."))
        for alias in ("default", "system"):
            for text in ("SELECT 1 FROM {}", "DELETE FROM {}", "INSERT INTO {} DEFAULT VALUES", "TRUNCATE {}"):
                found = attempt(sql.SQL(text).format(name), alias=alias)
                if found != DENIED:
                    wrong.append((partition.name, alias, text, found))
    assert not wrong
    assert [one.name for one in partitions if one.app_grants] == []


def test_every_table_has_a_tenant_or_a_named_lock() -> None:
    """A new table without `organization_id` fails here until its lock is written down; so does a changed grant."""
    found = {one.name: one.app_grants for one in relations() if not one.tenant_column and not one.is_partition}
    assert found == WITHOUT_TENANT


def test_only_tables_hold_rows() -> None:
    """A view reads with its owner's rights, and a materialized one has no policies: there are none."""
    assert {one.name for one in relations() if one.kind not in {"r", "p"}} == set()


def test_row_level_security_is_forced_on_every_tenant_table() -> None:
    """Forced, since without it the owner of a table passes its policies."""
    assert [one.name for one in tenant_tables() if not (one.secured and one.forced)] == []


def test_every_tenant_table_has_one_policy_for_each_role() -> None:
    """None is for PUBLIC, and that of the application compares with the scope, in what it reads and what it writes."""
    query = """
        SELECT schemaname || '.' || tablename, policyname::text, permissive, roles::text[], cmd, qual, with_check
        FROM pg_policies
    """
    with connections["owner"].cursor() as cursor:
        cursor.execute(query)
        found = cursor.fetchall()
    tables = {table.name: table for table in tenant_tables()}
    assert {name for name, *_ in found} == set(tables)
    expected = {
        (table, policy, role)
        for table in tables
        for policy, role in zip(("tenant", "every_tenant", "migrations"), ROLES, strict=True)
    } | {("public.audit_entries", "no_tenant_yet", "safesignal_app")}
    assert {(table, policy, role) for table, policy, _, roles, *_ in found for role in roles} == expected
    for table, policy, _, _, command, using, check in found:
        if policy == "tenant":
            condition = f"({tables[table].tenant_column} = ANY (( SELECT (NULLIF(current_setting("
            assert command == "ALL" and using.startswith(condition) and check == using


def test_an_audit_entry_of_nobody_is_written_and_never_read() -> None:
    """`no_tenant_yet` lets a refused sign-in be recorded before any tenant is known; no more."""
    row = "INSERT INTO audit_entries (id, at, actor_kind, action, target_kind, outcome, detail) VALUES"
    values = "(gen_random_uuid(), now(), 'nobody', 'auth.login', 'user', 'refused', '{}')"
    with as_app():
        assert attempt(sql.SQL(f"{row} {values}")) == 1
        assert attempt(sql.SQL("SELECT 1 FROM audit_entries")) == 0


def test_no_role_passes_row_level_security() -> None:
    """Nor is a table the property of a role that serves people, nor is one of the roles a member of a greater."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            "SELECT rolname, rolsuper OR rolbypassrls OR rolcreaterole OR rolreplication FROM pg_roles"
            " WHERE rolname LIKE 'safesignal%'"
        )
        assert dict(cursor.fetchall()) == dict.fromkeys(ROLES, False)
        cursor.execute(
            "SELECT m.roleid::regrole::text, m.member::regrole::text, m.inherit_option FROM pg_auth_members m"
            " WHERE m.member::regrole::text = ANY (%s)",
            [list(ROLES)],
        )
        assert cursor.fetchall() == [("safesignal_system", "safesignal_owner", False)]
        cursor.execute("SELECT DISTINCT tableowner::text FROM pg_tables WHERE schemaname IN ('public', 'retired')")
        assert cursor.fetchall() == [("safesignal_owner",)]


def test_app_cannot_truncate(schools: tuple[School, School]) -> None:
    """TRUNCATE asks no policy."""
    refused = {table.name: attempt(sql.SQL("TRUNCATE {} CASCADE").format(names(table)[0])) for table in tenant_tables()}
    assert set(refused.values()) == {DENIED}
    assert [one.name for one in relations() if one.app_grants & {"TRUNCATE", "TRIGGER", "REFERENCES", "MAINTAIN"}] == []


def test_app_makes_nothing_in_the_database() -> None:
    """No table, function or schema of its own, so that nobody can put one in front of ours."""
    for text in (
        "CREATE TABLE public.trap ()",
        "CREATE SCHEMA trap",
        "CREATE TEMP TABLE users ()",
        "SET ROLE safesignal_system",
    ):
        assert attempt(sql.SQL(text)) == DENIED


def test_security_definers_are_few_and_named() -> None:
    """Each has a fixed search_path and is callable by exactly the role that needs it, never by PUBLIC."""
    query = """
        SELECT p.oid::regprocedure::text, p.proowner::regrole::text, p.proconfig,
               ARRAY (SELECT coalesce(nullif(a.grantee, 0)::regrole::text, 'PUBLIC')
                      FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a)
        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE p.prosecdef AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
    """
    with connections["owner"].cursor() as cursor:
        cursor.execute(query)
        found = cursor.fetchall()
    assert {name for name, *_ in found} == set(SECURITY_DEFINERS)
    for name, owner, settings, callers in found:
        expected_owner, caller = SECURITY_DEFINERS[name]
        assert owner == expected_owner, name
        assert set(callers) == {expected_owner, caller}, name
        assert "search_path=public, pg_temp" in (settings or []), name


def tenant_references() -> list[Reference]:
    """Foreign keys from one tenant's row to another row of a tenant."""
    tables = {table.name for table in tenant_tables()} - {"public.organizations"}
    return [one for one in references() if one.table in tables and one.target in tables]


def test_a_reference_between_rows_of_tenants_names_the_tenant() -> None:
    """Foreign keys do not see policies: so each holds both rows to one organization."""
    assert tenant_references()
    for one in tenant_references():
        pairs = dict(zip(one.columns, one.target_columns, strict=True))
        assert pairs.get("organization_id") == "organization_id", one.name


def test_a_foreign_key_across_tenants_is_refused(schools: tuple[School, School]) -> None:
    """Each of them tried with a real row of the other school, as the owner, whom neither grant nor policy stops."""
    mine, other = schools
    for one in tenant_references():
        child, target = (sql.Identifier(*name.split(".")) for name in (one.table, one.target))
        ((column, target_column),) = (
            (sql.Identifier(a), sql.Identifier(b))
            for a, b in zip(one.columns, one.target_columns, strict=True)
            if a != "organization_id"
        )
        statement = sql.SQL(
            "UPDATE {child} SET {column} = (SELECT {key} FROM {target} WHERE organization_id = %s LIMIT 1)"
            " WHERE (tableoid, ctid) IN (SELECT tableoid, ctid FROM {child} WHERE organization_id = %s LIMIT 1)"
        ).format(child=child, column=column, key=target_column, target=target)
        assert attempt(statement, other.organization, mine.organization, alias="owner") == FOREIGN_KEY, one.name
        assert attempt(statement, mine.organization, mine.organization, alias="owner") not in {0, FOREIGN_KEY}, one.name


def test_every_reference_of_the_models_is_one_of_the_database() -> None:
    """Django makes none between tenant tables: each that a model declares was made in SQL, or is named here."""
    held = {(one.table, column) for one in references() for column in one.columns}
    missing = {
        (model._meta.db_table, field.name)
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if isinstance(field, models.ForeignKey) and (f"public.{model._meta.db_table}", field.column) not in held
    }
    assert missing == NO_FOREIGN_KEY


def test_every_tenant_row_goes_with_its_organization() -> None:
    """ON DELETE CASCADE from each tenant table, but for the feed's and the audit trail's plain ids."""
    tables = {table.name for table in tenant_tables()} - {"public.organizations"}
    cascading = {one.table for one in references() if one.target == "public.organizations" and one.rule == "c"}
    assert tables - cascading == {"public.organization_heads", "public.feed_events", "public.audit_entries"}


def tenant_models() -> list[type[models.Model]]:
    """Every model whose table has rows of tenants."""
    tables = {table.name for table in tenant_tables()}
    return [model for model in apps.get_models() if f"public.{model._meta.db_table}" in tables]


def test_managers_refuse_a_query_without_a_scope() -> None:
    """An error at once, where PostgreSQL would answer with an empty list."""
    found = tenant_models()
    assert {f"public.{model._meta.db_table}" for model in found} == {table.name for table in tenant_tables()}
    for model in found:
        for manager in model._meta.managers:
            for use in (manager.all, manager.count, manager.exists, manager.first):
                with pytest.raises(ScopeError):
                    use()


def test_managers_see_the_rows_of_their_scope(schools: tuple[School, School]) -> None:
    """And of all its organizations, if it has several."""
    mine, other = schools
    for organizations in ([mine.organization], [mine.organization, other.organization]):
        with tenant_scope(organizations):
            counted = {model._meta.db_table: model._default_manager.count() for model in tenant_models()}
        assert counted == {
            table.name.removeprefix("public."): sum(print_of(table, one)[0] for one in organizations)
            for table in tenant_tables()
        }


def test_scopes_do_not_nest(schools: tuple[School, School]) -> None:
    """A scope inside a scope would widen it unseen."""
    with tenant_scope([schools[0].organization]), pytest.raises(ScopeError), tenant_scope([schools[1].organization]):
        pass


def test_a_scope_ends_with_its_transaction(schools: tuple[School, School]) -> None:
    """Also where it ends with an error."""
    with pytest.raises(ZeroDivisionError), tenant_scope([schools[0].organization]):
        _ = 1 / 0
    assert attempt(sql.SQL("SELECT 1 FROM organizations")) == 0
    with pytest.raises(ScopeError):
        tenant_models()[0]._default_manager.count()
