"""Sign-ins: what an access token or a browser's session stands on, and ends with."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import apps.common.db.ids
from apps.common.db.schema import grant_identity_table


class Migration(migrations.Migration):
    dependencies = [("accounts", "0008_single_sign_on")]
    operations = [
        migrations.CreateModel(
            name="SignIn",
            fields=[
                ("id", models.UUIDField(default=apps.common.db.ids.new_id, primary_key=True, serialize=False)),
                ("kind", models.CharField(choices=[("app", "App"), ("browser", "Browser")], max_length=10)),
                ("device", models.CharField(max_length=100)),
                ("address", models.GenericIPAddressField(null=True)),
                ("only_organization", models.UUIDField(null=True)),
                ("created_at", models.DateTimeField()),
                ("used_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("user", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to=settings.AUTH_USER_MODEL)),
            ],
            options={
                "db_table": "sign_ins",
                "indexes": [models.Index(fields=["expires_at"], name="sign_ins_expires")],
            },
        ),
        migrations.RemoveIndex(model_name="refreshtoken", name="refresh_tokens_family"),
        migrations.RemoveField(model_name="refreshtoken", name="revoked_at"),
        migrations.RemoveField(model_name="refreshtoken", name="only_organization"),
        migrations.AlterField(
            model_name="refreshtoken",
            name="family",
            field=models.ForeignKey(
                db_column="family", on_delete=django.db.models.deletion.CASCADE, to="accounts.signin"
            ),
        ),
        grant_identity_table("sign_ins"),
    ]
