-- Trigger: a change of a device raises the configuration version of the gateways it concerns. `offline` is what an
-- active device shows while it is missing: no change of its lifecycle.
CREATE OR REPLACE FUNCTION watch_devices() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM raise_configuration_versions(ARRAY(
            WITH changed AS (SELECT * FROM new_rows)
            SELECT b.gateway_id FROM changed c JOIN rooms r ON r.id = c.room_id
            JOIN floors f ON f.id = r.floor_id
            JOIN gateway_buildings b ON b.building_id = f.building_id
            UNION SELECT g.id FROM changed c JOIN gateway_rules u ON u.device_id = c.id
            JOIN gateways g ON g.organization_id = u.organization_id));
    ELSIF TG_OP = 'DELETE' THEN
        PERFORM raise_configuration_versions(ARRAY(
            WITH changed AS (SELECT * FROM old_rows)
            SELECT b.gateway_id FROM changed c JOIN rooms r ON r.id = c.room_id
            JOIN floors f ON f.id = r.floor_id
            JOIN gateway_buildings b ON b.building_id = f.building_id
            UNION SELECT g.id FROM changed c JOIN gateway_rules u ON u.device_id = c.id
            JOIN gateways g ON g.organization_id = u.organization_id));
    ELSE
        PERFORM raise_configuration_versions(ARRAY(
            WITH different AS (
                (SELECT id, device_id, room_id, power, replace(status, 'offline', 'active') FROM old_rows
                 EXCEPT SELECT id, device_id, room_id, power, replace(status, 'offline', 'active') FROM new_rows)
                UNION
                (SELECT id, device_id, room_id, power, replace(status, 'offline', 'active') FROM new_rows
                 EXCEPT SELECT id, device_id, room_id, power, replace(status, 'offline', 'active') FROM old_rows)
            ), changed AS (
                SELECT * FROM old_rows WHERE (id) IN (SELECT id FROM different)
                UNION ALL SELECT * FROM new_rows WHERE (id) IN (SELECT id FROM different)
            )
            SELECT b.gateway_id FROM changed c JOIN rooms r ON r.id = c.room_id
            JOIN floors f ON f.id = r.floor_id
            JOIN gateway_buildings b ON b.building_id = f.building_id
            UNION SELECT g.id FROM changed c JOIN gateway_rules u ON u.device_id = c.id
            JOIN gateways g ON g.organization_id = u.organization_id));
    END IF;
    RETURN NULL;
END $$;
