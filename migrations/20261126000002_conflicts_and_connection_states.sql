-- The owner of the tables would see no row.
ALTER TABLE conflicts NO FORCE ROW LEVEL SECURITY;
ALTER TABLE connections NO FORCE ROW LEVEL SECURITY;

-- One open row for each connection, kind and subject: what is found again is counted.
ALTER TABLE conflicts
    ADD COLUMN subject text COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN seen bigint NOT NULL DEFAULT 1 CHECK (seen > 0),
    ADD COLUMN last_seen_at timestamptz NOT NULL DEFAULT now(),
    -- Who ended it: a person, an instruction, or 'tillflow' where it ended by itself.
    ADD COLUMN resolved_by text,
    ADD COLUMN resolution text,
    -- Calls find conflicts too, not only events.
    ALTER COLUMN event_id DROP NOT NULL;

-- The only kind so far was `final_order_changed`; its detail begins with the order's id.
UPDATE conflicts
SET kind = CASE kind WHEN 'final_order_changed' THEN 'order_changed' ELSE kind END,
    subject = coalesce(substring(detail FROM '^order [A-Za-z0-9_-]{1,64}'), left(detail, 100)),
    last_seen_at = recorded_at;

-- Of several open rows about one subject the oldest stays and counts the others; those are kept as resolved.
WITH ranked AS (
    SELECT id,
        first_value(id) OVER (PARTITION BY store, connection, kind, subject ORDER BY id) AS kept,
        count(*) OVER (PARTITION BY store, connection, kind, subject) AS seen,
        max(recorded_at) OVER (PARTITION BY store, connection, kind, subject) AS last_seen_at
    FROM conflicts
    WHERE resolved_at IS NULL
)
UPDATE conflicts c
SET seen = CASE WHEN c.id = r.kept THEN r.seen ELSE c.seen END,
    last_seen_at = CASE WHEN c.id = r.kept THEN r.last_seen_at ELSE c.last_seen_at END,
    resolved_at = CASE WHEN c.id <> r.kept THEN now() END,
    resolved_by = CASE WHEN c.id <> r.kept THEN 'tillflow' END,
    resolution = CASE WHEN c.id <> r.kept THEN 'the same as conflict ' || r.kept END
FROM ranked r
WHERE r.id = c.id;

-- Without the empty subject: the services of the version before still write that one, as often as they like.
CREATE UNIQUE INDEX conflicts_open_subject ON conflicts (store, connection, kind, subject)
    WHERE resolved_at IS NULL AND subject <> '';

ALTER TABLE connections
    ADD COLUMN health text COLLATE "C" NOT NULL DEFAULT 'ok'
        CHECK (health IN ('ok', 'needs_reauth', 'misconfigured', 'revoked')),
    -- The platform's words, or ours; null while it is ok.
    ADD COLUMN health_reason text,
    ADD COLUMN health_since timestamptz,
    -- When the next call may be made, to see whether the platform accepts calls again.
    ADD COLUMN probe_at timestamptz,
    ADD COLUMN probe_attempts integer NOT NULL DEFAULT 0 CHECK (probe_attempts >= 0),
    -- Whose number stands at a first contact. Changed by instructions only, which RAW keeps: a replay into an empty database
    -- begins with the initial one.
    ADD COLUMN baseline text COLLATE "C" NOT NULL DEFAULT 'ask' CHECK (baseline IN ('ask', 'store', 'platform')),
    ADD COLUMN baseline_initial text COLLATE "C" NOT NULL DEFAULT 'ask'
        CHECK (baseline_initial IN ('ask', 'store', 'platform')),
    -- The platform's ids of locations that the store takes no part in.
    ADD COLUMN ignored_locations text[] NOT NULL DEFAULT '{}';
GRANT SELECT (health, health_reason, health_since, probe_at, probe_attempts, baseline, baseline_initial,
    ignored_locations) ON connections TO tillflow_tenant;

-- An account of a platform is connected to a store once: twice, each sale would count twice. Of several connections that have
-- one account, the oldest that is enabled stays (the oldest, if none is); the others are switched off, and their account's
-- name is changed so that none of them works again before a person has corrected it.
WITH ranked AS (
    SELECT id, first_value(id) OVER (
        PARTITION BY store, platform, lower(account) ORDER BY enabled DESC, created_at, id) AS kept
    FROM connections
    WHERE account <> ''
)
UPDATE connections c
SET enabled = false,
    account = c.account || ' (' || c.id || ', duplicate of ' || r.kept || ')',
    health = 'misconfigured',
    health_reason = 'connection ' || r.kept || ' has the same account',
    health_since = now(),
    updated_at = now()
FROM ranked r
WHERE r.id = c.id AND r.kept <> c.id;

CREATE UNIQUE INDEX connections_account ON connections (store, platform, lower(account)) WHERE account <> '';

ALTER TABLE connections FORCE ROW LEVEL SECURITY;
ALTER TABLE conflicts FORCE ROW LEVEL SECURITY;

-- Orders that a platform made to try something out are no sales.
CREATE OR REPLACE VIEW current_orders WITH (security_invoker = true) AS
SELECT id, tenant, store, connection, external, body ->> 'number' AS number, status, total_minor, total_currency,
    placed_at, body -> 'lines' AS lines
FROM orders
WHERE status = 'open' AND NOT is_refund AND (body ->> 'is_test') IS DISTINCT FROM 'true';

CREATE OR REPLACE VIEW daily_sales WITH (security_invoker = true) AS
SELECT o.tenant, o.store, (coalesce(o.closed_at, o.placed_at) AT TIME ZONE s.timezone)::date AS day,
    o.total_currency AS currency,
    count(*) FILTER (WHERE NOT o.is_refund) AS orders,
    count(*) FILTER (WHERE o.is_refund) AS refunds,
    coalesce(sum(o.total_minor) FILTER (WHERE NOT o.is_refund), 0) AS sold_minor,
    coalesce(sum(abs(o.total_minor)) FILTER (WHERE o.is_refund), 0) AS refunded_minor
FROM orders o
JOIN stores s ON s.id = o.store
WHERE o.status = 'completed' AND (o.body ->> 'is_test') IS DISTINCT FROM 'true'
GROUP BY o.tenant, o.store, day, o.total_currency;
