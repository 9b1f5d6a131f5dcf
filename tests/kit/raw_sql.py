"""Raw SQL as the application's role, and its result."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from uuid import UUID, uuid4

from django.db import DatabaseError, connections, transaction
from psycopg import sql

from apps.common.db.scope import tenant_scope
from tests.kit.catalogue import Relation

DENIED: Final = "42501"
"""insufficient_privilege: no grant, or a row that a policy refuses."""
FOREIGN_KEY: Final = "23503"


@contextmanager
def as_app(*organizations: UUID) -> Iterator[None]:
    """Run raw SQL on a connection that was used in another scope; roll back all writes."""
    connection = connections["default"]
    with tenant_scope([uuid4()]), connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user, current_setting('safesignal.organizations', true)")
        assert cursor.fetchone() == ("safesignal_app", ""), "the connection was not used by the application before"
    with transaction.atomic():
        if organizations:
            with connection.cursor() as cursor:
                setting = "{" + ",".join(map(str, organizations)) + "}"
                cursor.execute("SELECT set_config('safesignal.organizations', %s, true)", [setting])
        yield
        transaction.set_rollback(True)


def attempt(statement: sql.Composable, *params: UUID | str | None, alias: str = "default") -> str | int:
    """Return the number of rows a statement affected, or the SQLSTATE of its error; roll back its changes."""
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
    """Return how many rows the school has in the table, and a digest of them, as the table owner."""
    name, tenant = names(table)
    statement = sql.SQL("SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {} t WHERE {} = %s")
    with connections["owner"].cursor() as cursor:
        cursor.execute(statement.format(name, tenant), [organization])
        row = cursor.fetchone()
    assert row is not None
    return row[0], row[1]
