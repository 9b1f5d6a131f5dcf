CREATE TABLE alert_history (
    id uuid NOT NULL,
    alert_id varchar(100) NOT NULL,
    organization_id uuid NOT NULL,
    device_id uuid,
    room_id uuid,
    triggered_at timestamptz NOT NULL,
    resolved_at timestamptz,
    severity varchar(20) NOT NULL CHECK (severity IN ('low', 'medium', 'high', 'critical')),
    alert_type varchar(50) NOT NULL,
    status varchar(20) NOT NULL CHECK (status IN ('new', 'acknowledged', 'resolved', 'cancelled')),
    source varchar(50) DEFAULT 'button' CHECK (source IN ('button', 'mobile', 'web', 'api')),
    metadata jsonb,
    created_at timestamptz DEFAULT now(),
    gateway_id uuid,
    incident_id uuid,
    hardware_id varchar(100),
    site_id uuid,
    building_id uuid,
    place jsonb,
    is_drill boolean NOT NULL DEFAULT false,
    is_silent boolean NOT NULL DEFAULT false,
    is_late boolean NOT NULL DEFAULT false,
    is_unattributed boolean NOT NULL DEFAULT false,
    received_at timestamptz NOT NULL,
    last_pressed_at timestamptz NOT NULL,
    presses integer NOT NULL DEFAULT 1,
    hops jsonb NOT NULL DEFAULT '{}',
    acknowledged_at timestamptz,
    acknowledged_by uuid,
    resolved_by uuid,
    approvals_required smallint NOT NULL DEFAULT 1 CHECK (approvals_required IN (1, 2)),
    approvals uuid[] NOT NULL DEFAULT '{}',
    close_reason varchar(20) CHECK (close_reason IN ('real', 'drill', 'test', 'mistake', 'fault')),
    PRIMARY KEY (id, triggered_at),
    CHECK ((status IN ('resolved', 'cancelled')) = (resolved_at IS NOT NULL)),
    CHECK (status <> 'acknowledged' OR acknowledged_at IS NOT NULL)
) PARTITION BY RANGE (triggered_at);
CREATE TABLE alert_history_default PARTITION OF alert_history DEFAULT;
CREATE INDEX idx_alert_org_time ON alert_history (organization_id, triggered_at DESC, id DESC);
CREATE INDEX idx_alert_device ON alert_history (device_id);
CREATE INDEX idx_alert_status ON alert_history (status);
CREATE INDEX idx_alert_open ON alert_history (organization_id, hardware_id, alert_type)
    WHERE status IN ('new', 'acknowledged');

CREATE TABLE alert_events (
    id uuid NOT NULL,
    organization_id uuid NOT NULL,
    alert uuid NOT NULL,
    triggered_at timestamptz NOT NULL,
    kind varchar(40) NOT NULL,
    at timestamptz NOT NULL,
    actor_kind varchar(20) NOT NULL,
    actor_id uuid,
    detail jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (id, triggered_at)
) PARTITION BY RANGE (triggered_at);
CREATE TABLE alert_events_default PARTITION OF alert_events DEFAULT;
CREATE INDEX idx_alert_events_alert ON alert_events (alert, at);

CREATE TABLE alert_notes (
    id uuid NOT NULL,
    organization_id uuid NOT NULL,
    alert uuid NOT NULL,
    triggered_at timestamptz NOT NULL,
    author_id uuid NOT NULL,
    body text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (id, triggered_at)
) PARTITION BY RANGE (triggered_at);
CREATE TABLE alert_notes_default PARTITION OF alert_notes DEFAULT;
CREATE INDEX idx_alert_notes_alert ON alert_notes (alert, created_at);

CREATE FUNCTION keep_triggered_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'triggered_at of an alert never changes' USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER keep_triggered_at BEFORE UPDATE ON alert_history
    FOR EACH ROW WHEN (OLD.triggered_at IS DISTINCT FROM NEW.triggered_at) EXECUTE FUNCTION keep_triggered_at();

