-- Feed rows of one armed button as it is at this moment.
CREATE OR REPLACE FUNCTION drill_feed_rows(kind text, arm uuid)
RETURNS TABLE (organization_id uuid, kind text, audience text, site_id uuid, building_id uuid, payload text)
LANGUAGE sql STABLE AS $$
    SELECT d.organization_id, $1, 'staff', d.site_id, d.building_id, '{"drill":' || drill_document(d)::text || '}'
    FROM drill_arms d WHERE d.id = $2
$$;
