UPDATE troubles SET reported_at = since;

CREATE INDEX troubles_open_since ON troubles (organization_id, since DESC, id DESC) WHERE ended_at IS NULL;

-- Where a trouble is: in the building of its device's room, or else in the only building of its gateway.
CREATE FUNCTION trouble_building(organization uuid, gateway uuid, hardware_id text) RETURNS uuid
LANGUAGE sql STABLE AS $$
    SELECT coalesce(
        (SELECT f.building_id FROM devices d JOIN rooms r ON r.id = d.room_id JOIN floors f ON f.id = r.floor_id
         WHERE d.organization_id = organization AND d.device_id = hardware_id),
        (SELECT (array_agg(b.building_id))[1] FROM gateway_buildings b
         WHERE b.organization_id = organization AND b.gateway_id = gateway HAVING count(*) = 1))
$$;

-- `contracts/live`, device.trouble; the same document in GET /api/v1/troubles.
CREATE FUNCTION trouble_document(t troubles) RETURNS json LANGUAGE sql STABLE AS $$
    SELECT json_build_object(
        'id', t.id, 'device', t.device_id_text,
        'gateway', (SELECT json_build_object('id', g.id, 'name', g.name) FROM gateways g WHERE g.id = t.gateway_id),
        'kind', t.kind, 'detail', t.detail, 'since', rfc3339(t.since))
$$;

CREATE FUNCTION trouble_feed_rows(kind text, ids uuid[])
RETURNS TABLE (organization_id uuid, kind text, audience text, site_id uuid, building_id uuid, payload text)
LANGUAGE sql STABLE AS $$
    SELECT t.organization_id, $1, CASE WHEN t.is_public THEN 'devices' ELSE 'silent_devices' END, NULL::uuid,
           t.building_id, json_build_object('trouble', trouble_document(t))::text
    FROM unnest($2) WITH ORDINALITY AS k(id, n) JOIN troubles t ON t.id = k.id ORDER BY k.n
$$;
