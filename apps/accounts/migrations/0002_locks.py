"""Grants of the identity tables, row-level security of memberships, and what is asked before a tenant is known."""

from django.db import migrations

from apps.common.schema import (
    belongs_to_organization,
    grant_identity_table,
    lock_tenant_table,
    owned_by_system,
)

PRINCIPAL_GRANTS = """
-- The memberships of one person, with what each role may: asked at the door, before any tenant is known.
CREATE FUNCTION principal_grants(person uuid)
RETURNS TABLE (organization_id uuid, organization_status text, role text, scope text, permissions text[])
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT m.organization_id, o.status::text, m.role::text, m.scope::text,
           ARRAY (SELECT p.resource || ':' || p.action FROM permissions p WHERE p.role = m.role)
    FROM user_organizations m JOIN organizations o ON o.id = m.organization_id
    WHERE m.user_id = person AND o.status <> 'deleted'
$$;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
        ("tenancy", "0002_locks"),
        ("sessions", "0001_initial"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]
    operations = [
        grant_identity_table("users", grant="SELECT, INSERT, UPDATE"),
        grant_identity_table("refresh_tokens"),
        grant_identity_table("django_session"),
        grant_identity_table("permissions", grant="SELECT"),
        grant_identity_table("django_content_type", grant="SELECT"),
        grant_identity_table("auth_permission", grant="SELECT"),
        migrations.RunSQL(
            """
            ALTER TABLE user_organizations ADD CONSTRAINT user_organizations_user_fk
                FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE;
            CREATE UNIQUE INDEX users_email_folded ON users (lower(email));
            """,
            migrations.RunSQL.noop,
        ),
        belongs_to_organization("user_organizations", key=False),
        lock_tenant_table("user_organizations"),
        migrations.RunSQL(PRINCIPAL_GRANTS, "DROP FUNCTION principal_grants(uuid)"),
        owned_by_system("principal_grants(uuid)"),
    ]
