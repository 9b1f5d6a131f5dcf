"""Raw SQL as the application's role, and what came of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from uuid import UUID, uuid4

from django.db import DatabaseError, connections, transaction
from psycopg import sql

from apps.common.db.scope import tenant_scope
from tests.cloud.catalogue import Relation

DENIED: Final = "42501"
"""insufficient_privilege: no grant, or a row that a policy refuses."""
FOREIGN_KEY: Final = "23503"


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
