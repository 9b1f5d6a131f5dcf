-- The organization of an active identity provider; asked when a person begins to sign in there.
SET LOCAL ROLE safesignal_system;
CREATE OR REPLACE FUNCTION identity_provider_organization(provider uuid) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT p.organization_id FROM identity_providers p JOIN organizations o ON o.id = p.organization_id
    WHERE p.id = provider AND p.is_active AND o.status <> 'deleted'
$$;
REVOKE ALL ON FUNCTION identity_provider_organization(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION identity_provider_organization(uuid) TO safesignal_app;
