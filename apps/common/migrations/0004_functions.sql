-- As before, with what caused the events: the request, and its trace (https://www.w3.org/TR/trace-context/).
DROP FUNCTION feed_append(feed_item[]);
CREATE FUNCTION feed_append(items feed_item[], request_id text, traceparent text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    organizations uuid[] := ARRAY (SELECT DISTINCT organization_id FROM unnest(items) ORDER BY 1);
BEGIN
    INSERT INTO organization_heads (organization_id, seq)
        SELECT unnest(organizations), 0 ON CONFLICT DO NOTHING;
    PERFORM 1 FROM organization_heads WHERE organization_id = ANY (organizations)
        ORDER BY organization_id FOR UPDATE;
    WITH inserted AS (
        INSERT INTO feed_events
            (organization_id, seq, kind, audience, site_id, building_id, payload, request_id, traceparent)
        SELECT organization_id, h.seq + row_number() OVER (PARTITION BY organization_id ORDER BY i.ordinality),
               i.kind, i.audience, i.site_id, i.building_id, i.payload,
               feed_append.request_id, feed_append.traceparent
        FROM unnest(items) WITH ORDINALITY AS i JOIN organization_heads h USING (organization_id)
        RETURNING organization_id, seq
    )
    UPDATE organization_heads h SET seq = c.seq
        FROM (SELECT organization_id, max(seq) AS seq FROM inserted GROUP BY 1) c
        WHERE h.organization_id = c.organization_id;
END $$;

-- How many feed events wait for the relay, and the age of the oldest: two numbers, of no tenant.
CREATE FUNCTION outbox_state(OUT waiting bigint, OUT oldest_seconds double precision)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::double precision
    FROM feed_events WHERE sent_at IS NULL
$$;
