"""Arms of drills are deleted by the platform when no press can meet them; the web role still deletes none."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("alerts", "0004_functions")]

    operations = [
        migrations.RunSQL(
            "GRANT DELETE ON drill_arms TO safesignal_system;", "REVOKE DELETE ON drill_arms FROM safesignal_system;"
        )
    ]
