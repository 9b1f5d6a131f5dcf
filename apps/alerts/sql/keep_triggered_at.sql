-- Trigger: refuses a change of `triggered_at`, which decides the partition of an alert.
CREATE OR REPLACE FUNCTION keep_triggered_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'triggered_at of an alert never changes' USING ERRCODE = 'check_violation';
END $$;
