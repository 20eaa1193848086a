-- How each event ended; the judge of duplicates. A connection has one tenant, so its id in the key keeps tenants apart:
-- no tenant can take another's event ids.
CREATE TABLE endings (
    tenant text COLLATE "C" NOT NULL,
    store text COLLATE "C" NOT NULL,
    connection text COLLATE "C" NOT NULL,
    event_id bytea NOT NULL CHECK (length(event_id) = 16),
    delivery_id bytea NOT NULL CHECK (length(delivery_id) = 16),
    entity text COLLATE "C" NOT NULL,
    external text COLLATE "C" NOT NULL,
    action text COLLATE "C" NOT NULL,
    outcome text COLLATE "C" NOT NULL,
    reason text NOT NULL,
    -- The event's place in its store's partition.
    raw_sequence bigint NOT NULL,
    delivery_index integer NOT NULL,
    event_index integer NOT NULL,
    received_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    sequence bigint,
    -- A dead event that is replayed ends again.
    attempts integer NOT NULL DEFAULT 1,
    PRIMARY KEY (connection, event_id)
);
CREATE INDEX endings_store ON endings (store, recorded_at);

-- What rules couldn't decide; a person does.
CREATE TABLE conflicts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL,
    store text COLLATE "C" NOT NULL,
    connection text COLLATE "C" NOT NULL,
    event_id bytea NOT NULL,
    kind text COLLATE "C" NOT NULL,
    detail text NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    resolved_at timestamptz
);
CREATE INDEX conflicts_open ON conflicts (store, recorded_at) WHERE resolved_at IS NULL;
