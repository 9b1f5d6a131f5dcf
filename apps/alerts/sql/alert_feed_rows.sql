-- Feed rows of alerts as they are at this moment. Silent alerts are for the response team.
CREATE OR REPLACE FUNCTION alert_feed_rows(kind text, ids uuid[], times timestamptz[])
RETURNS TABLE (organization_id uuid, kind text, audience text, site_id uuid, building_id uuid, payload text)
LANGUAGE sql STABLE AS $$
    SELECT a.organization_id, $1, CASE WHEN a.is_silent THEN 'response' ELSE 'staff' END, a.site_id, a.building_id,
           '{"alert":' || alert_document(a)::text || '}'
    FROM unnest($2, $3) WITH ORDINALITY AS k(id, at, n)
    JOIN alert_history a ON a.id = k.id AND a.triggered_at = k.at
    ORDER BY k.n
$$;
