-- How far a consumer has come in a partition. `epoch` is the fence: a new owner raises it, and the one before can't
-- commit any more.
CREATE TABLE cursors (
    name text COLLATE "C" NOT NULL CHECK (name IN ('apply', 'propagate', 'poll')),
    partition smallint NOT NULL,
    raw_sequence bigint NOT NULL DEFAULT 0,
    delivery bigint NOT NULL DEFAULT 0,
    event bigint NOT NULL DEFAULT 0,
    number bigint NOT NULL DEFAULT 0,
    epoch bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (name, partition)
) WITH (fillfactor = 20);

-- Up to when a connection's objects were fetched, so that the next fetch asks only for what changed since.
CREATE TABLE fetch_marks (
    connection text COLLATE "C" NOT NULL REFERENCES connections,
    what text COLLATE "C" NOT NULL,
    since timestamptz NOT NULL,
    PRIMARY KEY (connection, what)
);
