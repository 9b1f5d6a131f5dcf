-- Raises the configuration version of gateways. One that was made in this very transaction has not fetched anything
-- yet, and keeps its version.
CREATE OR REPLACE FUNCTION raise_configuration_versions(gateways_concerned uuid[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM gateways WHERE id = ANY (gateways_concerned) AND created_at < transaction_timestamp()
        ORDER BY id FOR NO KEY UPDATE;
    UPDATE gateways SET configuration_version = configuration_version + 1
        WHERE id = ANY (gateways_concerned) AND created_at < transaction_timestamp();
END $$;
