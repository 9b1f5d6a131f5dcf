-- The service token whose digest this is, with what it holds at a moment: those of its scopes that an admin holds, so
-- that none of them outlives a change of the permissions table. Asked before its organization is known.
SET LOCAL ROLE safesignal_system;
CREATE OR REPLACE FUNCTION service_token_by_digest(secret bytea, at timestamptz)
RETURNS TABLE (id uuid, organization_id uuid, organization_status text, name text, scopes text[])
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT t.id, t.organization_id, o.status::text, t.name::text,
           ARRAY (SELECT p.resource || ':' || p.action FROM permissions p
                  WHERE p.role = 'admin' AND p.resource || ':' || p.action = ANY (t.scopes) ORDER BY 1)
    FROM service_tokens t JOIN organizations o ON o.id = t.organization_id
    WHERE t.digest = secret AND at < t.expires_at AND o.status <> 'deleted'
$$;
REVOKE ALL ON FUNCTION service_token_by_digest(bytea, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION service_token_by_digest(bytea, timestamptz) TO safesignal_app;
