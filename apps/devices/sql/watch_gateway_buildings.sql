-- Trigger: a change of a gateway's buildings raises the configuration version of the gateways it concerns.
CREATE OR REPLACE FUNCTION watch_gateway_buildings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM raise_configuration_versions(ARRAY(
            WITH changed AS (SELECT * FROM new_rows)
            SELECT gateway_id FROM changed));
    ELSIF TG_OP = 'DELETE' THEN
        PERFORM raise_configuration_versions(ARRAY(
            WITH changed AS (SELECT * FROM old_rows)
            SELECT gateway_id FROM changed));
    ELSE
        PERFORM raise_configuration_versions(ARRAY(
            WITH different AS (
                (SELECT gateway_id, building_id FROM old_rows
                 EXCEPT SELECT gateway_id, building_id FROM new_rows)
                UNION
                (SELECT gateway_id, building_id FROM new_rows
                 EXCEPT SELECT gateway_id, building_id FROM old_rows)
            ), changed AS (
                SELECT * FROM old_rows WHERE (gateway_id, building_id)
                    IN (SELECT gateway_id, building_id FROM different)
                UNION ALL SELECT * FROM new_rows WHERE (gateway_id, building_id)
                    IN (SELECT gateway_id, building_id FROM different)
            )
            SELECT gateway_id FROM changed));
    END IF;
    RETURN NULL;
END $$;
