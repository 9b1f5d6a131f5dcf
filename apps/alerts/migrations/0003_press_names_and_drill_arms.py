"""Which gateway reported a press, the approval that rests on a gateway's word, and buttons armed for a drill."""

import django.db.models.deletion
from django.db import migrations, models

import apps.common.db.ids
from apps.common.db.schema import belongs_to_organization, lock_tenant_table, same_tenant_reference

DRILLS = """
CREATE INDEX idx_alert_open_drill ON alert_history (organization_id)
    WHERE is_drill AND status IN ('new', 'acknowledged');

-- The one JSON form of an armed button, for list and live feed.
CREATE FUNCTION drill_document(d drill_arms) RETURNS json LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT json_build_object(
        'device_id', d.hardware_id,
        'building_id', d.building_id,
        'room', (SELECT coalesce(r.name, r.room_number)
                 FROM devices v JOIN rooms r ON r.organization_id = v.organization_id AND r.id = v.room_id
                 WHERE v.organization_id = d.organization_id AND v.id = d.device_id),
        'armed_at', rfc3339(d.armed_at),
        'expires_at', rfc3339(d.expires_at))
$$;

CREATE FUNCTION drill_feed_rows(kind text, arm uuid)
RETURNS TABLE (organization_id uuid, kind text, audience text, site_id uuid, building_id uuid, payload text)
LANGUAGE sql STABLE AS $$
    SELECT d.organization_id, $1, 'staff', d.site_id, d.building_id, '{"drill":' || drill_document(d)::text || '}'
    FROM drill_arms d WHERE d.id = $2
$$;
"""


class Migration(migrations.Migration):
    dependencies = [("alerts", "0002_locks")]
    operations = [
        migrations.RunSQL(
            "ALTER TABLE alert_history ADD COLUMN gateway_approval uuid",
            migrations.RunSQL.noop,
            state_operations=[migrations.AddField("alert", "gateway_approval", models.UUIDField(null=True))],
        ),
        migrations.AddField("alertkey", "gateway_id", models.UUIDField(null=True)),
        migrations.AddField("alertkey", "received_at", models.DateTimeField(null=True)),
        migrations.CreateModel(
            name="DrillArm",
            fields=[
                ("id", models.UUIDField(default=apps.common.db.ids.new_id, primary_key=True, serialize=False)),
                ("hardware_id", models.CharField(max_length=100)),
                ("site_id", models.UUIDField(null=True)),
                ("building_id", models.UUIDField(null=True)),
                ("armed_by", models.UUIDField()),
                ("armed_at", models.DateTimeField()),
                ("expires_at", models.DateTimeField()),
                ("alert_id", models.CharField(max_length=100, null=True)),
                ("used_at", models.DateTimeField(null=True)),
                (
                    "device",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        to="devices.device",
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        to="tenancy.organization",
                    ),
                ),
            ],
            options={
                "db_table": "drill_arms",
                "indexes": [models.Index(fields=["organization", "expires_at"], name="drill_arms_expires")],
            },
        ),
        belongs_to_organization("drill_arms", key=False),
        same_tenant_reference("drill_arms", "device_id", "devices", on_delete="CASCADE"),
        lock_tenant_table("drill_arms", grant="SELECT, INSERT, UPDATE"),
        migrations.RunSQL(
            DRILLS,
            """
            DROP FUNCTION drill_feed_rows(text, uuid);
            DROP FUNCTION drill_document(drill_arms);
            DROP INDEX idx_alert_open_drill;
            """,
        ),
    ]
