-- The one JSON form of an alert, for list, detail, live feed and gateways. `redacted` leaves out who did what.
CREATE OR REPLACE FUNCTION alert_document(a alert_history, redacted boolean DEFAULT false) RETURNS json
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
