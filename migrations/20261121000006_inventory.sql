CREATE TABLE inventory_levels (
    tenant text COLLATE "C" NOT NULL,
    store text COLLATE "C" NOT NULL,
    variant text COLLATE "C" NOT NULL,
    location text COLLATE "C" NOT NULL,
    quantity numeric NOT NULL,
    PRIMARY KEY (variant, location)
) WITH (fillfactor = 70);
CREATE INDEX inventory_levels_location ON inventory_levels (location);

-- The ledger: the sum of a level's deltas is the level, always.
CREATE TABLE inventory_movements (
    tenant text COLLATE "C" NOT NULL,
    store text COLLATE "C" NOT NULL,
    sequence bigint NOT NULL,
    variant text COLLATE "C" NOT NULL,
    location text COLLATE "C" NOT NULL,
    delta numeric NOT NULL,
    level numeric NOT NULL,
    reason text COLLATE "C" NOT NULL,
    connection text COLLATE "C" NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (store, sequence, variant, location)
);
