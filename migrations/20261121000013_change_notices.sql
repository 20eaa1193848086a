-- Tells the services that the set-up changed; they read it again. Never fires for what events change.
CREATE FUNCTION tell_connection_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('tillflow_connections_changed', 'connection:' ||
        CASE TG_TABLE_NAME WHEN 'links' THEN to_jsonb(NEW) ->> 'connection' ELSE to_jsonb(NEW) ->> 'id' END);
    RETURN NULL;
END $$;

CREATE FUNCTION tell_store_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('tillflow_connections_changed', 'store:' ||
        CASE TG_TABLE_NAME WHEN 'locations' THEN to_jsonb(NEW) ->> 'store' ELSE to_jsonb(NEW) ->> 'id' END);
    RETURN NULL;
END $$;

CREATE TRIGGER tell AFTER INSERT OR UPDATE ON connections FOR EACH ROW EXECUTE FUNCTION tell_connection_changed();
CREATE TRIGGER tell AFTER INSERT ON links FOR EACH ROW WHEN (NEW.kind = 'location')
    EXECUTE FUNCTION tell_connection_changed();
CREATE TRIGGER tell AFTER INSERT OR UPDATE ON locations FOR EACH ROW EXECUTE FUNCTION tell_store_changed();
CREATE TRIGGER tell AFTER INSERT OR UPDATE OF tenant, name, currency, timezone ON stores
    FOR EACH ROW EXECUTE FUNCTION tell_store_changed();
