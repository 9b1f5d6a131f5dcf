-- The organizations that ask their administrators for a second factor, of those where this person is one and has none.
SET LOCAL ROLE safesignal_system;
CREATE OR REPLACE FUNCTION second_factor_due(person uuid) RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT m.organization_id FROM user_organizations m JOIN organizations o ON o.id = m.organization_id
    WHERE m.user_id = person AND m.role = 'admin' AND o.settings @> '{"mfa_required_for_admins": true}'
      AND NOT EXISTS (
          SELECT 1 FROM mfa_authenticator a WHERE a.user_id = person AND a.type IN ('totp', 'webauthn')
      )
$$;
REVOKE ALL ON FUNCTION second_factor_due(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION second_factor_due(uuid) TO safesignal_app;
