-- Detaches the partition of a month and moves it to the schema `retired`; false when there is none. DETACH needs the
-- parent's owner, so the function is the owner's and the partition keeper (system) calls it.
CREATE OR REPLACE FUNCTION partition_retire(parent text, month date) RETURNS boolean
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
REVOKE ALL ON FUNCTION partition_retire(text, date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION partition_retire(text, date) TO safesignal_system;
