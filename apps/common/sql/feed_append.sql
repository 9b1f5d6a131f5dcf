-- Appends to the feed of each organization in one go, with what caused the events: the request, and its trace
-- (https://www.w3.org/TR/trace-context/). Called last in a transaction: the head rows stay locked until COMMIT, so the
-- order of seq is the order of commits. Heads are locked in sorted order.
--
-- A seq is the time of its writing, in microseconds since 1970, so that a gap between two of them says nothing about
-- events that a reader may not see; `previous` is the seq before it in the organization's order. `public_seq` is the
-- newest event of an audience that every member of the staff belongs to. In one transaction those come first, so that
-- the others take no number between them.
CREATE OR REPLACE FUNCTION feed_append(items feed_item[], request_id text, traceparent text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    organizations uuid[] := ARRAY (SELECT DISTINCT organization_id FROM unnest(items) ORDER BY 1);
    moment bigint;
BEGIN
    INSERT INTO organization_heads (organization_id, seq)
        SELECT unnest(organizations), 0 ON CONFLICT DO NOTHING;
    PERFORM 1 FROM organization_heads WHERE organization_id = ANY (organizations)
        ORDER BY organization_id FOR UPDATE;
    moment := (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;
    WITH numbered AS (
        SELECT i.*, h.seq AS head, greatest(h.seq, moment - 1) AS base,
               row_number() OVER (PARTITION BY i.organization_id
                                  ORDER BY i.audience NOT IN ('staff', 'devices'), i.ordinality) AS n
        FROM unnest(items) WITH ORDINALITY AS i JOIN organization_heads h USING (organization_id)
    ), inserted AS (
        INSERT INTO feed_events (organization_id, seq, previous, kind, audience, site_id, building_id, payload,
                                 request_id, traceparent)
        SELECT organization_id, base + n, CASE n WHEN 1 THEN head ELSE base + n - 1 END, kind, audience, site_id,
               building_id, payload, feed_append.request_id, feed_append.traceparent
        FROM numbered
        RETURNING organization_id, seq, audience
    )
    UPDATE organization_heads h SET seq = c.seq, public_seq = greatest(h.public_seq, c.public_seq)
        FROM (SELECT organization_id, max(seq) AS seq,
                     max(seq) FILTER (WHERE audience IN ('staff', 'devices')) AS public_seq
              FROM inserted GROUP BY 1) c
        WHERE h.organization_id = c.organization_id;
END $$;
