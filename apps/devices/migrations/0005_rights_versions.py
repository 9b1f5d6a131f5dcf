"""A gateway's rights version rises when it is revoked, handed over, or given other buildings."""

from django.db import migrations

from apps.common.db.schema import raise_rights_version


class Migration(migrations.Migration):
    dependencies = [("devices", "0004_device_claims"), ("accounts", "0013_rights_versions")]
    operations = [
        raise_rights_version("gateways", columns=("id", "organization_id", "status"), subject="id", on_insert=False),
        raise_rights_version(
            "gateway_buildings", columns=("gateway_id", "organization_id", "building_id"), subject="gateway_id"
        ),
    ]
