-- Which history of the database this is. It changes after a failover (timeline), after a restore from a dump (system
-- identifier, database), and after a renewal of the nonce.
CREATE OR REPLACE FUNCTION feed_epoch() RETURNS uuid LANGUAGE plpgsql STABLE PARALLEL RESTRICTED AS $$
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
