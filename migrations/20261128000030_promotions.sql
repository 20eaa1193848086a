-- Promotions as their platform last reported them. What reports ask for stands beside `body`, which has the whole
-- promotion; of one that was deleted only the id is left in it.
CREATE TABLE promotions (
    id text COLLATE "C" PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL,
    store text COLLATE "C" NOT NULL,
    connection text COLLATE "C" NOT NULL,
    external text COLLATE "C" NOT NULL,
    version bigint,
    name text,
    is_on boolean NOT NULL,
    body jsonb NOT NULL,
    deleted_at timestamptz
);
CREATE INDEX promotions_store ON promotions (store);

ALTER TABLE promotions ENABLE ROW LEVEL SECURITY;
ALTER TABLE promotions FORCE ROW LEVEL SECURITY;
CREATE POLICY pipeline ON promotions TO tillflow_pipeline USING (true) WITH CHECK (true);
CREATE POLICY own_rows ON promotions FOR SELECT TO tillflow_tenant
    USING (tenant = current_setting('tillflow.tenant', true));
GRANT SELECT ON promotions TO tillflow_tenant;
GRANT SELECT, INSERT, UPDATE ON promotions TO tillflow_pipeline;