-- The id of an alert: a UUIDv7 (RFC 9562, 5.7) whose random bits are a digest of organization and alert_id, so that
-- two gateways, two uplinks and a restored archive give the same alert the same id.
CREATE FUNCTION alert_uuid(organization uuid, alert_id text, triggered_at timestamptz) RETURNS uuid
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    digest bytea := sha256(convert_to(organization::text || ':' || alert_id, 'UTF8'));
    hex text := encode(digest, 'hex');
BEGIN
    RETURN lpad(to_hex(floor(extract(epoch FROM triggered_at) * 1000)::bigint), 12, '0')
           || '7' || substr(hex, 1, 3)
           || substr('89ab', (get_byte(digest, 2) & 3) + 1, 1) || substr(hex, 7, 3)
           || substr(hex, 10, 12);
END $$;

-- A person by id and name; one whose row is gone is still somebody.
CREATE FUNCTION person_reference(person uuid) RETURNS json LANGUAGE sql STABLE STRICT PARALLEL SAFE AS $$
    SELECT json_build_object('id', person, 'name', coalesce(
        (SELECT left(coalesce(nullif(trim(concat_ws(' ', u.first_name, u.last_name)), ''), u.email), 200)
         FROM users u WHERE u.id = person), 'Unknown'))
$$;

CREATE FUNCTION person_references(people uuid[]) RETURNS json LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce(json_agg(person_reference(id) ORDER BY n), '[]') FROM unnest(people) WITH ORDINALITY AS person(id, n)
$$;

-- The one JSON form of an alert, for list, detail, live feed and gateways. `redacted` leaves out who did what.
CREATE FUNCTION alert_document(a alert_history, redacted boolean DEFAULT false) RETURNS json
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT json_build_object(
        'id', a.id,
        'alert_id', a.alert_id,
        'organization_id', a.organization_id,
        'alert_type', a.alert_type,
        'severity', a.severity,
        'status', a.status,
        'source', a.source,
        'is_drill', a.is_drill,
        'is_silent', a.is_silent,
        'is_late', a.is_late,
        'is_unattributed', a.is_unattributed,
        'device', CASE WHEN a.hardware_id IS NOT NULL
                       THEN json_build_object('id', a.device_id, 'device_id', a.hardware_id) END,
        'room_id', a.room_id,
        'place', a.place,
        'triggered_at', rfc3339(a.triggered_at),
        'received_at', rfc3339(a.received_at),
        'presses', a.presses,
        'last_pressed_at', rfc3339(a.last_pressed_at),
        'acknowledged_at', rfc3339(a.acknowledged_at),
        'acknowledged_by', CASE WHEN NOT redacted THEN person_reference(a.acknowledged_by) END,
        'resolved_at', rfc3339(a.resolved_at),
        'resolved_by', CASE WHEN NOT redacted THEN person_reference(a.resolved_by) END,
        'approvals', json_build_object(
            'given', cardinality(a.approvals),
            'required', a.approvals_required,
            'by', CASE WHEN redacted OR a.approvals = '{}' THEN '[]'::json ELSE person_references(a.approvals) END),
        'close_reason', a.close_reason,
        'hops', a.hops)
$$;

-- Feed rows of alerts as they are at this moment. Silent alerts are for the response team.
CREATE FUNCTION alert_feed_rows(kind text, ids uuid[], times timestamptz[])
RETURNS TABLE (organization_id uuid, kind text, audience text, site_id uuid, building_id uuid, payload text)
LANGUAGE sql STABLE AS $$
    SELECT a.organization_id, $1, CASE WHEN a.is_silent THEN 'response' ELSE 'staff' END, a.site_id, a.building_id,
           '{"alert":' || alert_document(a)::text || '}'
    FROM unnest($2, $3) WITH ORDINALITY AS k(id, at, n)
    JOIN alert_history a ON a.id = k.id AND a.triggered_at = k.at
    ORDER BY k.n
$$;
