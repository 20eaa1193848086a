-- The order's lines are in `body`, which holds no personal data; what reports ask for stands beside it.
CREATE TABLE orders (
    id text COLLATE "C" PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL,
    store text COLLATE "C" NOT NULL,
    connection text COLLATE "C" NOT NULL,
    external text COLLATE "C" NOT NULL,
    version bigint,
    status text COLLATE "C" NOT NULL CHECK (status IN ('open', 'completed', 'cancelled')),
    total_minor bigint,
    total_currency text COLLATE "C",
    is_refund boolean NOT NULL,
    placed_at timestamptz,
    closed_at timestamptz,
    body jsonb NOT NULL
);
CREATE INDEX orders_store ON orders (store, placed_at);

-- The only table with personal data. In `personal` a missing field was never told, a null one is empty on purpose.
CREATE TABLE customers (
    id text COLLATE "C" PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL,
    store text COLLATE "C" NOT NULL,
    connection text COLLATE "C" NOT NULL,
    external text COLLATE "C" NOT NULL,
    version bigint,
    personal jsonb NOT NULL,
    tags jsonb,
    merged_into text COLLATE "C",
    deleted_at timestamptz
);
CREATE INDEX customers_store ON customers (store);
