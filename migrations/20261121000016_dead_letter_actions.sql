-- What people did with dead letters: each attempt to take one in again, and what was given up. A letter leaves DEAD once
-- its row is here.
CREATE TABLE dead_letter_actions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL,
    store text COLLATE "C" NOT NULL,
    connection text COLLATE "C" NOT NULL,
    -- The letter's name for ever: stage, event or delivery, place.
    message_id text COLLATE "C" NOT NULL,
    delivery_id bytea NOT NULL CHECK (length(delivery_id) = 16),
    event_id bytea CHECK (length(event_id) = 16),
    fingerprint text COLLATE "C" NOT NULL,
    -- What the letter said.
    reason text NOT NULL,
    action text COLLATE "C" NOT NULL CHECK (action IN ('replay', 'discard')),
    -- The attempt that a replay begins; the one that failed, if it was given up.
    attempt bigint NOT NULL,
    -- Why a person gave it up.
    note text NOT NULL DEFAULT '',
    acted_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX dead_letter_actions_delivery ON dead_letter_actions (delivery_id);
ALTER TABLE dead_letter_actions ENABLE ROW LEVEL SECURITY;
ALTER TABLE dead_letter_actions FORCE ROW LEVEL SECURITY;
CREATE POLICY pipeline ON dead_letter_actions TO tillflow_pipeline USING (true) WITH CHECK (true);
CREATE POLICY own_rows ON dead_letter_actions FOR SELECT TO tillflow_tenant
    USING (tenant = current_setting('tillflow.tenant', true));
GRANT SELECT ON dead_letter_actions TO tillflow_tenant;
GRANT SELECT, INSERT ON dead_letter_actions TO tillflow_pipeline;
