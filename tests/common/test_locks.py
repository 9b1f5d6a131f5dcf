"""The access protection of every table, partition, function, foreign key and role, read from PostgreSQL's catalogue."""

from typing import Final

from django.apps import apps
from django.db import connections, models
from psycopg import sql

from tests.kit.catalogue import ROLES, Reference, references, relations, tenant_tables
from tests.kit.raw_sql import DENIED, FOREIGN_KEY, attempt
from tests.kit.school import School

READ_WRITE: Final = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE"})
NOTHING: Final[frozenset[str]] = frozenset()

WITHOUT_TENANT: Final = {
    # People are read before a tenant is known; memberships, which have a tenant, link them to organizations.
    "public.users": frozenset({"SELECT", "INSERT", "UPDATE"}),
    # Looked up by the id in a signed token or session, or through the person it belongs to.
    "public.sign_ins": READ_WRITE,
    # Looked up by the digest of a secret that only its owner has.
    "public.refresh_tokens": READ_WRITE,
    # Looked up by the digest of a secret that was sent to its owner, or through the person it belongs to.
    "public.proofs": READ_WRITE,
    # Personal rows: looked up through the person, and by a token that only their phone has.
    "public.push_registrations": READ_WRITE,
    # A person's second factors and pending sign-ins: looked up through the person, or by a secret's digest.
    "public.mfa_authenticator": READ_WRITE,
    "public.sign_in_challenges": READ_WRITE,
    # Looked up by a session key that only its owner has.
    "public.django_session": READ_WRITE,
    # A principal can have many tenants or none: row-level security limits each to its own keys.
    "public.idempotency_keys": frozenset({"SELECT", "INSERT", "UPDATE"}),
    # Version numbers beside ids, incremented by triggers and read through functions.
    "public.rights_versions": NOTHING,
    # The same for every tenant, and written only by migrations.
    "public.permissions": frozenset({"SELECT"}),
    "public.feed_epoch": frozenset({"SELECT"}),
    "public.django_content_type": frozenset({"SELECT"}),
    "public.auth_permission": frozenset({"SELECT"}),
    # Proofs of ownership: read only through `claim_devices`.
    "public.device_claims": NOTHING,
    # Unused: no grant at all.
    "public.auth_group": NOTHING,
    "public.auth_group_permissions": NOTHING,
    "public.guardian_groupobjectpermission": NOTHING,
    "public.guardian_userobjectpermission": NOTHING,
    "public.django_admin_log": NOTHING,
    "public.account_emailaddress": NOTHING,
    "public.account_emailconfirmation": NOTHING,
    "public.socialaccount_socialapp": NOTHING,
    "public.socialaccount_socialaccount": NOTHING,
    "public.socialaccount_socialtoken": NOTHING,
    "public.django_migrations": NOTHING,
}
"""Each table without a tenant, with all rights of `app` on it, grouped by the reason that protects it."""

BY_PRINCIPAL: Final = "public.idempotency_keys"
"""The only table whose row-level security compares with the caller instead of the tenant."""

NO_FOREIGN_KEY: Final = {
    # A historical record: it outlives the gateway.
    ("alert_history", "gateway"),
    ("gateway_events", "gateway"),
}

SECURITY_DEFINERS: Final = {
    # Lookups before a tenant is known: callable by app, and each answers only about the given id.
    "gateway_credentials(uuid)": ("safesignal_system", "safesignal_app"),
    "principal_grants(uuid,timestamp with time zone)": ("safesignal_system", "safesignal_app"),
    "second_factor_due(uuid)": ("safesignal_system", "safesignal_app"),
    "identity_provider_organization(uuid)": ("safesignal_system", "safesignal_app"),
    "identity_providers_of_domain(text)": ("safesignal_system", "safesignal_app"),
    "identity_stands(uuid)": ("safesignal_system", "safesignal_app"),
    "changed_rights_versions(uuid[],bigint[])": ("safesignal_system", "safesignal_app"),
    "rights_until(uuid,uuid,timestamp with time zone)": ("safesignal_system", "safesignal_app"),
    "hot_versions(uuid,uuid)": ("safesignal_system", "safesignal_app"),
    "service_token_by_digest(bytea,timestamp with time zone)": ("safesignal_system", "safesignal_app"),
    "invitation_by_digest(bytea)": ("safesignal_system", "safesignal_app"),
    "person_organizations(uuid)": ("safesignal_system", "safesignal_app"),
    # Compares codes that no application role can read, for an organization in scope.
    "claim_devices(uuid,jsonb)": ("safesignal_system", "safesignal_app"),
    # Writes for platform operators, and checks itself that its caller is one.
    "set_permissions(uuid,text,text[])": ("safesignal_system", "safesignal_app"),
    # Erases one person's name and addresses beside the audit trail, in every organization; returns the count.
    "audit_forget(uuid)": ("safesignal_system", "safesignal_app"),
    # Lists the names of all organizations for platform operators, and checks itself that its caller is one.
    "platform_organizations(uuid,text[],text,uuid,boolean,integer)": ("safesignal_system", "safesignal_app"),
    # Two numbers that belong to no tenant, for /metrics.
    "outbox_state()": ("safesignal_system", "safesignal_app"),
    # A trigger, never called directly: increments the versions that open connections and cached answers compare.
    "raise_rights_version()": ("safesignal_owner", "safesignal_owner"),
    # Partitions need their parent's owner: callable only by the partition keeper.
    "partition_ensure(text,date)": ("safesignal_owner", "safesignal_system"),
    "partition_months(text)": ("safesignal_owner", "safesignal_system"),
    "partition_retire(text,date)": ("safesignal_owner", "safesignal_system"),
}
"""Each function that runs with its owner's rights: its owner, and the other roles that can call it."""


