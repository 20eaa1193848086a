-- Settings have a revision, so that an edit can name the one that it was made from. Only settings count: states, counts
-- and sequences, which calls and events change, leave it as it is.
ALTER TABLE stores ADD COLUMN revision bigint NOT NULL DEFAULT 1 CHECK (revision > 0);
ALTER TABLE locations ADD COLUMN revision bigint NOT NULL DEFAULT 1 CHECK (revision > 0);
ALTER TABLE connections ADD COLUMN revision bigint NOT NULL DEFAULT 1 CHECK (revision > 0);
GRANT SELECT (revision) ON connections TO tillflow_tenant;

CREATE FUNCTION count_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.revision := OLD.revision + 1;
    RETURN NEW;
END $$;

CREATE TRIGGER stores_revision BEFORE UPDATE OF name, currency, timezone ON stores
    FOR EACH ROW WHEN ((OLD.name, OLD.currency, OLD.timezone) IS DISTINCT FROM (NEW.name, NEW.currency, NEW.timezone))
    EXECUTE FUNCTION count_revision();
CREATE TRIGGER locations_revision BEFORE UPDATE OF name ON locations
    FOR EACH ROW WHEN (OLD.name IS DISTINCT FROM NEW.name)
    EXECUTE FUNCTION count_revision();
-- Not the credentials: they are sealed again when the key changes, and no reader sees them.
CREATE TRIGGER connections_revision BEFORE UPDATE OF enabled, base_url, account, api_version, notification_url,
        default_location, requests_per_minute, rules, baseline, ignored_locations ON connections
    FOR EACH ROW WHEN ((OLD.enabled, OLD.base_url, OLD.account, OLD.api_version, OLD.notification_url,
            OLD.default_location, OLD.requests_per_minute, OLD.rules, OLD.baseline, OLD.ignored_locations)
        IS DISTINCT FROM (NEW.enabled, NEW.base_url, NEW.account, NEW.api_version, NEW.notification_url,
            NEW.default_location, NEW.requests_per_minute, NEW.rules, NEW.baseline, NEW.ignored_locations))
    EXECUTE FUNCTION count_revision();

-- Keys of the management API. Only a digest of the secret is kept: the secret is 256 random bits, so a plain one does.
CREATE TABLE api_keys (
    id text COLLATE "C" PRIMARY KEY,
    -- Null: all tenants.
    tenant text COLLATE "C" REFERENCES tenants,
    -- Null: all stores of the tenant.
    store text COLLATE "C" REFERENCES stores,
    role text COLLATE "C" NOT NULL
        CHECK (role IN ('platform_owner', 'store_owner', 'manager', 'employee', 'integrator', 'read_only')),
    name text NOT NULL CHECK (char_length(name) <= 200),
    digest bytea NOT NULL CHECK (octet_length(digest) = 32),
    created_by text NOT NULL CHECK (octet_length(created_by) <= 200),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    CHECK ((tenant IS NULL) = (role = 'platform_owner')),
    CHECK (store IS NULL OR tenant IS NOT NULL)
);
CREATE INDEX api_keys_tenant ON api_keys (tenant, id);
ALTER TABLE api_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE api_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY pipeline ON api_keys TO tillflow_pipeline USING (true) WITH CHECK (true);
CREATE POLICY own_rows ON api_keys FOR SELECT TO tillflow_tenant
    USING (tenant = current_setting('tillflow.tenant', true));
GRANT SELECT, INSERT ON api_keys TO tillflow_pipeline;
GRANT UPDATE (revoked_at) ON api_keys TO tillflow_pipeline;
-- All but the digest.
GRANT SELECT (id, tenant, store, role, name, created_by, created_at, expires_at, revoked_at) ON api_keys
    TO tillflow_tenant;

-- Requests with an `Idempotency-Key` and their responses, so that a repeated request gets the first one's response.
CREATE TABLE idempotent_requests (
    -- The caller that sent it, and the header's value.
    caller text COLLATE "C" NOT NULL CHECK (octet_length(caller) <= 200),
    key text COLLATE "C" NOT NULL CHECK (octet_length(key) <= 255),
    -- Digest of method, path, tenant and body: the same key with another request is a mistake of the caller.
    request bytea NOT NULL CHECK (octet_length(request) = 32),
    began_at timestamptz NOT NULL DEFAULT now(),
    -- Null while the request is under way.
    status smallint CHECK (status BETWEEN 200 AND 499),
    response text CHECK (octet_length(response) <= 1048576),
    headers jsonb,
    PRIMARY KEY (caller, key)
);
CREATE INDEX idempotent_requests_began_at ON idempotent_requests (began_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON idempotent_requests TO tillflow_pipeline;
