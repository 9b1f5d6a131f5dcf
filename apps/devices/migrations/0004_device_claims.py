"""Hardware ids are claimed with the code in their box, so that no school can register another's device first."""

from django.db import migrations, models
from django.db.models.functions import Now

from apps.common.db.schema import owned_by_system

LOCK = """
ALTER TABLE device_claims ADD CONSTRAINT device_claims_code_hash CHECK (octet_length(code_hash) = 32),
    ADD CONSTRAINT device_claims_claimed CHECK ((claimed_by IS NULL) = (claimed_at IS NULL)),
    ADD CONSTRAINT device_claims_claimed_by_fk FOREIGN KEY (claimed_by) REFERENCES organizations (id)
        ON DELETE NO ACTION;
GRANT SELECT, INSERT, UPDATE ON device_claims TO safesignal_system;
"""
CLAIM = """
-- Claims hardware ids for an organization of the caller's scope. `codes` is [{"device_id", "code_hash" (hex or null)}].
-- Outcomes: claimed (now, or before by this organization), refused (another code, or another claimed it), unknown.
CREATE FUNCTION claim_devices(organization uuid, codes jsonb) RETURNS TABLE (device_id text, outcome text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF organization <> ALL (nullif(current_setting('safesignal.organizations', true), '')::uuid[]) THEN
        RAISE EXCEPTION 'out of scope' USING ERRCODE = 'insufficient_privilege';
    END IF;
    UPDATE device_claims c SET claimed_by = organization, claimed_at = now()
    FROM jsonb_to_recordset(codes) AS given(device_id text, code_hash text)
    WHERE c.device_id = given.device_id AND c.claimed_by IS NULL AND c.code_hash = decode(given.code_hash, 'hex');
    RETURN QUERY
    SELECT given.device_id,
           CASE WHEN c.device_id IS NULL THEN 'unknown'
                WHEN c.claimed_by = organization THEN 'claimed'
                ELSE 'refused' END
    FROM jsonb_to_recordset(codes) AS given(device_id text) LEFT JOIN device_claims c ON c.device_id = given.device_id;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("devices", "0003_lists"), ("tenancy", "0003_settings")]
    operations = [
        migrations.CreateModel(
            name="DeviceClaim",
            fields=[
                ("device_id", models.CharField(max_length=100, primary_key=True, serialize=False)),
                ("code_hash", models.BinaryField(max_length=32)),
                ("claimed_by", models.UUIDField(null=True)),
                ("claimed_at", models.DateTimeField(null=True)),
                ("created_at", models.DateTimeField(db_default=Now())),
            ],
            options={"db_table": "device_claims"},
        ),
        migrations.RunSQL(LOCK, migrations.RunSQL.noop),
        migrations.RunSQL(CLAIM, "DROP FUNCTION claim_devices(uuid, jsonb)"),
        owned_by_system("claim_devices(uuid, jsonb)"),
    ]
