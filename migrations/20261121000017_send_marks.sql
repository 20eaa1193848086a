-- What propagate made of mirrors, each time it began or settled a write, and behind which place of the partition: what
-- RAW can't tell. The events of a replay meet the same mirrors again in the same order.
CREATE TABLE send_marks (
    id bigint GENERATED ALWAYS AS IDENTITY,
    partition smallint NOT NULL,
    -- Events up to here were decided without it, events behind it with it.
    raw_sequence bigint NOT NULL,
    delivery bigint NOT NULL,
    event bigint NOT NULL,
    tenant text COLLATE "C" NOT NULL,
    store text COLLATE "C" NOT NULL,
    connection text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    external text COLLATE "C" NOT NULL,
    place text COLLATE "C" NOT NULL,
    internal text COLLATE "C",
    held jsonb,
    sent jsonb NOT NULL,
    sent_from jsonb,
    sent_state text COLLATE "C" NOT NULL,
    sent_key text COLLATE "C" NOT NULL,
    last_error text,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (partition, raw_sequence, delivery, event, id)
);
ALTER TABLE send_marks ENABLE ROW LEVEL SECURITY;
ALTER TABLE send_marks FORCE ROW LEVEL SECURITY;
CREATE POLICY pipeline ON send_marks TO tillflow_pipeline USING (true) WITH CHECK (true);
CREATE POLICY own_rows ON send_marks FOR SELECT TO tillflow_tenant
    USING (tenant = current_setting('tillflow.tenant', true));
GRANT SELECT ON send_marks TO tillflow_tenant;
GRANT SELECT, INSERT ON send_marks TO tillflow_pipeline;

-- How far a partition is applied. Volatile, so that it sees what was committed by the time the row was locked for which
-- it is asked, and not only what was when the statement began.
CREATE FUNCTION applied_position(of_partition smallint, for_row text) RETURNS cursors
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    found cursors;
BEGIN
    SELECT * INTO found FROM cursors WHERE name = 'apply' AND partition = of_partition;
    RETURN found;
END $$;
