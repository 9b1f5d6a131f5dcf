"""One school never reads or writes another's rows: held by PostgreSQL itself, for every table that it knows."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from django.apps import apps
from django.db import connections, models
from psycopg import sql

from apps.common.db.scope import ScopeError, system_scope, tenant_scope
from tests.cloud.catalogue import relations, tenant_tables
from tests.cloud.raw import DENIED, as_app, attempt, names, print_of
from tests.cloud.school import School


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


def test_an_audit_entry_of_nobody_is_written_and_never_read() -> None:
    """`no_tenant_yet` lets a refused sign-in be recorded before any tenant is known; no more."""
    row = "INSERT INTO audit_entries (id, at, actor_kind, action, target_kind, outcome, detail) VALUES"
    values = "(gen_random_uuid(), now(), 'nobody', 'auth.login', 'user', 'refused', '{}')"
    with as_app():
        assert attempt(sql.SQL(f"{row} {values}")) == 1
        assert attempt(sql.SQL("SELECT 1 FROM audit_entries")) == 0


def test_app_cannot_truncate(schools: tuple[School, School]) -> None:
    """TRUNCATE asks no policy."""
    refused = {table.name: attempt(sql.SQL("TRUNCATE {} CASCADE").format(names(table)[0])) for table in tenant_tables()}
    assert set(refused.values()) == {DENIED}
    assert [one.name for one in relations() if one.app_grants & {"TRUNCATE", "TRIGGER", "REFERENCES", "MAINTAIN"}] == []


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
