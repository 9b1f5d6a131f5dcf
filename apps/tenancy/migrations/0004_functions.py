"""The text of each SQL function of this app stands in `sql/` from now on."""

from django.db import migrations

from apps.common.db.functions import ApplyFunction


class Migration(migrations.Migration):
    dependencies = [("tenancy", "0003_settings")]
    operations = [
        ApplyFunction("platform_organizations", "cb1050cc5c8da08a"),
    ]
