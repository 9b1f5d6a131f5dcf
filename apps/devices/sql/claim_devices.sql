-- Claims hardware ids for an organization of the caller's scope. `codes` is [{"device_id", "code_hash" (hex or null)}].
-- Outcomes: claimed (now, or before by this organization), refused (another code, or another claimed it), unknown.
SET LOCAL ROLE safesignal_system;
CREATE OR REPLACE FUNCTION claim_devices(organization uuid, codes jsonb) RETURNS TABLE (device_id text, outcome text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF organization <> ALL (nullif(current_setting('safesignal.organizations', true), '')::uuid[]) THEN
        RAISE EXCEPTION 'out of scope' USING ERRCODE = 'insufficient_privilege';
    END IF;
    UPDATE device_claims c SET claimed_by = organization, claimed_at = now()
    FROM jsonb_to_recordset(codes) AS given(device_id text, code_hash text)
    WHERE c.device_id = given.device_id AND c.claimed_by IS NULL AND c.code_hash = decode(given.code_hash, 'hex');
    RETURN QUERY
    SELECT given.device_id,
           CASE WHEN c.device_id IS NULL THEN 'unknown'
                WHEN c.claimed_by = organization THEN 'claimed'
                ELSE 'refused' END
    FROM jsonb_to_recordset(codes) AS given(device_id text) LEFT JOIN device_claims c ON c.device_id = given.device_id;
END $$;
REVOKE ALL ON FUNCTION claim_devices(uuid, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION claim_devices(uuid, jsonb) TO safesignal_app;
