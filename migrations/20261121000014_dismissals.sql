-- What ended without an ending of its own: in a stage before apply, or there as a duplicate; and how dead events had
-- ended before they were taken in again. One row for each place in RAW, so that everything accepted is accounted for.
CREATE TABLE dismissals (
    tenant text COLLATE "C" NOT NULL,
    store text COLLATE "C" NOT NULL,
    connection text COLLATE "C" NOT NULL,
    -- Its place in its store's partition.
    raw_sequence bigint NOT NULL,
    delivery_index bigint NOT NULL,
    event_index bigint NOT NULL,
    delivery_id bytea NOT NULL CHECK (length(delivery_id) = 16),
    -- Null if it ended before it was understood as an event.
    event_id bytea CHECK (length(event_id) = 16),
    stage text COLLATE "C" NOT NULL,
    outcome text COLLATE "C" NOT NULL,
    reason text NOT NULL,
    received_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (store, raw_sequence, delivery_index, event_index)
);
ALTER TABLE dismissals ENABLE ROW LEVEL SECURITY;
ALTER TABLE dismissals FORCE ROW LEVEL SECURITY;
CREATE POLICY pipeline ON dismissals TO tillflow_pipeline USING (true) WITH CHECK (true);
CREATE POLICY own_rows ON dismissals FOR SELECT TO tillflow_tenant
    USING (tenant = current_setting('tillflow.tenant', true));
GRANT SELECT ON dismissals TO tillflow_tenant;
GRANT SELECT, INSERT ON dismissals TO tillflow_pipeline;

-- How many deliveries of the store came to an end.
ALTER TABLE stores ADD COLUMN ended bigint NOT NULL DEFAULT 0;

-- Places grow with time: the newest events of a store are found by them as well, and so is what has none.
CREATE INDEX endings_place ON endings (store, raw_sequence, delivery_index, event_index);
DROP INDEX endings_store;
