"""What each role may, as `contracts/permissions.json` says: {role: ["resource:action", …]}."""

import msgspec
from django.apps.registry import Apps
from django.conf import settings
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def seed(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    table = msgspec.json.decode(
        (settings.BASE_DIR / "contracts" / "permissions.json").read_bytes(), type=dict[str, list[str]]
    )
    permission = apps.get_model("accounts", "Permission")
    pairs = [(role, *pair.split(":", 1)) for role, granted in table.items() for pair in granted]
    permission.objects.using(schema_editor.connection.alias).bulk_create(
        [permission(role=role, resource=resource, action=action) for role, resource, action in pairs],
        ignore_conflicts=True,
    )


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_locks")]
    operations = [migrations.RunPython(seed, migrations.RunPython.noop)]
