"""The feed's numbers are times, its history has a name (the epoch), and each event names the one before it."""

from pathlib import Path

from django.db import migrations, models

FUNCTIONS = Path(__file__).with_name("0005_functions.sql").read_text()


class Migration(migrations.Migration):
    dependencies = [("common", "0004_doors")]
    operations = [
        migrations.AddField("feedevent", "previous", models.BigIntegerField(db_default=0)),
        migrations.AddField("organizationhead", "public_seq", models.BigIntegerField(default=0, db_default=0)),
        migrations.RunSQL(FUNCTIONS, migrations.RunSQL.noop),
    ]