def test_every_table_has_a_tenant_or_a_listed_exception() -> None:
    """A new table without `organization_id`, or a changed grant, fails here until its protection is listed."""
    found = {one.name: one.app_grants for one in relations() if not one.tenant_column and not one.is_partition}
    assert found == WITHOUT_TENANT


def test_database_has_no_views() -> None:
    """A view reads with its owner's rights, and a materialized view has no policies, so neither is allowed."""
    assert {one.name for one in relations() if one.kind not in {"r", "p"}} == set()


def test_row_level_security_is_forced_on_every_tenant_table() -> None:
    """Forced, because otherwise the owner of a table bypasses its policies."""
    assert [one.name for one in tenant_tables() if not (one.secured and one.forced)] == []


def test_every_tenant_table_has_one_policy_for_each_role() -> None:
    """None is for PUBLIC, and the application's policy compares the scope for both reads and writes."""
    query = """
        SELECT schemaname || '.' || tablename, policyname::text, permissive, roles::text[], cmd, qual, with_check
        FROM pg_policies
    """
    with connections["owner"].cursor() as cursor:
        cursor.execute(query)
        found = cursor.fetchall()
    tables = {table.name: table for table in tenant_tables()}
    assert {name for name, *_ in found} == {*tables, BY_PRINCIPAL}
    expected = {
        (table, policy, role)
        for table in tables
        for policy, role in zip(("tenant", "every_tenant", "migrations"), ROLES, strict=True)
    } | {
        (f"public.{table}", policy, "safesignal_app")
        for table in ("audit_entries", "audit_personal")
        for policy in ("no_tenant_yet", "platform_trail")
    }
    expected |= {
        (BY_PRINCIPAL, policy, role)
        for policy, role in zip(("caller", "every_caller", "migrations"), ROLES, strict=True)
    }
    assert {(table, policy, role) for table, policy, _, roles, *_ in found for role in roles} == expected
    for table, policy, _, _, command, using, check in found:
        if policy == "tenant":
            condition = f"({tables[table].tenant_column} = ANY (( SELECT (NULLIF(current_setting("
            assert command == "ALL" and using.startswith(condition) and check == using


def test_no_role_bypasses_row_level_security() -> None:
    """No role that serves requests owns a table or is a member of a more powerful role."""
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


def test_app_role_cannot_create_database_objects() -> None:
    """It cannot create a table, function or schema, so that nothing can shadow ours."""
    for text in (
        "CREATE TABLE public.trap ()",
        "CREATE SCHEMA trap",
        "CREATE TEMP TABLE users ()",
        "SET ROLE safesignal_system",
    ):
        assert attempt(sql.SQL(text)) == DENIED


def test_security_definer_functions_are_listed() -> None:
    """Each has a fixed search_path and is callable only by the role that needs it, never by PUBLIC."""
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
    """Return the foreign keys from a tenant's row to another tenant row."""
    tables = {table.name for table in tenant_tables()} - {"public.organizations"}
    return [one for one in references() if one.table in tables and one.target in tables]


def test_foreign_keys_between_tenant_rows_include_the_tenant() -> None:
    """Foreign keys bypass policies, so each key ties both rows to one organization."""
    assert tenant_references()
    for one in tenant_references():
        pairs = dict(zip(one.columns, one.target_columns, strict=True))
        assert pairs.get("organization_id") == "organization_id", one.name


def test_foreign_key_across_tenants_is_refused(schools: tuple[School, School]) -> None:
    """Tried with a real row of the other school, as the owner, who is not limited by any policy or grant."""
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


def test_every_model_reference_is_a_foreign_key_in_the_database() -> None:
    """Django creates none between tenant tables: each reference of a model is created in SQL, or is listed here."""
    held = {(one.table, column) for one in references() for column in one.columns}
    missing = {
        (model._meta.db_table, field.name)
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if isinstance(field, models.ForeignKey) and (f"public.{model._meta.db_table}", field.column) not in held
    }
    assert missing == NO_FOREIGN_KEY


def test_tenant_rows_are_deleted_with_their_organization() -> None:
    """ON DELETE CASCADE from each tenant table, except for the plain ids of the feed and the audit trail."""
    tables = {table.name for table in tenant_tables()} - {"public.organizations"}
    cascading = {one.table for one in references() if one.target == "public.organizations" and one.rule == "c"}
    assert tables - cascading == {
        "public.organization_heads",
        "public.feed_events",
        "public.audit_entries",
        "public.audit_personal",
    }
