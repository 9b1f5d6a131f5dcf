-- The one JSON form of an armed button, for list and live feed.
CREATE OR REPLACE FUNCTION drill_document(d drill_arms) RETURNS json LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT json_build_object(
        'device_id', d.hardware_id,
        'building_id', d.building_id,
        'room', (SELECT coalesce(r.name, r.room_number)
                 FROM devices v JOIN rooms r ON r.organization_id = v.organization_id AND r.id = v.room_id
                 WHERE v.organization_id = d.organization_id AND v.id = d.device_id),
        'armed_at', rfc3339(d.armed_at),
        'expires_at', rfc3339(d.expires_at))
$$;
