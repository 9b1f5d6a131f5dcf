"""Settings and suspension of organizations, the order of lists, and the list of all organizations for the platform."""

from django.db import migrations, models

from apps.common.db.schema import owned_by_system

PLATFORM_ORGANIZATIONS = """
-- Every organization, a page at a time, for who runs the platform; nothing for anybody else. `beyond` is the name and
-- id of the row beside the page; `backwards` reads from there towards the first, the nearest first.
CREATE FUNCTION platform_organizations(
    person uuid, statuses text[], beyond_name text, beyond_id uuid, backwards boolean, most integer)
RETURNS TABLE (id uuid, name varchar, slug varchar, status varchar, suspension_reason varchar, metadata jsonb,
               created_at timestamptz, updated_at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM users u WHERE u.id = person AND u.is_super_admin AND u.status = 'active') THEN
        RETURN;
    ELSIF backwards THEN
        RETURN QUERY SELECT o.id, o.name, o.slug, o.status, o.suspension_reason, o.metadata, o.created_at, o.updated_at
            FROM organizations o
            WHERE o.status = ANY (statuses) AND (o.name, o.id) < (beyond_name, beyond_id)
            ORDER BY o.name DESC, o.id DESC LIMIT most;
    ELSE
        RETURN QUERY SELECT o.id, o.name, o.slug, o.status, o.suspension_reason, o.metadata, o.created_at, o.updated_at
            FROM organizations o
            WHERE o.status = ANY (statuses) AND (beyond_name IS NULL OR (o.name, o.id) > (beyond_name, beyond_id))
            ORDER BY o.name, o.id LIMIT most;
    END IF;
END $$;
"""
SIGNATURE = "platform_organizations(uuid, text[], text, uuid, boolean, integer)"


class Migration(migrations.Migration):
    dependencies = [("tenancy", "0002_locks")]
    operations = [
        migrations.AddField("organization", "settings", models.JSONField(db_default={}, default=dict)),
        migrations.AddField("organization", "suspension_reason", models.CharField(max_length=500, null=True)),
        migrations.AddIndex("organization", models.Index(fields=["name", "id"], name="organizations_name")),
        migrations.AddIndex(
            "site", models.Index(fields=["organization", "name", "id"], name="sites_organization_name")
        ),
        migrations.AddIndex("building", models.Index(fields=["site", "name", "id"], name="buildings_site_name")),
        # The function names users, whom a later app makes: PostgreSQL reads the body when it is called.
        migrations.RunSQL(PLATFORM_ORGANIZATIONS, f"DROP FUNCTION {SIGNATURE}"),
        owned_by_system(SIGNATURE),
    ]
