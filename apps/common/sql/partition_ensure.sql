-- Makes the partition of a month, and moves the month's rows there from the default partition; false when it exists.
-- CREATE ... PARTITION OF needs the parent's owner, so the function is the owner's and the partition keeper (system)
-- calls it. Months are of UTC, whatever zone the caller's session has.
CREATE OR REPLACE FUNCTION partition_ensure(parent text, month date) RETURNS boolean
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
REVOKE ALL ON FUNCTION partition_ensure(text, date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION partition_ensure(text, date) TO safesignal_system;
