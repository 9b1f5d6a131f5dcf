-- The present rights versions of those subjects whose version is not the one that the caller knows.
SET LOCAL ROLE safesignal_system;
CREATE OR REPLACE FUNCTION changed_rights_versions(subjects uuid[], known bigint[])
RETURNS TABLE (subject uuid, version bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT k.subject, coalesce(v.version, 0)
    FROM unnest(subjects, known) k (subject, version) LEFT JOIN rights_versions v ON v.subject = k.subject
    WHERE coalesce(v.version, 0) <> k.version
$$;
REVOKE ALL ON FUNCTION changed_rights_versions(uuid[], bigint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION changed_rights_versions(uuid[], bigint[]) TO safesignal_app;
