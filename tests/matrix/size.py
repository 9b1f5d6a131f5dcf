"""Many schools that are copies of one: every table that has rows of it is filled, including new tables."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db import connections
from psycopg import sql

from tests.environment import as_superuser
from tests.kit.catalogue import tenant_tables


@dataclass(frozen=True)
class _Column:
    name: str
    type: str
    is_unique: bool


PEOPLE: Final = sql.SQL(
    "t.{} IN (SELECT user_id FROM user_organizations WHERE organization_id = %(organization)s"
    " UNION SELECT user_id FROM platform_visits WHERE organization_id = %(organization)s)"
)
"""People who belong to the school, and people who visited it."""


@contextmanager
def school_copied(organization: UUID, copies: int) -> Iterator[None]:
    """Copy every row of a school and its people `copies` times, and update the planner's statistics. The copies are
    deleted at the end of the block: every later test that reads all schools would read them too.

    Each UUID is replaced by one derived from it and the copy's number, so that rows of a copy reference each other like
    the originals; a text that must be unique gets the copy's number. Triggers and foreign keys, which the originals
    satisfied, are not checked again for each copy.
    """
    as_superuser("GRANT SET ON PARAMETER session_replication_role TO safesignal_owner")
    parts = [
        ("public.users", sql.Identifier("id"), PEOPLE.format(sql.Identifier("id"))),
        ("public.sign_ins", sql.Identifier("user_id"), PEOPLE.format(sql.Identifier("user_id"))),
    ]
    for table in tenant_tables():
        column = sql.Identifier(str(table.tenant_column))
        parts.append((table.name, column, sql.SQL("t.{} = %(organization)s").format(column)))
    with _replicating():
        for name, _, where in parts:
            _copy(name, where, organization, copies)
    yield
    with _replicating():
        for name, column, where in parts:
            _remove_copies(name, column, where, organization, copies)


@contextmanager
def _replicating() -> Iterator[None]:
    """Disable triggers and foreign keys for the block, then update the planner's statistics."""
    with connections["owner"].cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        yield
        cursor.execute("RESET session_replication_role")
        cursor.execute("ANALYZE")


def _remove_copies(name: str, column: sql.Composable, where: sql.Composable, organization: UUID, copies: int) -> None:
    statement = sql.SQL(
        "DELETE FROM {table} WHERE {column} IN ("
        "SELECT md5(first || ' ' || n)::uuid FROM (SELECT DISTINCT t.{column} AS first FROM {table} t WHERE {where}) f,"
        " generate_series(1, %(copies)s) n)"
    ).format(table=sql.Identifier(*name.split(".")), column=column, where=where)
    with connections["owner"].cursor() as cursor:
        cursor.execute(statement, {"organization": organization, "copies": copies})


def _copy(name: str, where: sql.Composable, organization: UUID, copies: int) -> None:
    columns = _columns(name)
    statement = sql.SQL(
        "INSERT INTO {table} ({columns}) SELECT {values} FROM {table} t, generate_series(1, %(copies)s) n WHERE {where}"
        " ON CONFLICT DO NOTHING"
    ).format(
        table=sql.Identifier(*name.split(".")),
        columns=sql.SQL(", ").join(sql.Identifier(column.name) for column in columns),
        values=sql.SQL(", ").join(map(_value, columns)),
        where=where,
    )
    with connections["owner"].cursor() as cursor:
        cursor.execute(statement, {"organization": organization, "copies": copies})


def _value(column: _Column) -> sql.Composable:
    name = sql.SQL("t.") + sql.Identifier(column.name)
    if column.type == "uuid":
        return sql.SQL("md5({} || ' ' || n)::uuid").format(name)
    if column.is_unique and column.type == "bytea":
        return sql.SQL("sha256({} || n::text::bytea)").format(name)
    if column.is_unique and column.type in {"text", "character varying"}:
        return sql.SQL("{} || '-' || n").format(name)
    return name


def _columns(table: str) -> list[_Column]:
    """Return the columns that PostgreSQL does not fill in itself."""
    query = """
        SELECT a.attname, format_type(a.atttypid, NULL), EXISTS (
            SELECT FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisunique AND (
                a.attnum = ANY (i.indkey) OR pg_get_indexdef(i.indexrelid) LIKE '%%' || a.attname || '%%'))
        FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped
            AND a.attidentity = '' AND a.attgenerated = ''
            AND coalesce(pg_get_expr(d.adbin, d.adrelid) NOT LIKE 'nextval(%%', true)
        ORDER BY a.attnum
    """
    with connections["owner"].cursor() as cursor:
        cursor.execute(query, [table])
        return [_Column(*row) for row in cursor.fetchall()]
