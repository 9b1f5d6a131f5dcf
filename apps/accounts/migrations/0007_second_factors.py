"""Second factors: the lock of allauth's table, challenges of sign-ins, and whom an organization asks for one."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models.functions.datetime import Now

from apps.common.db.ids import new_id
from apps.common.db.schema import grant_identity_table, owned_by_system

SECOND_FACTOR_DUE = """
-- The organizations that ask their administrators for a second factor, of those where this person is one and has none.
CREATE FUNCTION second_factor_due(person uuid) RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT m.organization_id FROM user_organizations m JOIN organizations o ON o.id = m.organization_id
    WHERE m.user_id = person AND m.role = 'admin' AND o.settings @> '{"mfa_required_for_admins": true}'
      AND NOT EXISTS (
          SELECT 1 FROM mfa_authenticator a WHERE a.user_id = person AND a.type IN ('totp', 'webauthn')
      )
$$;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0006_sign_in"),
        ("mfa", "0003_authenticator_type_uniq"),
        ("tenancy", "0003_settings"),
    ]
    operations = [
        migrations.CreateModel(
            name="SignInChallenge",
            fields=[
                ("id", models.UUIDField(default=new_id, primary_key=True, serialize=False)),
                ("digest", models.BinaryField(max_length=32, unique=True)),
                ("passkey_state", models.JSONField(null=True)),
                ("attempts", models.SmallIntegerField(db_default=0, default=0)),
                ("created_at", models.DateTimeField(db_default=Now())),
                ("expires_at", models.DateTimeField()),
                ("user", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to=settings.AUTH_USER_MODEL)),
            ],
            options={
                "db_table": "sign_in_challenges",
                "indexes": [models.Index(fields=["user", "created_at"], name="sign_in_challenges_user")],
            },
        ),
        migrations.AddField("refreshtoken", "only_organization", models.UUIDField(null=True)),
        grant_identity_table("sign_in_challenges"),
        grant_identity_table("mfa_authenticator"),
        migrations.RunSQL(SECOND_FACTOR_DUE, migrations.RunSQL.noop),
        owned_by_system("second_factor_due(uuid)"),
    ]
