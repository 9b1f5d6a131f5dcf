"""Refresh tokens are found by their age, to be thinned out a few at a time."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0013_rights_versions")]
    operations = [
        migrations.AddIndex(
            model_name="refreshtoken", index=models.Index(fields=["expires_at"], name="refresh_tokens_expires")
        ),
    ]
