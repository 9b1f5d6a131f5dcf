-- Trigger: a change of a rule raises the configuration version of the gateways it concerns.
CREATE OR REPLACE FUNCTION watch_gateway_rules() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM raise_configuration_versions(ARRAY(
            WITH changed AS (SELECT * FROM new_rows)
            SELECT g.id FROM changed c JOIN gateways g ON g.organization_id = c.organization_id));
    ELSIF TG_OP = 'DELETE' THEN
        PERFORM raise_configuration_versions(ARRAY(
            WITH changed AS (SELECT * FROM old_rows)
            SELECT g.id FROM changed c JOIN gateways g ON g.organization_id = c.organization_id));
    ELSE
        PERFORM raise_configuration_versions(ARRAY(
            WITH different AS (
                (SELECT id, device_id, room_id, key, pattern, alert_type, is_silent FROM old_rows
                 EXCEPT SELECT id, device_id, room_id, key, pattern, alert_type, is_silent FROM new_rows)
                UNION
                (SELECT id, device_id, room_id, key, pattern, alert_type, is_silent FROM new_rows
                 EXCEPT SELECT id, device_id, room_id, key, pattern, alert_type, is_silent FROM old_rows)
            ), changed AS (
                SELECT * FROM old_rows WHERE (id) IN (SELECT id FROM different)
                UNION ALL SELECT * FROM new_rows WHERE (id) IN (SELECT id FROM different)
            )
            SELECT g.id FROM changed c JOIN gateways g ON g.organization_id = c.organization_id));
    END IF;
    RETURN NULL;
END $$;
