"""Every change that a gateway's configuration is built from raises its version, and announces it at commit.

`WATCHED` names, for each table, what `apps/devices/gateways/configuration.py` reads of it and which gateways a changed
row concerns. A test changes every column of every table that the configuration is read from.
"""

from typing import Final

from django.db import migrations

OF_ROOMS: Final = "JOIN floors f ON f.id = r.floor_id JOIN gateway_buildings b ON b.building_id = f.building_id"

WATCHED: Final = {
    "buildings": (
        "id",
        "id, name",
        "SELECT b.gateway_id FROM changed c JOIN gateway_buildings b ON b.building_id = c.id",
    ),
    "floors": (
        "id",
        "id, building_id, floor_number, name",
        "SELECT b.gateway_id FROM changed c JOIN gateway_buildings b ON b.building_id = c.building_id",
    ),
    "rooms": ("id", "id, floor_id, room_number, name", f"SELECT b.gateway_id FROM changed r {OF_ROOMS}"),
    # `offline` is what an active device shows while it is missing: no change of its lifecycle.
    "devices": (
        "id",
        "id, device_id, room_id, power, replace(status, 'offline', 'active')",
        f"SELECT b.gateway_id FROM changed c JOIN rooms r ON r.id = c.room_id {OF_ROOMS}"
        " UNION SELECT g.id FROM changed c JOIN gateway_rules u ON u.device_id = c.id"
        " JOIN gateways g ON g.organization_id = u.organization_id",
    ),
    "gateway_buildings": ("gateway_id, building_id", "gateway_id, building_id", "SELECT gateway_id FROM changed"),
    "gateway_rules": (
        "id",
        "id, device_id, room_id, key, pattern, alert_type, is_silent",
        "SELECT g.id FROM changed c JOIN gateways g ON g.organization_id = c.organization_id",
    ),
}
"""Table -> its key, the values that count, and the gateways that a changed row concerns."""

RAISE: Final = """
-- A gateway that was made in this very transaction has not fetched anything yet.
CREATE FUNCTION raise_configuration_versions(gateways_concerned uuid[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM gateways WHERE id = ANY (gateways_concerned) AND created_at < transaction_timestamp()
        ORDER BY id FOR NO KEY UPDATE;
    UPDATE gateways SET configuration_version = configuration_version + 1
        WHERE id = ANY (gateways_concerned) AND created_at < transaction_timestamp();
END $$;

-- At commit, and once, however often the version was raised in the transaction.
CREATE FUNCTION announce_configuration() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM gateways WHERE id = NEW.id AND configuration_version = NEW.configuration_version) THEN
        PERFORM feed_append(ARRAY[ROW(NEW.organization_id, 'config.changed', 'gateway', NULL, NULL,
            json_build_object('gateway', NEW.id, 'version', NEW.configuration_version)::text)::feed_item], NULL, NULL);
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER announce_configuration AFTER UPDATE OF configuration_version ON gateways
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.configuration_version > OLD.configuration_version)
    EXECUTE FUNCTION announce_configuration();
"""

WATCH: Final = """
CREATE FUNCTION watch_{table}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM raise_configuration_versions(ARRAY(WITH changed AS (SELECT * FROM new_rows) {concerned}));
    ELSIF TG_OP = 'DELETE' THEN
        PERFORM raise_configuration_versions(ARRAY(WITH changed AS (SELECT * FROM old_rows) {concerned}));
    ELSE
        PERFORM raise_configuration_versions(ARRAY(
            WITH different AS (
                (SELECT {values} FROM old_rows EXCEPT SELECT {values} FROM new_rows)
                UNION (SELECT {values} FROM new_rows EXCEPT SELECT {values} FROM old_rows)
            ), changed AS (
                SELECT * FROM old_rows WHERE ({key}) IN (SELECT {key} FROM different)
                UNION ALL SELECT * FROM new_rows WHERE ({key}) IN (SELECT {key} FROM different)
            ) {concerned}));
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER configuration_insert AFTER INSERT ON {table} REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION watch_{table}();
CREATE TRIGGER configuration_update AFTER UPDATE ON {table} REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION watch_{table}();
CREATE TRIGGER configuration_delete AFTER DELETE ON {table} REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION watch_{table}();
"""


class Migration(migrations.Migration):
    dependencies = [("devices", "0005_rights_versions"), ("tenancy", "0003_settings"), ("common", "0005_feed_epoch")]
    operations = [
        migrations.RunSQL(RAISE, migrations.RunSQL.noop),
        *(
            migrations.RunSQL(
                WATCH.format(table=table, key=key, values=values, concerned=concerned), migrations.RunSQL.noop
            )
            for table, (key, values, concerned) in WATCHED.items()
        ),
    ]
