"""Answers kept for who sends a write again; what caused a feed event; what /metrics asks of the outbox."""

from pathlib import Path

from django.db import migrations, models

from apps.common.db.schema import owned_by_system

FUNCTIONS = Path(__file__).with_name("0004_functions.sql").read_text()

LOCK_KEYS = """
    -- A principal may belong to several organizations or to none, so the lock of these rows is the principal itself.
    ALTER TABLE idempotency_keys ENABLE ROW LEVEL SECURITY;
    ALTER TABLE idempotency_keys FORCE ROW LEVEL SECURITY;
    CREATE POLICY caller ON idempotency_keys TO safesignal_app
        USING (principal_id = nullif(current_setting('safesignal.principal', true), '')::uuid)
        WITH CHECK (principal_id = nullif(current_setting('safesignal.principal', true), '')::uuid);
    CREATE POLICY every_caller ON idempotency_keys TO safesignal_system USING (true) WITH CHECK (true);
    CREATE POLICY migrations ON idempotency_keys TO safesignal_owner USING (true) WITH CHECK (true);
    GRANT SELECT, INSERT, UPDATE ON idempotency_keys TO safesignal_app;
    GRANT SELECT, DELETE ON idempotency_keys TO safesignal_system;
"""


class Migration(migrations.Migration):
    dependencies = [("common", "0003_audit_chain")]
    operations = [
        migrations.CreateModel(
            name="IdempotencyKey",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "principal_id", "key", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("principal_id", models.UUIDField()),
                ("key", models.CharField(max_length=255)),
                ("fingerprint", models.BinaryField()),
                ("rights", models.BinaryField()),
                ("status", models.SmallIntegerField()),
                ("headers", models.JSONField()),
                ("body", models.BinaryField(null=True)),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "db_table": "idempotency_keys",
                "indexes": [models.Index(fields=["created_at"], name="idempotency_keys_age")],
            },
        ),
        migrations.RunSQL(LOCK_KEYS, migrations.RunSQL.noop),
        migrations.AddField("feedevent", "request_id", models.CharField(max_length=64, null=True)),
        migrations.AddField("feedevent", "traceparent", models.CharField(max_length=55, null=True)),
        migrations.RunSQL(FUNCTIONS, migrations.RunSQL.noop),
        owned_by_system("outbox_state()"),
    ]
