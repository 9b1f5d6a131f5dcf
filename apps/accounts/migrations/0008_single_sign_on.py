"""Single sign-on: an organization's identity providers and domains, and whom they name."""

from typing import Any

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models.functions.datetime import Now

from apps.common.db.ids import new_id
from apps.common.db.schema import belongs_to_organization, lock_tenant_table, owned_by_system, same_tenant_reference

ROLES = [("admin", "Admin"), ("manager", "Manager"), ("operator", "Operator"), ("viewer", "Viewer")]

BEFORE_SIGN_IN = """
-- The organization of an identity provider in use: asked when somebody begins to sign in there.
CREATE FUNCTION identity_provider_organization(provider uuid) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT p.organization_id FROM identity_providers p JOIN organizations o ON o.id = p.organization_id
    WHERE p.id = provider AND p.is_active AND o.status <> 'deleted'
$$;

-- The identity providers in use for a mail domain, with the names of their organizations: where to sign in.
CREATE FUNCTION identity_providers_of_domain(asked text) RETURNS TABLE (id uuid, name text, organization text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT p.id, p.name::text, o.name::text
    FROM identity_domains d
    JOIN identity_providers p ON p.organization_id = d.organization_id AND p.is_active
    JOIN organizations o ON o.id = d.organization_id AND o.status <> 'deleted'
    WHERE d.domain = asked ORDER BY o.name, p.name, p.id LIMIT 20
$$;

-- Whether a browser's session still rests on something: its identity stands, and its provider is in use.
CREATE FUNCTION identity_stands(identity uuid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT EXISTS (
        SELECT 1 FROM external_identities e JOIN identity_providers p ON p.id = e.provider_id
        WHERE e.id = identity AND p.is_active
    )
$$;
"""


def _organization() -> "models.ForeignKey[Any, Any]":
    return models.ForeignKey(
        db_constraint=False,
        db_index=False,
        on_delete=django.db.models.deletion.DO_NOTHING,
        to="tenancy.organization",
    )


class Migration(migrations.Migration):
    dependencies = [("accounts", "0007_second_factors")]
    operations = [
        migrations.AlterField(
            model_name="proof",
            name="purpose",
            field=models.CharField(
                choices=[
                    ("email", "Email"),
                    ("phone", "Phone"),
                    ("password", "Password"),
                    ("sign_in", "Sign In"),
                    ("app", "App"),
                ],
                max_length=20,
            ),
        ),
        migrations.CreateModel(
            name="IdentityProvider",
            fields=[
                ("id", models.UUIDField(default=new_id, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=100)),
                ("issuer", models.CharField(max_length=255)),
                ("client_id", models.CharField(max_length=255)),
                ("sealed_secret", models.TextField()),
                ("role_claim", models.CharField(max_length=100, null=True)),
                ("role_map", models.JSONField(default=dict)),
                ("default_role", models.CharField(choices=ROLES, max_length=50, null=True)),
                ("is_active", models.BooleanField(default=True)),
                ("created_at", models.DateTimeField(db_default=Now())),
                ("updated_at", models.DateTimeField(db_default=Now())),
                ("organization", _organization()),
            ],
            options={
                "db_table": "identity_providers",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organization", "issuer"), name="identity_providers_organization_issuer"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="IdentityDomain",
            fields=[
                ("id", models.UUIDField(default=new_id, primary_key=True, serialize=False)),
                ("domain", models.CharField(max_length=253)),
                ("verified_at", models.DateTimeField()),
                ("verified_by", models.UUIDField()),
                ("organization", _organization()),
            ],
            options={
                "db_table": "identity_domains",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organization", "domain"), name="identity_domains_organization_domain"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ExternalIdentity",
            fields=[
                ("id", models.UUIDField(default=new_id, primary_key=True, serialize=False)),
                ("issuer", models.CharField(max_length=255)),
                ("subject", models.CharField(max_length=255)),
                ("created_at", models.DateTimeField(db_default=Now())),
                ("last_used_at", models.DateTimeField(null=True)),
                ("organization", _organization()),
                (
                    "provider",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        to="accounts.identityprovider",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "db_table": "external_identities",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organization", "issuer", "subject"), name="external_identities_issuer_subject"
                    )
                ],
            },
        ),
        *(
            belongs_to_organization(table)
            for table in ("identity_providers", "identity_domains", "external_identities")
        ),
        same_tenant_reference("external_identities", "provider_id", "identity_providers", on_delete="CASCADE"),
        migrations.RunSQL(
            """
            ALTER TABLE external_identities ADD CONSTRAINT external_identities_user_fk
                FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE;
            CREATE INDEX identity_domains_domain ON identity_domains (domain);
            """,
            migrations.RunSQL.noop,
        ),
        *(lock_tenant_table(table) for table in ("identity_providers", "identity_domains", "external_identities")),
        migrations.RunSQL(BEFORE_SIGN_IN, migrations.RunSQL.noop),
        owned_by_system("identity_provider_organization(uuid)"),
        owned_by_system("identity_providers_of_domain(text)"),
        owned_by_system("identity_stands(uuid)"),
    ]
