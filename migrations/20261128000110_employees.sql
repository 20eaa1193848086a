-- Employees as their platform last reported them. `personal` has name, address, number and roles: a missing field was never
-- reported, a null one is empty on purpose. A deleted employee's row has the id and the version alone.
CREATE TABLE employees (
    id text COLLATE "C" PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL,
    store text COLLATE "C" NOT NULL,
    connection text COLLATE "C" NOT NULL,
    external text COLLATE "C" NOT NULL,
    version bigint,
    personal jsonb NOT NULL,
    is_active boolean,
    workplaces jsonb,
    deleted_at timestamptz
);
CREATE INDEX employees_store ON employees (store);
-- All employees of a connection are found at once when their personal data has to be erased.
CREATE INDEX employees_connection ON employees (connection, id);

ALTER TABLE employees ENABLE ROW LEVEL SECURITY;
ALTER TABLE employees FORCE ROW LEVEL SECURITY;
CREATE POLICY pipeline ON employees TO tillflow_pipeline USING (true) WITH CHECK (true);
CREATE POLICY own_rows ON employees FOR SELECT TO tillflow_tenant
    USING (tenant = current_setting('tillflow.tenant', true));
GRANT SELECT ON employees TO tillflow_tenant;
GRANT SELECT, INSERT, UPDATE ON employees TO tillflow_pipeline;
