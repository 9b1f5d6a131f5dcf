"""A school never reads or writes rows of another: PostgreSQL enforces it for every table in its catalogue."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from django.apps import apps
from django.db import connections, models
from psycopg import sql

from apps.common.db.scope import ScopeError, system_scope, tenant_scope
from tests.kit.catalogue import relations, tenant_tables
from tests.kit.raw_sql import DENIED, as_app, attempt, names, print_of
from tests.kit.school import School


@pytest.fixture
def untouched(schools: tuple[School, School]) -> Iterator[None]:
    """Fail the test when any row of either school has changed."""
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
def test_rows_of_another_school_cannot_be_read_changed_or_deleted(scope: str, schools: tuple[School, School]) -> None:
    """Without a scope or in another tenant's scope, rows of a school are invisible to the application."""
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
def test_queries_without_a_scope_return_no_rows(statement: str, schools: tuple[School, School]) -> None:
    """No error either, on a connection where the setting is '' instead of NULL as on a fresh one."""
    with as_app():
        found = {table.name: attempt(sql.SQL(statement).format(names(table)[0])) for table in tenant_tables()}
    assert {name for name, rows in found.items() if rows != 0} == set()


def test_scope_of_a_school_returns_only_its_own_rows(schools: tuple[School, School]) -> None:
    """The rows that the tests above find hidden exist."""
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
def test_rows_cannot_be_inserted_into_another_school(scope: str, schools: tuple[School, School]) -> None:
    """A copy of each row, with its own keys or new ones, is refused before any key is checked."""
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
def test_rows_cannot_be_moved_to_another_school(schools: tuple[School, School]) -> None:
    """A school can move its rows neither to another school nor to no school."""
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


def test_audit_entry_without_tenant_can_be_written_but_not_read() -> None:
    """`no_tenant_yet` allows only this: recording a refused sign-in before a tenant is identified."""
    row = "INSERT INTO audit_entries (id, at, actor_kind, action, target_kind, outcome, detail) VALUES"
    values = "(gen_random_uuid(), now(), 'nobody', 'auth.login', 'user', 'refused', '{}')"
    with as_app():
        assert attempt(sql.SQL(f"{row} {values}")) == 1
        assert attempt(sql.SQL("SELECT 1 FROM audit_entries")) == 0


def test_app_cannot_truncate(schools: tuple[School, School]) -> None:
    """TRUNCATE is not subject to policies."""
    refused = {table.name: attempt(sql.SQL("TRUNCATE {} CASCADE").format(names(table)[0])) for table in tenant_tables()}
    assert set(refused.values()) == {DENIED}
    assert [one.name for one in relations() if one.app_grants & {"TRUNCATE", "TRIGGER", "REFERENCES", "MAINTAIN"}] == []


def test_partitions_have_no_grants(schools: tuple[School, School]) -> None:
    """A grant on a partition would bypass its parent's policy; tried with each statement, as app and as system.

    The same holds for a retired month.
    """
    with system_scope(), connections["system"].cursor() as cursor:
        for function in ("partition_ensure", "partition_retire"):
            cursor.execute(f"SELECT {function}('alert_history', '1999-01-01')")
    assert any(one.is_retired for one in relations())
    partitions = [one for one in relations() if one.is_partition or one.is_retired]
    assert len(partitions) >= 4, "at least the default partitions of three alert tables and of the metrics"
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


def tenant_models() -> list[type[models.Model]]:
    """Return every model whose table has tenant rows."""
    tables = {table.name for table in tenant_tables()}
    return [model for model in apps.get_models() if f"public.{model._meta.db_table}" in tables]


def test_managers_refuse_a_query_without_a_scope() -> None:
    """Raise an error immediately, where PostgreSQL would return an empty list."""
    found = tenant_models()
    assert {f"public.{model._meta.db_table}" for model in found} == {table.name for table in tenant_tables()}
    for model in found:
        for manager in model._meta.managers:
            for use in (manager.all, manager.count, manager.exists, manager.first):
                with pytest.raises(ScopeError):
                    use()


def test_managers_return_the_rows_of_their_scope(schools: tuple[School, School]) -> None:
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
    """A nested scope could widen the outer one unnoticed."""
    with tenant_scope([schools[0].organization]), pytest.raises(ScopeError), tenant_scope([schools[1].organization]):
        pass


def test_scope_ends_with_its_transaction(schools: tuple[School, School]) -> None:
    """Also when the transaction ends with an error."""
    with pytest.raises(ZeroDivisionError), tenant_scope([schools[0].organization]):
        _ = 1 / 0
    assert attempt(sql.SQL("SELECT 1 FROM organizations")) == 0
    with pytest.raises(ScopeError):
        tenant_models()[0]._default_manager.count()
