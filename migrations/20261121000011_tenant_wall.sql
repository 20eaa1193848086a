-- Row-level security, forced: the owner of the tables is held by it too. The pipeline works for all tenants; a tenant
-- reads its own rows, and none at all while `tillflow.tenant` isn't set (unset is null, and '' after a transaction that
-- had set it: neither is anyone's id).
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['stores', 'locations', 'connections', 'links', 'products', 'variants', 'orders',
        'customers', 'inventory_levels', 'inventory_movements', 'mirrors', 'events', 'endings', 'conflicts']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY pipeline ON %I TO tillflow_pipeline USING (true) WITH CHECK (true)', name);
        EXECUTE format('CREATE POLICY own_rows ON %I FOR SELECT TO tillflow_tenant '
            'USING (tenant = current_setting(''tillflow.tenant'', true))', name);
    END LOOP;
END $$;

ALTER TABLE tenants ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenants FORCE ROW LEVEL SECURITY;
CREATE POLICY pipeline ON tenants TO tillflow_pipeline USING (true) WITH CHECK (true);
CREATE POLICY own_rows ON tenants FOR SELECT TO tillflow_tenant
    USING (id = current_setting('tillflow.tenant', true));

GRANT SELECT ON tenants, stores, locations, links, products, variants, orders, customers, inventory_levels,
    inventory_movements, mirrors, events, endings, conflicts TO tillflow_tenant;
-- All but the credentials.
GRANT SELECT (id, tenant, store, platform, enabled, base_url, account, api_version, notification_url, default_location,
    requests_per_minute, rules, created_at, updated_at) ON connections TO tillflow_tenant;

GRANT SELECT, INSERT, UPDATE ON tenants, stores, locations, connections, products, variants, orders, customers,
    inventory_levels, mirrors, endings, conflicts, cursors, fetch_marks TO tillflow_pipeline;
-- Append-only.
GRANT SELECT, INSERT ON links, events, inventory_movements TO tillflow_pipeline;
