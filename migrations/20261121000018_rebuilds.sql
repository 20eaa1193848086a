-- The last rebuild of each store's current state from its events. A run over all stores begins with a row for each, so
-- that one that was cut short goes on with those that it hadn't come to.
CREATE TABLE rebuilds (
    tenant text COLLATE "C" NOT NULL,
    store text COLLATE "C" PRIMARY KEY,
    -- The same for all stores of a run.
    started_at timestamptz NOT NULL,
    -- Null while the run hasn't come to the store.
    finished_at timestamptz,
    -- The last event that it took in.
    through_sequence bigint,
    -- How many findings it couldn't put right.
    left_alone bigint NOT NULL DEFAULT 0
);
ALTER TABLE rebuilds ENABLE ROW LEVEL SECURITY;
ALTER TABLE rebuilds FORCE ROW LEVEL SECURITY;
CREATE POLICY pipeline ON rebuilds TO tillflow_pipeline USING (true) WITH CHECK (true);
CREATE POLICY own_rows ON rebuilds FOR SELECT TO tillflow_tenant
    USING (tenant = current_setting('tillflow.tenant', true));
GRANT SELECT ON rebuilds TO tillflow_tenant;
GRANT SELECT, INSERT, UPDATE ON rebuilds TO tillflow_pipeline;
