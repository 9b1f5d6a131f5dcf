"""The text of each SQL function of this app stands in `sql/` from now on."""

from django.db import migrations

from apps.common.db.functions import ApplyFunction


class Migration(migrations.Migration):
    dependencies = [("devices", "0007_troubles")]
    operations = [
        ApplyFunction("announce_configuration", "94f715f040580f62"),
        ApplyFunction("claim_devices", "b700e8d820005d9a"),
        ApplyFunction("gateway_credentials", "4365d68563d280c3"),
        ApplyFunction("raise_configuration_versions", "2f67f7058f7111c4"),
        ApplyFunction("trouble_building", "abe3563c2ae057ae"),
        ApplyFunction("trouble_document", "dad1d75f8763e5b9"),
        ApplyFunction("trouble_feed_rows", "abae130075f7d12d"),
        ApplyFunction("watch_buildings", "7e0c759d01584c3d"),
        ApplyFunction("watch_devices", "b75a6291bd3ac525"),
        ApplyFunction("watch_floors", "55372d3c760908be"),
        ApplyFunction("watch_gateway_buildings", "f66863be57f3972f"),
        ApplyFunction("watch_gateway_rules", "2de5c45763e4d542"),
        ApplyFunction("watch_rooms", "ed96725eda481feb"),
    ]
