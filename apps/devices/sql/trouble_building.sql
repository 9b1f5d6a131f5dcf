-- Where a trouble is: the building of its device's room, or else the only building of its gateway.
CREATE OR REPLACE FUNCTION trouble_building(organization uuid, gateway uuid, hardware_id text) RETURNS uuid
LANGUAGE sql STABLE AS $$
    SELECT coalesce(
        (SELECT f.building_id FROM devices d JOIN rooms r ON r.id = d.room_id JOIN floors f ON f.id = r.floor_id
         WHERE d.organization_id = organization AND d.device_id = hardware_id),
        (SELECT (array_agg(b.building_id))[1] FROM gateway_buildings b
         WHERE b.organization_id = organization AND b.gateway_id = gateway HAVING count(*) = 1))
$$;
