-- How many feed events wait for the relay, and the age of the oldest, over all organizations.
SET LOCAL ROLE safesignal_system;
CREATE OR REPLACE FUNCTION outbox_state(OUT waiting bigint, OUT oldest_seconds double precision)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::double precision
    FROM feed_events WHERE sent_at IS NULL
$$;
REVOKE ALL ON FUNCTION outbox_state() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION outbox_state() TO safesignal_app;
