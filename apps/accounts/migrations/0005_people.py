"""What an organization says of its people, invitations, proofs of addresses, push registrations."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
import django.db.models.functions.text
from django.conf import settings
from django.db import migrations, models

import apps.common.db.ids
from apps.common.db.schema import belongs_to_organization, grant_identity_table, lock_tenant_table, owned_by_system

INVITATION_BY_DIGEST = """
-- The open invitation that a link's secret belongs to: asked by whom nobody knows yet.
CREATE FUNCTION invitation_by_digest(secret bytea) RETURNS TABLE (organization_id uuid, id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT i.organization_id, i.id FROM invitations i JOIN organizations o ON o.id = i.organization_id
    WHERE i.digest = secret AND o.status <> 'deleted'
$$;
"""

PERSON_ORGANIZATIONS = """
-- Every organization that says something of a person: those that they belong to (also where that has expired, or the
-- organization is deleted), those that invited them or sign them in, and those whose audit trail names them, which may
-- be where they belonged once. Asked for the person's own export and erasure. (Some of these tables are made by later
-- migrations, so the body is not checked before that.)
SET LOCAL check_function_bodies = off;
CREATE FUNCTION person_organizations(person uuid) RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT m.organization_id FROM user_organizations m WHERE m.user_id = person
    UNION
    SELECT i.organization_id FROM invitations i JOIN users u ON lower(u.email) = lower(i.email) WHERE u.id = person
    UNION
    SELECT e.organization_id FROM external_identities e WHERE e.user_id = person
    UNION
    SELECT a.organization_id FROM audit_personal a WHERE a.person_id = person AND a.organization_id IS NOT NULL
$$;
"""

ROLES = [("admin", "Admin"), ("manager", "Manager"), ("operator", "Operator"), ("viewer", "Viewer")]


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_access")]
    operations = [
        migrations.AddField(
            model_name="user",
            name="locale",
            field=models.CharField(max_length=35, null=True),
        ),
        migrations.AddField(
            model_name="membership",
            name="expires_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="membership",
            name="name",
            field=models.CharField(db_default="", default="", max_length=201),
        ),
        migrations.AddField(
            model_name="membership",
            name="name_key",
            field=models.CharField(db_collation="C", db_default="", default="", max_length=402),
        ),
        migrations.AddField(
            model_name="membership",
            name="title",
            field=models.CharField(max_length=100, null=True),
        ),
        migrations.AddField(
            model_name="membership",
            name="trigger_only",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddIndex(
            model_name="membership",
            index=models.Index(fields=["organization", "name_key", "user"], name="idx_user_org_name"),
        ),
        migrations.AddConstraint(
            model_name="membership",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("trigger_only", False),
                    models.Q(("expires_at__isnull", False), ("role", "operator")),
                    _connector="OR",
                ),
                name="user_organizations_day_account",
            ),
        ),
        migrations.CreateModel(
            name="Invitation",
            fields=[
                ("id", models.UUIDField(default=apps.common.db.ids.new_id, primary_key=True, serialize=False)),
                ("email", models.EmailField(max_length=255)),
                ("role", models.CharField(choices=ROLES, max_length=50)),
                (
                    "scope",
                    models.CharField(
                        choices=[("organization", "Organization"), ("places", "Places")],
                        default="organization",
                        max_length=20,
                    ),
                ),
                (
                    "site_ids",
                    django.contrib.postgres.fields.ArrayField(base_field=models.UUIDField(), default=list, size=None),
                ),
                (
                    "building_ids",
                    django.contrib.postgres.fields.ArrayField(base_field=models.UUIDField(), default=list, size=None),
                ),
                ("invited_by", models.UUIDField(null=True)),
                ("digest", models.BinaryField(max_length=32, null=True, unique=True)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("expires_at", models.DateTimeField()),
                ("sent_at", models.DateTimeField(null=True)),
                ("accepted_at", models.DateTimeField(null=True)),
                ("revoked_at", models.DateTimeField(null=True)),
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
                "db_table": "invitations",
                "constraints": [
                    models.UniqueConstraint(
                        models.F("organization"),
                        django.db.models.functions.text.Lower("email"),
                        condition=models.Q(("accepted_at__isnull", True), ("revoked_at__isnull", True)),
                        name="invitations_open_email",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Proof",
            fields=[
                ("id", models.UUIDField(default=apps.common.db.ids.new_id, primary_key=True, serialize=False)),
                (
                    "purpose",
                    models.CharField(
                        choices=[
                            ("email", "Email"),
                            ("phone", "Phone"),
                            ("password", "Password"),
                            ("sign_in", "Sign In"),
                        ],
                        max_length=20,
                    ),
                ),
                ("value", models.CharField(max_length=255, null=True)),
                ("digest", models.BinaryField(max_length=32, null=True, unique=True)),
                ("attempts", models.SmallIntegerField(db_default=0, default=0)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("expires_at", models.DateTimeField()),
                ("sent_at", models.DateTimeField(null=True)),
                ("user", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to=settings.AUTH_USER_MODEL)),
            ],
            options={
                "db_table": "proofs",
                "indexes": [models.Index(fields=["user", "purpose"], name="proofs_user_purpose")],
            },
        ),
        migrations.CreateModel(
            name="PushRegistration",
            fields=[
                ("id", models.UUIDField(default=apps.common.db.ids.new_id, primary_key=True, serialize=False)),
                ("token", models.CharField(max_length=1024, unique=True)),
                (
                    "platform",
                    models.CharField(
                        choices=[("ios", "Ios"), ("android", "Android"), ("web", "Web")],
                        max_length=10,
                    ),
                ),
                ("app_version", models.CharField(max_length=50)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("seen_at", models.DateTimeField()),
                ("user", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to=settings.AUTH_USER_MODEL)),
            ],
            options={"db_table": "push_registrations"},
        ),
        belongs_to_organization("invitations"),
        lock_tenant_table("invitations"),
        grant_identity_table("proofs"),
        grant_identity_table("push_registrations"),
        migrations.RunSQL(INVITATION_BY_DIGEST, migrations.RunSQL.noop),
        owned_by_system("invitation_by_digest(bytea)"),
        migrations.RunSQL(PERSON_ORGANIZATIONS, migrations.RunSQL.noop),
        owned_by_system("person_organizations(uuid)"),
    ]
