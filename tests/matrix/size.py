"""Many schools that are copies of one: every table that has rows of it is filled, also one that is new."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db import connections
from psycopg import sql

from tests.cloud.catalogue import references, tenant_tables


@dataclass(frozen=True)
class _Column:
    name: str
    type: str
    is_unique: bool


PEOPLE: Final = sql.SQL(
    "t.{} IN (SELECT user_id FROM user_organizations WHERE organization_id = %(organization)s"
    " UNION SELECT user_id FROM platform_visits WHERE organization_id = %(organization)s)"
)
"""Who belongs to the school, and who looked into it."""


def copy_school(organization: UUID, copies: int) -> None:
    """Copy every row of a school, and its people, so many times; then let the planner know of it.

    Each UUID becomes another one that depends on the copy alone, so that rows of a copy point at each other as those of
    the first do; a text that must be unique gets the copy's number.
    """
    tables = _parents_first({table.name: str(table.tenant_column) for table in tenant_tables()})
    with connections["owner"].cursor() as cursor:
        _copy("public.users", PEOPLE.format(sql.Identifier("id")), organization, copies)
        _copy("public.sign_ins", PEOPLE.format(sql.Identifier("user_id")), organization, copies)
        for name, tenant in tables:
            where = sql.SQL("t.{} = %(organization)s").format(sql.Identifier(tenant))
            _copy(name, where, organization, copies)
        cursor.execute("ANALYZE")


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
    """Those that PostgreSQL does not fill in itself."""
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


def _parents_first(tables: dict[str, str]) -> list[tuple[str, str]]:
    """The tables with their tenant columns, none before one that it points at."""
    waits_for = {
        name: {one.target for one in references() if one.table == name and one.target in tables} - {name}
        for name in tables
    }
    ordered: list[tuple[str, str]] = []
    while waits_for:
        free = sorted(name for name, parents in waits_for.items() if not parents & waits_for.keys())
        assert free, f"foreign keys go in a circle: {sorted(waits_for)}"
        ordered += [(name, tables[name]) for name in free]
        for name in free:
            del waits_for[name]
    return ordered
