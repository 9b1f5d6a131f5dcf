-- Whether the identity behind a browser's session still exists and its provider is active.
SET LOCAL ROLE safesignal_system;
CREATE OR REPLACE FUNCTION identity_stands(identity uuid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT EXISTS (
        SELECT 1 FROM external_identities e JOIN identity_providers p ON p.id = e.provider_id
        WHERE e.id = identity AND p.is_active
    )
$$;
REVOKE ALL ON FUNCTION identity_stands(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION identity_stands(uuid) TO safesignal_app;
