-- Sets the permissions of a role. Only for platform operators: false for anybody else, and nothing changes.
SET LOCAL ROLE safesignal_system;
CREATE OR REPLACE FUNCTION set_permissions(person uuid, role_name text, pairs text[]) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM users u WHERE u.id = person AND u.is_super_admin AND u.status = 'active') THEN
        RETURN false;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('permissions'));
    DELETE FROM permissions p WHERE p.role = role_name AND p.resource || ':' || p.action <> ALL (pairs);
    INSERT INTO permissions (id, role, resource, action)
        SELECT gen_random_uuid(), role_name, split_part(pair, ':', 1), split_part(pair, ':', 2)
        FROM unnest(pairs) pair
        ON CONFLICT DO NOTHING;
    RETURN true;
END $$;
REVOKE ALL ON FUNCTION set_permissions(uuid, text, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION set_permissions(uuid, text, text[]) TO safesignal_app;
