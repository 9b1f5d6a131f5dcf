-- The places of an organization as one JSON document; `sites` and `buildings` narrow it, NULL does not.
WITH rooms_of AS (
    SELECT r.floor_id, json_agg(json_build_object(
               'id', r.id, 'room_number', r.room_number, 'name', r.name, 'capacity', r.capacity,
               'room_type', r.room_type) ORDER BY r.room_number, r.id) AS rooms
    FROM rooms r WHERE r.organization_id = %(organization)s GROUP BY r.floor_id
), floors_of AS (
    SELECT f.building_id, json_agg(json_build_object(
               'id', f.id, 'floor_number', f.floor_number, 'name', f.name, 'rooms', coalesce(r.rooms, '[]'))
               ORDER BY f.floor_number, f.id) AS floors
    FROM floors f LEFT JOIN rooms_of r ON r.floor_id = f.id
    WHERE f.organization_id = %(organization)s GROUP BY f.building_id
), buildings_of AS (
    SELECT b.site_id, json_agg(json_build_object(
               'id', b.id, 'name', b.name, 'address', b.address, 'floor_count', b.floor_count,
               'floors', coalesce(f.floors, '[]')) ORDER BY b.name, b.id) AS buildings
    FROM buildings b LEFT JOIN floors_of f ON f.building_id = b.id
    WHERE b.organization_id = %(organization)s
        AND (%(buildings)s::uuid[] IS NULL OR b.id = ANY (%(buildings)s::uuid[]))
    GROUP BY b.site_id
), tree AS (
    SELECT json_agg(json_build_object(
               'id', s.id, 'name', s.name, 'address', s.address, 'latitude', s.latitude, 'longitude', s.longitude,
               'timezone', s.timezone, 'buildings', coalesce(b.buildings, '[]')) ORDER BY s.name, s.id) AS sites
    FROM sites s LEFT JOIN buildings_of b ON b.site_id = s.id
    WHERE s.organization_id = %(organization)s AND (%(sites)s::uuid[] IS NULL OR s.id = ANY (%(sites)s::uuid[]))
)
SELECT json_build_object('organization_id', %(organization)s::uuid, 'sites', coalesce((SELECT sites FROM tree), '[]'))::text
