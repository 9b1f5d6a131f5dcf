-- Every organization that keeps data about a person: those they belong to (also where that has expired, or the
-- organization is deleted), those that invited them or sign them in, and those whose audit trail names them, which may
-- be where they belonged once. Used for the person's own export and erasure.
SET LOCAL ROLE safesignal_system;
CREATE OR REPLACE FUNCTION person_organizations(person uuid) RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT m.organization_id FROM user_organizations m WHERE m.user_id = person
    UNION
    SELECT i.organization_id FROM invitations i JOIN users u ON lower(u.email) = lower(i.email) WHERE u.id = person
    UNION
    SELECT e.organization_id FROM external_identities e WHERE e.user_id = person
    UNION
    SELECT a.organization_id FROM audit_personal a WHERE a.person_id = person AND a.organization_id IS NOT NULL
$$;
REVOKE ALL ON FUNCTION person_organizations(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION person_organizations(uuid) TO safesignal_app;
