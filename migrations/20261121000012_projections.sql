-- With the rights of who asks: a plain view would show every tenant's rows.
CREATE VIEW current_orders WITH (security_invoker = true) AS
SELECT id, tenant, store, connection, external, body ->> 'number' AS number, status, total_minor, total_currency,
    placed_at, body -> 'lines' AS lines
FROM orders
WHERE status = 'open' AND NOT is_refund;

-- Days are those of the store's own calendar.
CREATE VIEW daily_sales WITH (security_invoker = true) AS
SELECT o.tenant, o.store, (coalesce(o.closed_at, o.placed_at) AT TIME ZONE s.timezone)::date AS day,
    o.total_currency AS currency,
    count(*) FILTER (WHERE NOT o.is_refund) AS orders,
    count(*) FILTER (WHERE o.is_refund) AS refunds,
    coalesce(sum(o.total_minor) FILTER (WHERE NOT o.is_refund), 0) AS sold_minor,
    coalesce(sum(abs(o.total_minor)) FILTER (WHERE o.is_refund), 0) AS refunded_minor
FROM orders o
JOIN stores s ON s.id = o.store
WHERE o.status = 'completed'
GROUP BY o.tenant, o.store, day, o.total_currency;

CREATE VIEW current_inventory WITH (security_invoker = true) AS
SELECT l.tenant, l.store, l.variant, v.product, v.sku, p.title AS product_title, v.title AS variant_title, l.location,
    place.name AS location_name, l.quantity
FROM inventory_levels l
JOIN locations place ON place.id = l.location
LEFT JOIN variants v ON v.id = l.variant
LEFT JOIN products p ON p.id = v.product;

GRANT SELECT ON current_orders, daily_sales, current_inventory TO tillflow_tenant, tillflow_pipeline;
