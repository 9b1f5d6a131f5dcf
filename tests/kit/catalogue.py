"""The tables of the database as PostgreSQL's catalogue lists them, so that tests cover every table."""

from dataclasses import dataclass

from django.db import connections

ROLES = ("safesignal_app", "safesignal_system", "safesignal_owner")


@dataclass(frozen=True)
class Relation:
    """A table, partition, view or any other relation that can be selected from."""

    name: str
    kind: str
    is_partition: bool
    secured: bool
    forced: bool
    columns: frozenset[str]
    app_grants: frozenset[str]
    """Rights of `app` on the whole table or on a column."""

    @property
    def is_retired(self) -> bool:
        """Whether this is an expired partition, in a schema that only the owner can use."""
        return self.name.startswith("retired.")

    @property
    def tenant_column(self) -> str | None:
        if self.name == "public.organizations":
            return "id"
        return "organization_id" if "organization_id" in self.columns else None


@dataclass(frozen=True)
class Reference:
    """A foreign key, with its columns in order."""

    name: str
    table: str
    columns: tuple[str, ...]
    target: str
    target_columns: tuple[str, ...]
    rule: str
    """ON DELETE, as PostgreSQL writes it: `c` cascade, `n` set null, `a` no action."""


def relations() -> list[Relation]:
    """Return every relation outside PostgreSQL's own schemas that holds rows."""
    sql = """
        SELECT n.nspname || '.' || c.relname, c.relkind::text,
               c.relispartition, c.relrowsecurity, c.relforcerowsecurity,
               ARRAY (SELECT attname::text FROM pg_attribute
                      WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped),
               ARRAY (SELECT p FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']) p
                      WHERE has_any_column_privilege('safesignal_app', c.oid, p)
                      UNION ALL
                      SELECT p FROM unnest(ARRAY['DELETE', 'TRUNCATE', 'TRIGGER', 'MAINTAIN']) p
                      WHERE has_table_privilege('safesignal_app', c.oid, p))
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind NOT IN ('i', 'I', 'S', 't', 'c')
            AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
        ORDER BY 1
    """
    with connections["owner"].cursor() as cursor:
        cursor.execute(sql)
        return [
            Relation(name, kind, partition, secured, forced, frozenset(columns), frozenset(grants))
            for name, kind, partition, secured, forced, columns, grants in cursor.fetchall()
        ]


def tenant_tables() -> list[Relation]:
    """Return tables with tenant rows, without their partitions and without retired tables."""
    return [one for one in relations() if one.tenant_column and not one.is_partition and not one.is_retired]


def references() -> list[Reference]:
    """Return the foreign keys of every table; those of a partition are copies of its parent's."""
    sql = """
        SELECT k.conname::text, s.nspname || '.' || t.relname, fs.nspname || '.' || f.relname, k.confdeltype::text,
               ARRAY (SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS c(n, i)
                      JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = c.n ORDER BY c.i),
               ARRAY (SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY AS c(n, i)
                      JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = c.n ORDER BY c.i)
        FROM pg_constraint k
        JOIN pg_class t ON t.oid = k.conrelid JOIN pg_namespace s ON s.oid = t.relnamespace
        JOIN pg_class f ON f.oid = k.confrelid JOIN pg_namespace fs ON fs.oid = f.relnamespace
        WHERE k.contype = 'f' AND k.conparentid = 0 ORDER BY 2, 1
    """
    with connections["owner"].cursor() as cursor:
        cursor.execute(sql)
        return [
            Reference(name, table, tuple(columns), target, tuple(target_columns), rule)
            for name, table, target, rule, columns, target_columns in cursor.fetchall()
        ]
