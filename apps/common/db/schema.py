"""Builders of the SQL that every tenant table needs, for migrations only.

Applied migrations do not run again: change a builder only together with a migration that updates existing tables.
"""

from django.db.migrations import RunSQL

SCOPE = "ANY ((SELECT nullif(current_setting('safesignal.organizations', true), '')::uuid[])::uuid[])"
"""The scope in a policy. The inner SELECT runs once per statement; a reused connection returns '', hence `nullif`."""

READ_WRITE = "SELECT, INSERT, UPDATE, DELETE"
APPEND_ONLY = "SELECT, INSERT"


def lock_tenant_table(table: str, *, column: str = "organization_id", grant: str = READ_WRITE) -> RunSQL:
    """Row-level security for one tenant table: `app` can access its scope, `system` and `owner` every row."""
    return RunSQL(
        f"""
        ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
        ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
        CREATE POLICY tenant ON {table} TO safesignal_app USING ({column} = {SCOPE}) WITH CHECK ({column} = {SCOPE});
        CREATE POLICY every_tenant ON {table} TO safesignal_system USING (true) WITH CHECK (true);
        CREATE POLICY migrations ON {table} TO safesignal_owner USING (true) WITH CHECK (true);
        GRANT {grant} ON {table} TO safesignal_app, safesignal_system;
        """,
        RunSQL.noop,
    )


def grant_identity_table(table: str, *, grant: str = READ_WRITE) -> RunSQL:
    """A table that is read before the caller is known: it has no tenant, only this grant and selectors protect it."""
    return RunSQL(f"GRANT {grant} ON {table} TO safesignal_app, safesignal_system;", RunSQL.noop)


def belongs_to_organization(table: str, *, key: bool = True) -> RunSQL:
    """ON DELETE CASCADE to the organization; with `key`, foreign keys can refer to (organization_id, id)."""
    unique = (
        f"ALTER TABLE {table} ADD CONSTRAINT {table}_organization_id_key UNIQUE (organization_id, id);" if key else ""
    )
    return RunSQL(
        f"""
        {unique}
        ALTER TABLE {table} ADD CONSTRAINT {table}_organization_fk
            FOREIGN KEY (organization_id) REFERENCES organizations (id) ON DELETE CASCADE;
        """,
        RunSQL.noop,
    )


def same_tenant_reference(table: str, column: str, target: str, *, on_delete: str) -> RunSQL:
    """A foreign key that cannot cross tenants. `on_delete`: CASCADE, or SET NULL, which clears only `column`."""
    action = f"SET NULL ({column})" if on_delete == "SET NULL" else on_delete
    return RunSQL(
        f"""
        ALTER TABLE {table} ADD CONSTRAINT {table}_{column}_fk FOREIGN KEY (organization_id, {column})
            REFERENCES {target} (organization_id, id) ON DELETE {action};
        """,
        RunSQL.noop,
    )


def append_only(table: str) -> RunSQL:
    """Refuse UPDATE and DELETE, except by the owner, who moves rows between partitions."""
    return RunSQL(
        f"""
        CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table}
            FOR EACH ROW EXECUTE FUNCTION refuse_change();
        """,
        RunSQL.noop,
    )


def owned_by_system(signature: str) -> RunSQL:
    """Make `system` the owner of a SECURITY DEFINER function that `app` calls before a tenant is known.

    Only for migrations from before `sql/`: now the file of a function sets owner and grants itself.
    """
    return RunSQL(
        f"""
        GRANT CREATE ON SCHEMA public TO safesignal_system;
        ALTER FUNCTION {signature} OWNER TO safesignal_system;
        REVOKE CREATE ON SCHEMA public FROM safesignal_system;
        SET LOCAL ROLE safesignal_system;
        REVOKE ALL ON FUNCTION {signature} FROM PUBLIC;
        GRANT EXECUTE ON FUNCTION {signature} TO safesignal_app;
        RESET ROLE;
        """,
        RunSQL.noop,
    )


EVERYBODY = "00000000-0000-0000-0000-000000000000"
"""The subject in `rights_versions` whose version applies to every principal."""


def raise_rights_version(
    table: str, *, columns: tuple[str, ...], subject: str | None, on_insert: bool = True
) -> RunSQL:
    """Triggers that raise a rights version on every insert, delete, or change of one of these columns.

    `subject` is the column with the id of the principal or organization whose rights the row defines. None raises the
    version for everybody, once per statement.
    """
    if subject is None:
        return RunSQL(
            f"""
            CREATE TRIGGER raise_rights_version AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE OF {", ".join(columns)}
                ON {table} FOR EACH STATEMENT EXECUTE FUNCTION raise_rights_version();
            """,
            RunSQL.noop,
        )
    changed = " OR ".join(f"OLD.{column} IS DISTINCT FROM NEW.{column}" for column in columns)
    return RunSQL(
        f"""
        CREATE TRIGGER raise_rights_version AFTER {"INSERT OR DELETE" if on_insert else "DELETE"}
            ON {table} FOR EACH ROW EXECUTE FUNCTION raise_rights_version('{subject}');
        CREATE TRIGGER raise_rights_version_on_change AFTER UPDATE
            ON {table} FOR EACH ROW WHEN ({changed}) EXECUTE FUNCTION raise_rights_version('{subject}');
        """,
        RunSQL.noop,
    )
