-- One row for the feed: what announce() queued.
CREATE TYPE feed_item AS (
    organization_id uuid, kind text, audience text, site_id uuid, building_id uuid, payload text
);

-- Appends to the feed of each organization in one go. Called last in a transaction: the head rows stay locked until
-- COMMIT, so the order of seq is the order of commits and there are no holes. Heads are locked in sorted order.
CREATE FUNCTION feed_append(items feed_item[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    organizations uuid[] := ARRAY (SELECT DISTINCT organization_id FROM unnest(items) ORDER BY 1);
BEGIN
    INSERT INTO organization_heads (organization_id, seq)
        SELECT unnest(organizations), 0 ON CONFLICT DO NOTHING;
    PERFORM 1 FROM organization_heads WHERE organization_id = ANY (organizations)
        ORDER BY organization_id FOR UPDATE;
    WITH inserted AS (
        INSERT INTO feed_events (organization_id, seq, kind, audience, site_id, building_id, payload)
        SELECT organization_id, h.seq + row_number() OVER (PARTITION BY organization_id ORDER BY i.ordinality),
               i.kind, i.audience, i.site_id, i.building_id, i.payload
        FROM unnest(items) WITH ORDINALITY AS i JOIN organization_heads h USING (organization_id)
        RETURNING organization_id, seq
    )
    UPDATE organization_heads h SET seq = c.seq
        FROM (SELECT organization_id, max(seq) AS seq FROM inserted GROUP BY 1) c
        WHERE h.organization_id = c.organization_id;
END $$;

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_user = 'safesignal_owner' THEN
        RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    END IF;
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;

-- RFC 3339, UTC, milliseconds.
CREATE FUNCTION rfc3339(at timestamptz) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;

-- Partitions by month. CREATE … PARTITION OF and DETACH need the parent's owner, so these two are the owner's and the
-- partition keeper (system) calls them. Months are of UTC, whatever zone the caller's session has.
CREATE SCHEMA retired;

CREATE FUNCTION partition_ensure(parent text, month date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    first date := date_trunc('month', month);
    next date := first + interval '1 month';
    name text := parent || '_' || to_char(first, 'YYYYMM');
    fallback text := parent || '_default';
    key text;
BEGIN
    IF to_regclass(name) IS NOT NULL THEN
        RETURN false;
    END IF;
    SELECT a.attname INTO STRICT key
        FROM pg_partitioned_table p JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0]
        WHERE p.partrelid = parent::regclass;
    -- A month over rows that fell into the default partition: lock, move out, create, move in.
    EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', fallback);
    EXECUTE format('CREATE TEMP TABLE moved ON COMMIT DROP AS SELECT * FROM %I WHERE %I >= %L AND %I < %L',
                   fallback, key, first, key, next);
    EXECUTE format('DELETE FROM %I WHERE %I >= %L AND %I < %L', fallback, key, first, key, next);
    EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)', name, parent, first, next);
    EXECUTE format('INSERT INTO %I SELECT * FROM moved', parent);
    DROP TABLE moved;
    RETURN true;
END $$;

CREATE FUNCTION partition_retire(parent text, month date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    name text := parent || '_' || to_char(month, 'YYYYMM');
BEGIN
    IF to_regclass(name) IS NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('ALTER TABLE %I DETACH PARTITION %I', parent, name);
    EXECUTE format('ALTER TABLE %I SET SCHEMA retired', name);
    RETURN true;
END $$;

-- The months that a parent has, and those whose rows wait in its default partition.
CREATE FUNCTION partition_months(parent text) RETURNS TABLE (month date, in_default boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    key text;
BEGIN
    SELECT a.attname INTO STRICT key
        FROM pg_partitioned_table p JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0]
        WHERE p.partrelid = parent::regclass;
    RETURN QUERY SELECT to_date(right(c.relname, 6), 'YYYYMM'), false
        FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = parent::regclass AND c.relname ~ '_[0-9]{6}$';
    RETURN QUERY EXECUTE format('SELECT DISTINCT date_trunc(''month'', %I AT TIME ZONE ''UTC'')::date, true FROM %I',
                                key, parent || '_default');
END $$;

REVOKE ALL ON FUNCTION partition_ensure(text, date), partition_retire(text, date), partition_months(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION partition_ensure(text, date), partition_retire(text, date), partition_months(text)
    TO safesignal_system;
