-- What a gateway's assertion is checked against; asked before its organization is known.
SET LOCAL ROLE safesignal_system;
CREATE OR REPLACE FUNCTION gateway_credentials(gateway uuid)
RETURNS TABLE (organization_id uuid, name text, public_key text, status text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT organization_id, name::text, public_key, status::text FROM gateways WHERE id = gateway
$$;
REVOKE ALL ON FUNCTION gateway_credentials(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION gateway_credentials(uuid) TO safesignal_app;
