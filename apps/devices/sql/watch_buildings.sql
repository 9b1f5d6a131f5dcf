-- Trigger: a change of a building's name raises the configuration version of the gateways it concerns.
CREATE OR REPLACE FUNCTION watch_buildings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM raise_configuration_versions(ARRAY(
            WITH changed AS (SELECT * FROM new_rows)
            SELECT b.gateway_id FROM changed c JOIN gateway_buildings b ON b.building_id = c.id));
    ELSIF TG_OP = 'DELETE' THEN
        PERFORM raise_configuration_versions(ARRAY(
            WITH changed AS (SELECT * FROM old_rows)
            SELECT b.gateway_id FROM changed c JOIN gateway_buildings b ON b.building_id = c.id));
    ELSE
        PERFORM raise_configuration_versions(ARRAY(
            WITH different AS (
                (SELECT id, name FROM old_rows
                 EXCEPT SELECT id, name FROM new_rows)
                UNION
                (SELECT id, name FROM new_rows
                 EXCEPT SELECT id, name FROM old_rows)
            ), changed AS (
                SELECT * FROM old_rows WHERE (id) IN (SELECT id FROM different)
                UNION ALL SELECT * FROM new_rows WHERE (id) IN (SELECT id FROM different)
            )
            SELECT b.gateway_id FROM changed c JOIN gateway_buildings b ON b.building_id = c.id));
    END IF;
    RETURN NULL;
END $$;
