"""The feed's append function, the append-only lock of the audit trail, and row-level security."""

from pathlib import Path

from django.db import migrations

from apps.common.db.schema import APPEND_ONLY, SCOPE, append_only, lock_tenant_table

FUNCTIONS = Path(__file__).with_name("0002_functions.sql").read_text()


class Migration(migrations.Migration):
    dependencies = [("common", "0001_initial")]
    operations = [
        migrations.RunSQL(FUNCTIONS, migrations.RunSQL.noop),
        lock_tenant_table("organization_heads", grant="SELECT, INSERT, UPDATE"),
        lock_tenant_table("feed_events", grant="SELECT, INSERT"),
        migrations.RunSQL(
            "GRANT UPDATE (sent_at), DELETE ON feed_events TO safesignal_system;"
            "ALTER TABLE feed_events ALTER created_at SET DEFAULT clock_timestamp();",
            migrations.RunSQL.noop,
        ),
        lock_tenant_table("audit_entries", grant=APPEND_ONLY),
        migrations.RunSQL(
            "CREATE POLICY no_tenant_yet ON audit_entries FOR INSERT TO safesignal_app"
            f" WITH CHECK (organization_id IS NULL OR organization_id = {SCOPE});",
            migrations.RunSQL.noop,
        ),
        append_only("audit_entries"),
    ]
