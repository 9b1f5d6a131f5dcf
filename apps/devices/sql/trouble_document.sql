-- The one JSON form of a trouble (`contracts/live`, device.trouble), for live feed and list.
CREATE OR REPLACE FUNCTION trouble_document(t troubles) RETURNS json LANGUAGE sql STABLE AS $$
    SELECT json_build_object(
        'id', t.id, 'device', t.device_id_text,
        'gateway', (SELECT json_build_object('id', g.id, 'name', g.name) FROM gateways g WHERE g.id = t.gateway_id),
        'kind', t.kind, 'detail', t.detail, 'since', rfc3339(t.since))
$$;
