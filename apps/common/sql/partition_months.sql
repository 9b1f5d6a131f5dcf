-- The months that have a partition, and those whose rows wait in the default partition.
CREATE OR REPLACE FUNCTION partition_months(parent text) RETURNS TABLE (month date, in_default boolean)
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
REVOKE ALL ON FUNCTION partition_months(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION partition_months(text) TO safesignal_system;
