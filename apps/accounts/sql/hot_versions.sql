-- All that a cached response depends on: the head of the organization's feed, and one number for the rights of one
-- principal in one organization. It is a sum of numbers that only rise, so it moves when any of them does. A reader
-- asks for it before it reads rights or rows, so that what it keeps is never older than the version it is kept under.
-- The last of the three subjects is everybody.
SET LOCAL ROLE safesignal_system;
CREATE OR REPLACE FUNCTION hot_versions(principal uuid, organization uuid, OUT head bigint, OUT rights bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT coalesce((SELECT h.seq FROM organization_heads h WHERE h.organization_id = organization), 0),
           coalesce((SELECT sum(v.version) FROM rights_versions v
                     WHERE v.subject IN (principal, organization, '00000000-0000-0000-0000-000000000000')), 0)::bigint
$$;
REVOKE ALL ON FUNCTION hot_versions(uuid, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION hot_versions(uuid, uuid) TO safesignal_app;
