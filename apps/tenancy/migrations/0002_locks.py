"""Foreign keys that cannot cross tenants, and row-level security."""

from django.db import migrations

from apps.common.db.schema import belongs_to_organization, lock_tenant_table, same_tenant_reference

PLACES = [
    ("sites", None, None),
    ("buildings", "site_id", "sites"),
    ("floors", "building_id", "buildings"),
    ("rooms", "floor_id", "floors"),
]


class Migration(migrations.Migration):
    dependencies = [("tenancy", "0001_initial"), ("common", "0002_locks")]
    operations = [
        lock_tenant_table("organizations", column="id"),
        *(belongs_to_organization(table) for table, _, _ in PLACES),
        *(
            same_tenant_reference(table, column, parent, on_delete="CASCADE")
            for table, column, parent in PLACES
            if column and parent
        ),
        *(lock_tenant_table(table) for table, _, _ in PLACES),
        migrations.RunSQL(
            "CREATE UNIQUE INDEX organizations_slug_folded ON organizations (lower(slug))", migrations.RunSQL.noop
        ),
    ]
