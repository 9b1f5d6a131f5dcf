-- Feed rows of troubles as they are at this moment. A trouble that is not public is for those who see silent alerts.
CREATE OR REPLACE FUNCTION trouble_feed_rows(kind text, ids uuid[])
RETURNS TABLE (organization_id uuid, kind text, audience text, site_id uuid, building_id uuid, payload text)
LANGUAGE sql STABLE AS $$
    SELECT t.organization_id, $1, CASE WHEN t.is_public THEN 'devices' ELSE 'silent_devices' END, NULL::uuid,
           t.building_id, json_build_object('trouble', trouble_document(t))::text
    FROM unnest($2) WITH ORDINALITY AS k(id, n) JOIN troubles t ON t.id = k.id ORDER BY k.n
$$;
