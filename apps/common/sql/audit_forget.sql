-- Deletes a person's values beside the audit trails of all organizations, and returns how many there were.
SET LOCAL ROLE safesignal_system;
CREATE OR REPLACE FUNCTION audit_forget(person uuid) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH gone AS (DELETE FROM audit_personal WHERE person_id = person RETURNING 1) SELECT count(*) FROM gone
$$;
REVOKE ALL ON FUNCTION audit_forget(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit_forget(uuid) TO safesignal_app;
