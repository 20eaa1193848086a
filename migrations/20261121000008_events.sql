-- The event store, and the outbox of APPLIED. Append-only, by month of recording.
CREATE TABLE events (
    partition smallint NOT NULL,
    number bigint NOT NULL,
    tenant text COLLATE "C" NOT NULL,
    store text COLLATE "C" NOT NULL,
    sequence bigint NOT NULL,
    connection text COLLATE "C" NOT NULL,
    event_id bytea NOT NULL CHECK (length(event_id) = 16),
    delivery_id bytea NOT NULL CHECK (length(delivery_id) = 16),
    correlation bytea NOT NULL CHECK (length(correlation) = 16),
    entity text COLLATE "C" NOT NULL,
    action text COLLATE "C" NOT NULL,
    external text COLLATE "C" NOT NULL,
    occurred_at timestamptz,
    received_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    payload bytea NOT NULL,
    trace text COLLATE "C" NOT NULL
) PARTITION BY RANGE (recorded_at);
-- Unique only together with the month's key, which says nothing; that both counts are without gaps is held by the locked
-- rows of `stores` and `cursors`.
CREATE INDEX events_store_sequence ON events (store, sequence);
CREATE INDEX events_partition_number ON events (partition, number);

CREATE TABLE events_default PARTITION OF events DEFAULT;

-- Makes the partitions of this month and of the `ahead` months after it; says how many were missing. Attaches tables
-- instead of creating partitions: that doesn't stop readers and writers of the other months. A month that already has
-- rows in the default partition stays there.
CREATE FUNCTION make_event_partitions(ahead integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    first timestamptz;
    name text;
    made integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('make_event_partitions'));
    FOR step IN 0..ahead LOOP
        first := date_trunc('month', now()) + make_interval(months => step);
        name := 'events_' || to_char(first, 'YYYY_MM');
        CONTINUE WHEN to_regclass(name) IS NOT NULL;
        CONTINUE WHEN EXISTS (
            SELECT FROM events_default WHERE recorded_at >= first AND recorded_at < first + interval '1 month');
        EXECUTE format('CREATE TABLE %I (LIKE events INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name);
        EXECUTE format('ALTER TABLE events ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
            name, first, first + interval '1 month');
        made := made + 1;
    END LOOP;
    RETURN made;
END $$;
REVOKE ALL ON FUNCTION make_event_partitions(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION make_event_partitions(integer) TO tillflow_pipeline;
SELECT make_event_partitions(3);
