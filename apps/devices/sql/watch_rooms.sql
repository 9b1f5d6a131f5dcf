-- Trigger: a change of a room raises the configuration version of the gateways it concerns.
CREATE OR REPLACE FUNCTION watch_rooms() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM raise_configuration_versions(ARRAY(
            WITH changed AS (SELECT * FROM new_rows)
            SELECT b.gateway_id FROM changed r
            JOIN floors f ON f.id = r.floor_id
            JOIN gateway_buildings b ON b.building_id = f.building_id));
    ELSIF TG_OP = 'DELETE' THEN
        PERFORM raise_configuration_versions(ARRAY(
            WITH changed AS (SELECT * FROM old_rows)
            SELECT b.gateway_id FROM changed r
            JOIN floors f ON f.id = r.floor_id
            JOIN gateway_buildings b ON b.building_id = f.building_id));
    ELSE
        PERFORM raise_configuration_versions(ARRAY(
            WITH different AS (
                (SELECT id, floor_id, room_number, name FROM old_rows
                 EXCEPT SELECT id, floor_id, room_number, name FROM new_rows)
                UNION
                (SELECT id, floor_id, room_number, name FROM new_rows
                 EXCEPT SELECT id, floor_id, room_number, name FROM old_rows)
            ), changed AS (
                SELECT * FROM old_rows WHERE (id) IN (SELECT id FROM different)
                UNION ALL SELECT * FROM new_rows WHERE (id) IN (SELECT id FROM different)
            )
            SELECT b.gateway_id FROM changed r
            JOIN floors f ON f.id = r.floor_id
            JOIN gateway_buildings b ON b.building_id = f.building_id));
    END IF;
    RETURN NULL;
END $$;
