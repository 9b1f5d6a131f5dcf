-- The WAL timeline. It changes when a replica is promoted and when a recovery to a point in time ends; a replica gives
-- the one it follows. 0 where a managed database does not give it.
CREATE OR REPLACE FUNCTION wal_timeline() RETURNS bigint LANGUAGE plpgsql STABLE PARALLEL RESTRICTED AS $$
BEGIN
    IF pg_is_in_recovery() THEN
        RETURN (SELECT timeline_id FROM pg_control_checkpoint());
    END IF;
    RETURN ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint;
EXCEPTION WHEN feature_not_supported OR insufficient_privilege THEN
    RETURN 0;
END $$;
