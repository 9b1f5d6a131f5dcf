"""Partitioned tables of alerts, foreign keys, row-level security, and the SQL functions that read and write them."""

from pathlib import Path

from django.db import migrations

from apps.common.db.schema import (
    APPEND_ONLY,
    append_only,
    belongs_to_organization,
    lock_tenant_table,
    same_tenant_reference,
)

SQL = Path(__file__).with_name("0002_alerts.sql").read_text()


class Migration(migrations.Migration):
    dependencies = [("alerts", "0001_initial"), ("devices", "0002_locks"), ("accounts", "0002_locks")]
    operations = [
        migrations.RunSQL(SQL, migrations.RunSQL.noop),
        belongs_to_organization("incidents"),
        *(
            belongs_to_organization(table, key=False)
            for table in ("alert_history", "alert_events", "alert_notes", "alert_keys")
        ),
        same_tenant_reference("incidents", "site_id", "sites", on_delete="SET NULL"),
        same_tenant_reference("alert_history", "device_id", "devices", on_delete="SET NULL"),
        same_tenant_reference("alert_history", "room_id", "rooms", on_delete="SET NULL"),
        lock_tenant_table("incidents"),
        lock_tenant_table("alert_history", grant="SELECT, INSERT, UPDATE"),
        lock_tenant_table("alert_keys", grant=APPEND_ONLY),
        lock_tenant_table("alert_events", grant=APPEND_ONLY),
        lock_tenant_table("alert_notes", grant=APPEND_ONLY),
        append_only("alert_events"),
        append_only("alert_notes"),
    ]
