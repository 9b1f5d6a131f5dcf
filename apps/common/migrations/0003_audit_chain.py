"""The audit trail's chain, and the personal values that stand beside it."""

from django.db import migrations, models

from apps.common.db.schema import APPEND_ONLY, SCOPE, lock_tenant_table, owned_by_system

SEAL_ONCE = """
    -- An entry never changes, but for its place in the chain, which the relay (system) adds once.
    CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF current_user = 'safesignal_owner' THEN
            RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
        END IF;
        IF TG_OP = 'UPDATE' AND OLD.seq IS NULL AND current_user = 'safesignal_system' THEN
            RETURN NEW;
        END IF;
        RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'insufficient_privilege';
    END $$;
    DROP TRIGGER append_only ON audit_entries;
    CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit_entries
        FOR EACH ROW EXECUTE FUNCTION refuse_audit_change();
    GRANT UPDATE (seq, sealed_at, hash) ON audit_entries TO safesignal_system;
"""

PLATFORM_TRAIL = """
    -- Entries of no organization: read where the trail's own selector asked for them, in that transaction.
    CREATE POLICY platform_trail ON {table} FOR SELECT TO safesignal_app
        USING (organization_id IS NULL AND current_setting('safesignal.platform_trail', true) = 'on');
"""

FORGET = """
    -- A person's values in the trails of every organization they ever acted in; how many.
    CREATE FUNCTION audit_forget(person uuid) RETURNS bigint
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
        WITH gone AS (DELETE FROM audit_personal WHERE person_id = person RETURNING 1) SELECT count(*) FROM gone
    $$;
"""


class Migration(migrations.Migration):
    dependencies = [("common", "0002_locks")]
    operations = [
        *(
            migrations.AddField("auditentry", name, field)
            for name, field in (
                ("request_id", models.CharField(max_length=64, null=True)),
                ("personal_digest", models.BinaryField(max_length=32, null=True)),
                ("seq", models.BigIntegerField(null=True)),
                ("sealed_at", models.DateTimeField(null=True)),
                ("hash", models.BinaryField(max_length=32, null=True)),
            )
        ),
        migrations.RemoveIndex("auditentry", "audit_entries_org_at"),
        *(
            migrations.AddIndex("auditentry", index)
            for index in (
                models.Index(fields=["organization_id", "-at", "-id"], name="audit_entries_org_at"),
                models.Index(fields=["organization_id", "actor_id", "-at", "-id"], name="audit_entries_actor"),
                models.Index(fields=["organization_id", "target_id", "-at", "-id"], name="audit_entries_target"),
                models.Index(
                    fields=["at", "id"], condition=models.Q(("seq__isnull", True)), name="audit_entries_unsealed"
                ),
            )
        ),
        migrations.AddConstraint(
            "auditentry",
            models.UniqueConstraint(
                fields=["organization_id", "seq"],
                condition=models.Q(("seq__isnull", False)),
                nulls_distinct=False,
                name="audit_entries_chain",
            ),
        ),
        migrations.RunSQL(SEAL_ONCE, migrations.RunSQL.noop),
        migrations.RunSQL(PLATFORM_TRAIL.format(table="audit_entries"), migrations.RunSQL.noop),
        migrations.CreateModel(
            name="AuditPersonal",
            fields=[
                ("entry_id", models.UUIDField(primary_key=True, serialize=False)),
                ("organization_id", models.UUIDField(null=True)),
                ("person_id", models.UUIDField(null=True)),
                ("salt", models.BinaryField(max_length=16)),
                ("values", models.JSONField()),
            ],
            options={
                "db_table": "audit_personal",
                "indexes": [models.Index(fields=["person_id"], name="audit_personal_person")],
            },
        ),
        lock_tenant_table("audit_personal", grant=APPEND_ONLY),
        migrations.RunSQL(
            "CREATE POLICY no_tenant_yet ON audit_personal FOR INSERT TO safesignal_app"
            f" WITH CHECK (organization_id IS NULL OR organization_id = {SCOPE});"
            "GRANT DELETE ON audit_personal TO safesignal_system;",
            migrations.RunSQL.noop,
        ),
        migrations.RunSQL(PLATFORM_TRAIL.format(table="audit_personal"), migrations.RunSQL.noop),
        migrations.RunSQL(FORGET, migrations.RunSQL.noop),
        owned_by_system("audit_forget(uuid)"),
    ]
