-- The scheduled reads of each list of a platform's API: what was read, the read under way with its page, and what a person
-- requested. `revision` grows with each change, and each change names the one that it saw: of two that read the same page,
-- one goes on.
CREATE TABLE collection_states (
    tenant text COLLATE "C" NOT NULL,
    store text COLLATE "C" NOT NULL,
    connection text COLLATE "C" NOT NULL REFERENCES connections ON DELETE CASCADE,
    collection text COLLATE "C" NOT NULL,
    revision bigint NOT NULL DEFAULT 0,
    state jsonb NOT NULL,
    -- A read that a person requested and that hasn't begun.
    request jsonb,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (connection, collection)
) WITH (fillfactor = 50);

-- The objects of each list: the digest of what was reported last, the number of the read that saw it last, and the number of
-- complete lists in a row that lack it. No content.
CREATE TABLE listed_objects (
    tenant text COLLATE "C" NOT NULL,
    connection text COLLATE "C" NOT NULL REFERENCES connections ON DELETE CASCADE,
    collection text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL CHECK (octet_length(key) <= 1000),
    digest bytea NOT NULL,
    seen_in bigint NOT NULL,
    missing smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (connection, collection, key)
) WITH (fillfactor = 70);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['collection_states', 'listed_objects']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY pipeline ON %I TO tillflow_pipeline USING (true) WITH CHECK (true)', name);
        EXECUTE format('CREATE POLICY own_rows ON %I FOR SELECT TO tillflow_tenant '
            'USING (tenant = current_setting(''tillflow.tenant'', true))', name);
    END LOOP;
END $$;
GRANT SELECT ON collection_states, listed_objects TO tillflow_tenant;
GRANT SELECT, INSERT, UPDATE, DELETE ON collection_states, listed_objects TO tillflow_pipeline;

-- A request is a change of the set-up for whoever reads the connection's lists.
CREATE FUNCTION notify_read_requested() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('tillflow_connections_changed', 'connection:' || NEW.connection);
    RETURN NULL;
END $$;
CREATE TRIGGER notify AFTER UPDATE OF request ON collection_states FOR EACH ROW WHEN (NEW.request IS NOT NULL)
    EXECUTE FUNCTION notify_read_requested();
