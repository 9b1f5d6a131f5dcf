"""Troubles are state: each has a place and an audience, and one document for the API and the live feed."""

from pathlib import Path

from django.db import migrations, models

from apps.common.db.schema import same_tenant_reference

FUNCTIONS = Path(__file__).with_name("0007_functions.sql").read_text()


class Migration(migrations.Migration):
    dependencies = [("devices", "0006_configuration")]
    operations = [
        migrations.AddField("trouble", "building_id", models.UUIDField(null=True)),
        migrations.AddField("trouble", "is_public", models.BooleanField(default=False, db_default=False)),
        migrations.AddField("trouble", "reported_at", models.DateTimeField(null=True)),
        same_tenant_reference("troubles", "building_id", "buildings", on_delete="SET NULL"),
        migrations.RunSQL(FUNCTIONS, migrations.RunSQL.noop),
    ]
