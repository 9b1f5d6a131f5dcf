-- What one person holds at a moment, asked before any tenant is known: a row for each role (`held`) that they have in
-- an organization, with its permissions. `buildings` and `sites` say where; NULL is everywhere. `parents` are the sites
-- of buildings that were granted by themselves. A place is granted to the role of the membership and to no other; a day
-- account holds less than its role.
SET LOCAL ROLE safesignal_system;
CREATE OR REPLACE FUNCTION principal_grants(person uuid, at timestamptz)
RETURNS TABLE (organization_id uuid, organization_status text, role text, held text,
               sites uuid[], parents uuid[], buildings uuid[], permissions text[])
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH member AS (
        SELECT m.organization_id, o.status::text AS status, m.role::text AS role, m.scope::text AS scope,
               CASE WHEN m.trigger_only THEN 'day_account' ELSE m.role END AS held
        FROM user_organizations m JOIN organizations o ON o.id = m.organization_id
        WHERE m.user_id = person AND o.status <> 'deleted' AND (m.expires_at IS NULL OR at < m.expires_at)
    ), place AS (
        SELECT g.organization_id, g.permission_id, g.site_id AS site, NULL::uuid AS parent, b.id AS building
        FROM site_grants g LEFT JOIN buildings b ON b.site_id = g.site_id
        WHERE g.user_id = person
        UNION ALL
        SELECT g.organization_id, g.permission_id, NULL, b.site_id, b.id
        FROM building_grants g JOIN buildings b ON b.id = g.building_id
        WHERE g.user_id = person
    ), placed AS (
        SELECT p.organization_id, a.codename, p.site, p.parent, p.building
        FROM place p JOIN auth_permission a ON a.id = p.permission_id
    ), holding AS (
        SELECT v.organization_id, o.status::text AS status, 'super_admin' AS role, 'super_admin' AS held,
               NULL::uuid[] AS sites, NULL::uuid[] AS parents, NULL::uuid[] AS buildings
        FROM platform_visits v JOIN organizations o ON o.id = v.organization_id
        JOIN users u ON u.id = v.user_id AND u.is_super_admin
        WHERE v.user_id = person AND o.status <> 'deleted'
          AND v.ended_at IS NULL AND v.started_at <= at AND at < v.ends_at
        UNION ALL
        SELECT m.organization_id, m.status, m.role, m.held, NULL, NULL, NULL
        FROM member m WHERE m.scope = 'organization'
        UNION ALL
        SELECT m.organization_id, m.status, m.role, m.held,
               coalesce(array_agg(p.site) FILTER (WHERE p.site IS NOT NULL), '{}'),
               coalesce(array_agg(p.parent) FILTER (WHERE p.parent IS NOT NULL), '{}'),
               coalesce(array_agg(p.building) FILTER (WHERE p.building IS NOT NULL), '{}')
        FROM member m LEFT JOIN placed p ON p.organization_id = m.organization_id AND p.codename = 'as_' || m.role
        WHERE m.scope = 'places' GROUP BY 1, 2, 3, 4
    )
    SELECT h.*, ARRAY (SELECT p.resource || ':' || p.action FROM permissions p WHERE p.role = h.held) FROM holding h
$$;
REVOKE ALL ON FUNCTION principal_grants(uuid, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION principal_grants(uuid, timestamptz) TO safesignal_app;
