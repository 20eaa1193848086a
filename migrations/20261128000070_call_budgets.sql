-- The budget of each connection's calls, shared by the processes that call its platform. `model` decides, and each change
-- names the revision that it saw. Unlogged, since it is written every half second while calls are made and is worth
-- nothing after a crash: a budget that is lost is a full one, and a platform that refuses calls does so again.
CREATE UNLOGGED TABLE call_budgets (
    connection text COLLATE "C" PRIMARY KEY REFERENCES connections ON DELETE CASCADE,
    tenant text COLLATE "C" NOT NULL,
    revision bigint NOT NULL DEFAULT 0,
    budget jsonb NOT NULL DEFAULT '{}'
) WITH (fillfactor = 50);
ALTER TABLE call_budgets ENABLE ROW LEVEL SECURITY;
ALTER TABLE call_budgets FORCE ROW LEVEL SECURITY;
CREATE POLICY pipeline ON call_budgets TO tillflow_pipeline USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON call_budgets TO tillflow_pipeline;
