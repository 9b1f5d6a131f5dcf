"""The text of each SQL function of this app stands in `sql/` from now on."""

from django.db import migrations

from apps.common.db.functions import ApplyFunction


class Migration(migrations.Migration):
    dependencies = [("alerts", "0003_press_names_and_drill_arms")]
    operations = [
        ApplyFunction("alert_document", "058e7459c6329921"),
        ApplyFunction("alert_feed_rows", "c4f0f487fa6cdd07"),
        ApplyFunction("alert_uuid", "8e973e1ea4d2e7e9"),
        ApplyFunction("drill_document", "2033c445d4d2284b"),
        ApplyFunction("drill_feed_rows", "76d0cb484c28e9d9"),
        ApplyFunction("keep_triggered_at", "8fa031c784c1d024"),
        ApplyFunction("person_reference", "309e028c2e1c6c7c"),
        ApplyFunction("person_references", "04c8e5f6decc3b58"),
    ]
