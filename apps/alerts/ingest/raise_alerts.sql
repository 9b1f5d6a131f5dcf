-- Alerts of one gateway, as a set: key, history and first event of each alert that is not known yet.
-- %(events)s is a JSON array; what it holds was decoded and limited before. Returns every event with the name of its
-- alert, in order of pressing; `id` is null where that name was taken.
WITH placed AS MATERIALIZED (
    -- A gateway speaks for devices of its own buildings; any other stays unattributed, and is an alert all the same.
    -- The plain name of an alert is for the gateway of the device's building, and for a device that has none.
    SELECT i.*, d.id AS device_id, r.id AS room_id, b.id AS building_id, s.id AS site_id,
           coalesce(i.name, CASE WHEN own.room_id IS NULL OR r.id IS NOT NULL THEN i.alert_id
                                 ELSE i.own_name END) AS key,
           CASE WHEN r.id IS NOT NULL THEN jsonb_build_object(
               'site', jsonb_build_object('id', s.id, 'name', s.name, 'timezone', s.timezone, 'address', s.address),
               'building', jsonb_build_object('id', b.id, 'name', b.name),
               'floor', jsonb_build_object('id', f.id, 'name', coalesce(f.name, 'Floor ' || f.floor_number)),
               'room', jsonb_build_object('id', r.id, 'room_number', r.room_number, 'name', r.name)) END AS place
    FROM (
        SELECT e.*, e.alert_id || %(suffix)s AS own_name
        FROM jsonb_to_recordset(%(events)s::jsonb) AS e (
            number integer, event_id uuid, alert_id text, name text, device text, room uuid, type text, severity text,
            silent boolean, drill boolean, pressed_at timestamptz, live boolean, hops jsonb, metadata jsonb)
    ) i
    LEFT JOIN devices own ON own.organization_id = %(organization)s AND own.device_id = i.device
    LEFT JOIN rooms r ON r.organization_id = %(organization)s AND r.id = own.room_id
        AND EXISTS (SELECT 1 FROM floors rf
                    JOIN gateway_buildings g ON g.building_id = rf.building_id AND g.gateway_id = %(gateway)s
                    WHERE rf.id = r.floor_id)
    LEFT JOIN floors f ON f.organization_id = %(organization)s AND f.id = r.floor_id
    LEFT JOIN buildings b ON b.organization_id = %(organization)s AND b.id = f.building_id
    LEFT JOIN sites s ON s.organization_id = %(organization)s AND s.id = b.site_id
    LEFT JOIN devices d ON d.organization_id = %(organization)s AND d.id = own.id
        AND (own.room_id IS NULL OR r.id IS NOT NULL)
), chosen AS (
    SELECT DISTINCT ON (key) number, key, pressed_at FROM placed ORDER BY key, number
), keys AS (
    INSERT INTO alert_keys (organization_id, alert_id, id, triggered_at, gateway_id, received_at)
    SELECT %(organization)s, key, alert_uuid(%(organization)s, key, pressed_at), pressed_at,
           %(gateway)s, %(received_at)s
    FROM chosen
    ON CONFLICT DO NOTHING
    RETURNING alert_id, id
), made AS (
    SELECT p.*, k.id FROM chosen c JOIN keys k ON k.alert_id = c.key JOIN placed p USING (number)
), history AS (
    INSERT INTO alert_history (
        id, alert_id, organization_id, device_id, room_id, triggered_at, severity, alert_type, status, source, metadata,
        gateway_id, hardware_id, site_id, building_id, place, is_drill, is_silent, is_late, is_unattributed,
        received_at, last_pressed_at, hops, approvals_required)
    SELECT id, key, %(organization)s, device_id, room_id, pressed_at, severity, type, 'new', 'button', metadata,
           %(gateway)s, device, site_id, building_id, place, drill, silent,
           NOT live OR pressed_at < %(late_before)s, device_id IS NULL,
           %(received_at)s, pressed_at, hops || jsonb_build_object('received_at', rfc3339(%(received_at)s)),
           CASE WHEN type = ANY (%(two_person_types)s) THEN 2 ELSE 1 END
    FROM made
), story AS (
    -- Whatever else has this event id, it keeps no press from being an alert.
    INSERT INTO alert_events (id, organization_id, alert, triggered_at, kind, at, actor_kind, actor_id, detail)
    SELECT event_id, %(organization)s, id, pressed_at, 'alert.raised', pressed_at, 'gateway', %(gateway)s,
           jsonb_build_object('device', device, 'room', room, 'hops', hops)
    FROM made
    ON CONFLICT DO NOTHING
)
SELECT p.number, p.key, m.id, p.pressed_at, p.device, p.device_id IS NULL AS is_unattributed, p.site_id,
       (SELECT EXISTS (SELECT 1 FROM alert_history d
                       WHERE d.organization_id = %(organization)s AND d.is_drill AND d.status IN ('new', 'acknowledged')
                           AND d.triggered_at > %(drills_since)s)) AS drill_is_open
FROM placed p LEFT JOIN made m USING (number) ORDER BY p.pressed_at, p.key
