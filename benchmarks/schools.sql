-- Schools for a benchmark: each has one site, one building with two floors, one gateway, and `rooms` rooms with a
-- button each. Run as the owner, who is not in any scope.
WITH school AS (
    INSERT INTO organizations (id, name, slug, status, created_at, updated_at)
    SELECT gen_random_uuid(), 'School ' || n, 'school-' || gen_random_uuid(), 'active', now(), now()
    FROM generate_series(1, %(schools)s) n
    RETURNING id
), site AS (
    INSERT INTO sites (id, organization_id, name, address)
    SELECT gen_random_uuid(), id, 'Main campus', '1 School Road' FROM school
    RETURNING id, organization_id
), building AS (
    INSERT INTO buildings (id, organization_id, site_id, name)
    SELECT gen_random_uuid(), organization_id, id, 'North building' FROM site
    RETURNING id, organization_id
), floor AS (
    INSERT INTO floors (id, organization_id, building_id, floor_number)
    SELECT gen_random_uuid(), organization_id, id, number FROM building, generate_series(1, 2) number
    RETURNING id, organization_id, floor_number
), room AS (
    INSERT INTO rooms (id, organization_id, floor_id, room_number, name)
    SELECT gen_random_uuid(), organization_id, id, (floor_number * 1000 + n)::text, 'Classroom ' || n
    FROM floor, generate_series(1, (%(rooms)s + 1) / 2) n
    RETURNING id, organization_id
), button AS (
    INSERT INTO devices (id, organization_id, device_id, room_id, status)
    SELECT gen_random_uuid(), organization_id, 'ss-' || replace(gen_random_uuid()::text, '-', ''), id, 'active'
    FROM room
    RETURNING organization_id, device_id, room_id
), gateway AS (
    INSERT INTO gateways (id, organization_id, name, public_key)
    SELECT gen_random_uuid(), id, 'Gateway', '' FROM school
    RETURNING id, organization_id
), speaks_for AS (
    INSERT INTO gateway_buildings (gateway_id, building_id, organization_id)
    SELECT g.id, b.id, g.organization_id FROM gateway g JOIN building b USING (organization_id)
)
SELECT g.organization_id, g.id, array_agg(b.device_id::text), array_agg(b.room_id)
FROM gateway g JOIN button b USING (organization_id)
GROUP BY g.organization_id, g.id;
