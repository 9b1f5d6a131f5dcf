"""Service tokens, and how one is found before its organization is known."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models

import apps.common.db.ids
from apps.common.db.schema import belongs_to_organization, lock_tenant_table, owned_by_system

BY_DIGEST = """
-- The service token whose digest this is, with what it holds at a moment: of its scopes those that an admin may, so
-- that none of them outlives a change of the permissions table. Asked before its organization is known.
CREATE FUNCTION service_token_by_digest(secret bytea, at timestamptz)
RETURNS TABLE (id uuid, organization_id uuid, organization_status text, name text, scopes text[])
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT t.id, t.organization_id, o.status::text, t.name::text,
           ARRAY (SELECT p.resource || ':' || p.action FROM permissions p
                  WHERE p.role = 'admin' AND p.resource || ':' || p.action = ANY (t.scopes) ORDER BY 1)
    FROM service_tokens t JOIN organizations o ON o.id = t.organization_id
    WHERE t.digest = secret AND at < t.expires_at AND o.status <> 'deleted'
$$;
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0009_sign_ins")]
    operations = [
        migrations.CreateModel(
            name="ServiceToken",
            fields=[
                ("id", models.UUIDField(default=apps.common.db.ids.new_id, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=100)),
                (
                    "scopes",
                    django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=151), size=None),
                ),
                ("digest", models.BinaryField(max_length=32, unique=True)),
                ("created_by", models.UUIDField(null=True)),
                ("created_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("used_at", models.DateTimeField(null=True)),
                (
                    "organization",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        to="tenancy.organization",
                    ),
                ),
            ],
            options={
                "db_table": "service_tokens",
                "indexes": [
                    models.Index(fields=["organization", "created_at", "id"], name="service_tokens_organization")
                ],
            },
        ),
        belongs_to_organization("service_tokens"),
        lock_tenant_table("service_tokens"),
        migrations.RunSQL(BY_DIGEST, migrations.RunSQL.noop),
        owned_by_system("service_token_by_digest(bytea, timestamptz)"),
    ]
