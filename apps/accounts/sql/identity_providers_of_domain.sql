-- The active identity providers of a mail domain, with the names of their organizations: where to sign in.
SET LOCAL ROLE safesignal_system;
CREATE OR REPLACE FUNCTION identity_providers_of_domain(asked text)
RETURNS TABLE (id uuid, name text, organization text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT p.id, p.name::text, o.name::text
    FROM identity_domains d
    JOIN identity_providers p ON p.organization_id = d.organization_id AND p.is_active
    JOIN organizations o ON o.id = d.organization_id AND o.status <> 'deleted'
    WHERE d.domain = asked ORDER BY o.name, p.name, p.id LIMIT 20
$$;
REVOKE ALL ON FUNCTION identity_providers_of_domain(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION identity_providers_of_domain(text) TO safesignal_app;
