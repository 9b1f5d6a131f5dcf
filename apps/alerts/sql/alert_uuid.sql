-- The id of an alert: a UUIDv7 (RFC 9562, 5.7) whose random bits are a digest of organization and alert_id, so that
-- two gateways, two uplinks and a restored archive give the same alert the same id.
CREATE OR REPLACE FUNCTION alert_uuid(organization uuid, alert_id text, triggered_at timestamptz) RETURNS uuid
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
