"""Where a role holds: roles at places, visits of super admins, and all of a person's grants in one question."""

from typing import Any

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models.functions.datetime import Now

from apps.common.db.ids import new_id
from apps.common.db.schema import belongs_to_organization, lock_tenant_table, owned_by_system, same_tenant_reference

PRINCIPAL_GRANTS = """
-- What one person holds at a moment, asked at the door before any tenant is known: a row for each role (`held`) that
-- they have in an organization, with what it may. `buildings` and `sites` say where; NULL is everywhere. `parents` are
-- the sites of buildings that were granted by themselves. A place is granted to the role of the membership, and says
-- nothing of any other; a day account is less than its role. (The columns of day accounts are the next migration's, so
-- the body is not checked before that.)
SET LOCAL check_function_bodies = off;
CREATE FUNCTION principal_grants(person uuid, at timestamptz)
RETURNS TABLE (organization_id uuid, organization_status text, role text, held text,
               sites uuid[], parents uuid[], buildings uuid[], permissions text[])
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH member AS (
        SELECT m.organization_id, o.status::text AS status, m.role::text AS role, m.scope::text AS scope,
               CASE WHEN m.trigger_only THEN 'day_account' ELSE m.role END AS held
        FROM user_organizations m JOIN organizations o ON o.id = m.organization_id
        WHERE m.user_id = person AND o.status <> 'deleted' AND (m.expires_at IS NULL OR at < m.expires_at)
    ), place AS (
        SELECT g.organization_id, g.permission_id, g.site_id AS site, NULL::uuid AS parent, b.id AS building
        FROM site_grants g LEFT JOIN buildings b ON b.site_id = g.site_id
        WHERE g.user_id = person
        UNION ALL
        SELECT g.organization_id, g.permission_id, NULL, b.site_id, b.id
        FROM building_grants g JOIN buildings b ON b.id = g.building_id
        WHERE g.user_id = person
    ), placed AS (
        SELECT p.organization_id, a.codename, p.site, p.parent, p.building
        FROM place p JOIN auth_permission a ON a.id = p.permission_id
    ), holding AS (
        SELECT v.organization_id, o.status::text AS status, 'super_admin' AS role, 'super_admin' AS held,
               NULL::uuid[] AS sites, NULL::uuid[] AS parents, NULL::uuid[] AS buildings
        FROM platform_visits v JOIN organizations o ON o.id = v.organization_id
        JOIN users u ON u.id = v.user_id AND u.is_super_admin
        WHERE v.user_id = person AND o.status <> 'deleted'
          AND v.ended_at IS NULL AND v.started_at <= at AND at < v.ends_at
        UNION ALL
        SELECT m.organization_id, m.status, m.role, m.held, NULL, NULL, NULL
        FROM member m WHERE m.scope = 'organization'
        UNION ALL
        SELECT m.organization_id, m.status, m.role, m.held,
               coalesce(array_agg(p.site) FILTER (WHERE p.site IS NOT NULL), '{}'),
               coalesce(array_agg(p.parent) FILTER (WHERE p.parent IS NOT NULL), '{}'),
               coalesce(array_agg(p.building) FILTER (WHERE p.building IS NOT NULL), '{}')
        FROM member m LEFT JOIN placed p ON p.organization_id = m.organization_id AND p.codename = 'as_' || m.role
        WHERE m.scope = 'places' GROUP BY 1, 2, 3, 4
    )
    SELECT h.*, ARRAY (SELECT p.resource || ':' || p.action FROM permissions p WHERE p.role = h.held) FROM holding h
$$;
"""

SET_PERMISSIONS = """
-- What a role may from now on; for who runs the platform, and nothing for anybody else.
CREATE FUNCTION set_permissions(person uuid, role_name text, pairs text[]) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM users u WHERE u.id = person AND u.is_super_admin AND u.status = 'active') THEN
        RETURN false;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('permissions'));
    DELETE FROM permissions p WHERE p.role = role_name AND p.resource || ':' || p.action <> ALL (pairs);
    INSERT INTO permissions (id, role, resource, action)
        SELECT gen_random_uuid(), role_name, split_part(pair, ':', 1), split_part(pair, ':', 2)
        FROM unnest(pairs) pair
        ON CONFLICT DO NOTHING;
    RETURN true;
END $$;
"""


def _organization() -> "models.ForeignKey[Any, Any]":
    return models.ForeignKey(
        db_constraint=False,
        db_index=False,
        on_delete=django.db.models.deletion.DO_NOTHING,
        to="tenancy.organization",
    )


def _place_grants(name: str, table: str, place: str) -> migrations.CreateModel:
    return migrations.CreateModel(
        name=name,
        fields=[
            ("id", models.UUIDField(default=new_id, primary_key=True, serialize=False)),
            ("created_at", models.DateTimeField(db_default=Now())),
            (
                "content_object",
                models.ForeignKey(
                    db_column=f"{place}_id",
                    db_constraint=False,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    to=f"tenancy.{place}",
                ),
            ),
            ("organization", _organization()),
            (
                "permission",
                models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="auth.permission"),
            ),
            (
                "user",
                models.ForeignKey(
                    db_constraint=False,
                    db_index=False,
                    on_delete=django.db.models.deletion.DO_NOTHING,
                    related_name="+",
                    to=settings.AUTH_USER_MODEL,
                ),
            ),
        ],
        options={
            "db_table": table,
            "constraints": [models.UniqueConstraint(fields=("user", "content_object"), name=f"{table}_user_{place}")],
        },
    )


def _goes_with_membership(table: str) -> migrations.RunSQL:
    return migrations.RunSQL(
        f"""
        ALTER TABLE {table} ADD CONSTRAINT {table}_membership_fk FOREIGN KEY (user_id, organization_id)
            REFERENCES user_organizations (user_id, organization_id) ON DELETE CASCADE;
        """,
        migrations.RunSQL.noop,
    )


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_permissions"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("tenancy", "0002_locks"),
    ]
    operations = [
        _place_grants("SiteGrant", "site_grants", "site"),
        _place_grants("BuildingGrant", "building_grants", "building"),
        migrations.CreateModel(
            name="Visit",
            fields=[
                ("id", models.UUIDField(default=new_id, primary_key=True, serialize=False)),
                ("reason", models.CharField(max_length=500)),
                ("started_at", models.DateTimeField()),
                ("ends_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
                ("ended_by", models.UUIDField(null=True)),
                ("organization", _organization()),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={"db_table": "platform_visits"},
        ),
        *(belongs_to_organization(table) for table in ("site_grants", "building_grants", "platform_visits")),
        same_tenant_reference("site_grants", "site_id", "sites", on_delete="CASCADE"),
        same_tenant_reference("building_grants", "building_id", "buildings", on_delete="CASCADE"),
        _goes_with_membership("site_grants"),
        _goes_with_membership("building_grants"),
        *(lock_tenant_table(table) for table in ("site_grants", "building_grants")),
        lock_tenant_table("platform_visits", grant="SELECT, INSERT, UPDATE"),
        migrations.RunSQL(PRINCIPAL_GRANTS, "DROP FUNCTION principal_grants(uuid, timestamptz)"),
        owned_by_system("principal_grants(uuid, timestamptz)"),
        migrations.RunSQL(
            f"{SET_PERMISSIONS} GRANT INSERT, DELETE ON permissions TO safesignal_system;",
            "DROP FUNCTION set_permissions(uuid, text, text[])",
        ),
        owned_by_system("set_permissions(uuid, text, text[])"),
    ]
