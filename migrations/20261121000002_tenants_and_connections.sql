CREATE TABLE tenants (
    id text COLLATE "C" PRIMARY KEY
);

CREATE TABLE stores (
    id text COLLATE "C" PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL REFERENCES tenants,
    name text NOT NULL,
    currency text CHECK (currency ~ '^[A-Z]{3}$'),
    timezone text NOT NULL DEFAULT 'UTC',
    -- Counts the store's events; moves with every batch, hence the room on the page.
    last_sequence bigint NOT NULL DEFAULT 0 CHECK (last_sequence >= 0)
) WITH (fillfactor = 50);
CREATE INDEX stores_tenant ON stores (tenant);

CREATE TABLE locations (
    id text COLLATE "C" PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL REFERENCES tenants,
    store text COLLATE "C" NOT NULL REFERENCES stores,
    name text NOT NULL
);
CREATE INDEX locations_store ON locations (store);

CREATE TABLE connections (
    id text COLLATE "C" PRIMARY KEY,
    tenant text COLLATE "C" NOT NULL REFERENCES tenants,
    store text COLLATE "C" NOT NULL REFERENCES stores,
    platform text COLLATE "C" NOT NULL,
    enabled boolean NOT NULL DEFAULT true,
    base_url text NOT NULL,
    account text NOT NULL DEFAULT '',
    api_version text NOT NULL DEFAULT '',
    notification_url text NOT NULL DEFAULT '',
    default_location text COLLATE "C" REFERENCES locations,
    requests_per_minute integer CHECK (requests_per_minute > 0),
    rules jsonb NOT NULL DEFAULT '{}',
    -- Sealed: the access token and the active webhook secrets. Opened with the key `key_id` only.
    credentials bytea NOT NULL,
    key_id text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX connections_store ON connections (store);
