-- Which history of the database this is: one row, whose nonce the relay or an operator renews after a restore that
-- PostgreSQL itself cannot know of (a copied data folder, a snapshot of a virtual machine).
CREATE TABLE feed_epoch (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    nonce uuid NOT NULL DEFAULT gen_random_uuid(),
    renewed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    reason text NOT NULL DEFAULT 'first'
);
INSERT INTO feed_epoch DEFAULT VALUES;
GRANT SELECT ON feed_epoch TO safesignal_app, safesignal_system;
GRANT UPDATE (nonce, renewed_at, reason) ON feed_epoch TO safesignal_system;

-- The WAL timeline. It changes when a replica is promoted and when a recovery to a point in time ends; a replica tells
-- the one it follows. 0 where a managed database does not say.
CREATE FUNCTION wal_timeline() RETURNS bigint LANGUAGE plpgsql STABLE PARALLEL RESTRICTED AS $$
BEGIN
    IF pg_is_in_recovery() THEN
        RETURN (SELECT timeline_id FROM pg_control_checkpoint());
    END IF;
    RETURN ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint;
EXCEPTION WHEN feature_not_supported OR insufficient_privilege THEN
    RETURN 0;
END $$;

-- The epoch: another one after a failover (timeline), after a restore from a dump (system identifier, database), and
-- after a renewal of the nonce.
CREATE FUNCTION feed_epoch() RETURNS uuid LANGUAGE plpgsql STABLE PARALLEL RESTRICTED AS $$
DECLARE
    system text;
BEGIN
    BEGIN
        SELECT system_identifier INTO system FROM pg_control_system();
    EXCEPTION WHEN feature_not_supported OR insufficient_privilege THEN
        system := 'unknown';
    END;
    RETURN (SELECT md5(concat_ws('/', e.nonce, system, wal_timeline(), d.oid))::uuid
            FROM feed_epoch e, pg_database d WHERE d.datname = current_database());
END $$;

-- Heads so far were counted from 1, and told to all alike.
UPDATE organization_heads SET public_seq = seq;
UPDATE feed_events f SET previous = seq - 1;

-- As before, but a number is the time of its writing, in microseconds since 1970, so that a gap between two numbers
-- says nothing about events that a reader may not see; `previous` is the number before it in the organization's order.
-- `public_seq` is the newest event of an audience that every member of the staff belongs to. In one transaction those
-- come first, so that the rest takes no number between them.
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
