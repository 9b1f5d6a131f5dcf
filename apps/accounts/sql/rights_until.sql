-- The next moment at which time alone changes what a principal may do; NULL when there is none.
SET LOCAL ROLE safesignal_system;
CREATE OR REPLACE FUNCTION rights_until(principal uuid, sign_in uuid, at timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT least(
        (SELECT s.expires_at FROM sign_ins s WHERE s.id = sign_in),
        (SELECT min(m.expires_at) FROM user_organizations m WHERE m.user_id = principal AND m.expires_at > at),
        (SELECT min(v.started_at) FROM platform_visits v WHERE v.user_id = principal AND v.started_at > at),
        (SELECT min(v.ends_at) FROM platform_visits v
            WHERE v.user_id = principal AND v.ended_at IS NULL AND v.ends_at > at),
        (SELECT t.expires_at FROM service_tokens t WHERE t.id = principal))
$$;
REVOKE ALL ON FUNCTION rights_until(uuid, uuid, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION rights_until(uuid, uuid, timestamptz) TO safesignal_app;
