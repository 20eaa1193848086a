-- Notifications that name objects to fetch and wait because their connection is paused or its account refused. They leave
-- by being fetched, or as dead letters. They were accepted and ended as any notification; nothing counts them here.
CREATE TABLE parked_notices (
    tenant text COLLATE "C" NOT NULL,
    store text COLLATE "C" NOT NULL,
    connection text COLLATE "C" NOT NULL REFERENCES connections,
    -- As the platform writes it.
    topic text COLLATE "C" NOT NULL,
    -- Its place in its store's partition.
    raw_sequence bigint NOT NULL,
    delivery_index bigint NOT NULL,
    event_index bigint NOT NULL,
    -- The whole delivery, encoded as on the wire.
    delivery bytea NOT NULL,
    since timestamptz NOT NULL,
    PRIMARY KEY (connection, raw_sequence, delivery_index)
);
ALTER TABLE parked_notices ENABLE ROW LEVEL SECURITY;
ALTER TABLE parked_notices FORCE ROW LEVEL SECURITY;
CREATE POLICY pipeline ON parked_notices TO tillflow_pipeline USING (true) WITH CHECK (true);
CREATE POLICY own_rows ON parked_notices FOR SELECT TO tillflow_tenant
    USING (tenant = current_setting('tillflow.tenant', true));
-- All but the deliveries, which hold what nobody has understood yet.
GRANT SELECT (tenant, store, connection, topic, raw_sequence, delivery_index, event_index, since) ON parked_notices
    TO tillflow_tenant;
GRANT SELECT, INSERT, DELETE ON parked_notices TO tillflow_pipeline;
