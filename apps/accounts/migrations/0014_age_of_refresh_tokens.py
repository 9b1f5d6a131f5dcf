"""Refresh tokens are found by their age, to be deleted in batches."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0013_rights_versions")]
    operations = [
        migrations.AddIndex(
            model_name="refreshtoken", index=models.Index(fields=["expires_at"], name="refresh_tokens_expires")
        ),
    ]
