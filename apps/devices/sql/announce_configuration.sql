-- Trigger: announces a raised configuration version at commit, once, however often the transaction raised it.
CREATE OR REPLACE FUNCTION announce_configuration() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM gateways WHERE id = NEW.id AND configuration_version = NEW.configuration_version) THEN
        PERFORM feed_append(ARRAY[ROW(NEW.organization_id, 'config.changed', 'gateway', NULL, NULL,
            json_build_object('gateway', NEW.id, 'version', NEW.configuration_version)::text)::feed_item], NULL, NULL);
    END IF;
    RETURN NULL;
END $$;
