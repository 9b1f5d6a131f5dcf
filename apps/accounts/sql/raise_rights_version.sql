-- Raises the version of the subjects that the changed row names in the column TG_ARGV[0]; in a statement trigger, the
-- version of everybody (the nil UUID). The row stays locked until commit, so versions rise in the order of the commits.
CREATE OR REPLACE FUNCTION raise_rights_version() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO rights_versions AS v (subject, version)
        SELECT DISTINCT subject, 1
        FROM unnest(CASE WHEN TG_LEVEL = 'STATEMENT' THEN ARRAY['00000000-0000-0000-0000-000000000000'::uuid]
                         ELSE ARRAY[(to_jsonb(OLD) ->> TG_ARGV[0])::uuid, (to_jsonb(NEW) ->> TG_ARGV[0])::uuid]
                    END) subject
        WHERE subject IS NOT NULL ORDER BY subject
        ON CONFLICT (subject) DO UPDATE SET version = v.version + 1;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION raise_rights_version() FROM PUBLIC;
