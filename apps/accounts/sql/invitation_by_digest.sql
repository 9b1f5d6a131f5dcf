-- The open invitation that a link's secret belongs to; asked before the caller is known.
SET LOCAL ROLE safesignal_system;
CREATE OR REPLACE FUNCTION invitation_by_digest(secret bytea) RETURNS TABLE (organization_id uuid, id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT i.organization_id, i.id FROM invitations i JOIN organizations o ON o.id = i.organization_id
    WHERE i.digest = secret AND o.status <> 'deleted'
$$;
REVOKE ALL ON FUNCTION invitation_by_digest(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION invitation_by_digest(bytea) TO safesignal_app;
