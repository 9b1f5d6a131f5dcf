-- Every organization, a page at a time, for platform operators; nothing for anybody else. (`beyond_name`, `beyond_id`)
-- is the row beside the page; `backwards` reads from there towards the first, the nearest first.
SET LOCAL ROLE safesignal_system;
CREATE OR REPLACE FUNCTION platform_organizations(
    person uuid, statuses text[], beyond_name text, beyond_id uuid, backwards boolean, most integer)
RETURNS TABLE (id uuid, name varchar, slug varchar, status varchar, suspension_reason varchar, metadata jsonb,
               created_at timestamptz, updated_at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM users u WHERE u.id = person AND u.is_super_admin AND u.status = 'active') THEN
        RETURN;
    ELSIF backwards THEN
        RETURN QUERY SELECT o.id, o.name, o.slug, o.status, o.suspension_reason, o.metadata, o.created_at, o.updated_at
            FROM organizations o
            WHERE o.status = ANY (statuses) AND (o.name, o.id) < (beyond_name, beyond_id)
            ORDER BY o.name DESC, o.id DESC LIMIT most;
    ELSE
        RETURN QUERY SELECT o.id, o.name, o.slug, o.status, o.suspension_reason, o.metadata, o.created_at, o.updated_at
            FROM organizations o
            WHERE o.status = ANY (statuses) AND (beyond_name IS NULL OR (o.name, o.id) > (beyond_name, beyond_id))
            ORDER BY o.name, o.id LIMIT most;
    END IF;
END $$;
REVOKE ALL ON FUNCTION platform_organizations(uuid, text[], text, uuid, boolean, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION platform_organizations(uuid, text[], text, uuid, boolean, integer) TO safesignal_app;
