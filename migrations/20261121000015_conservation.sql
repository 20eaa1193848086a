-- Counts deliveries as RAW has them, apart from the stages.
ALTER TABLE cursors DROP CONSTRAINT cursors_name_check;
ALTER TABLE cursors ADD CONSTRAINT cursors_name_check CHECK (name IN ('apply', 'propagate', 'poll', 'accepted'));

-- How many deliveries of the store RAW has taken: counted by who reads RAW, not by the stages that work on them.
CREATE TABLE accepted (
    tenant text COLLATE "C" NOT NULL,
    store text COLLATE "C" PRIMARY KEY,
    deliveries bigint NOT NULL
) WITH (fillfactor = 50);
ALTER TABLE accepted ENABLE ROW LEVEL SECURITY;
ALTER TABLE accepted FORCE ROW LEVEL SECURITY;
CREATE POLICY pipeline ON accepted TO tillflow_pipeline USING (true) WITH CHECK (true);
CREATE POLICY own_rows ON accepted FOR SELECT TO tillflow_tenant
    USING (tenant = current_setting('tillflow.tenant', true));
GRANT SELECT ON accepted TO tillflow_tenant;
GRANT SELECT, INSERT, UPDATE ON accepted TO tillflow_pipeline;

-- What ended where and how. A delivery may hold several events; each end stands at a place of its own, and just one of a
-- delivery's at its first.
CREATE VIEW outcomes_by_stage WITH (security_invoker = true) AS
SELECT tenant, store, stage, outcome, count(*) AS events, count(*) FILTER (WHERE event_index = 0) AS deliveries
FROM (
    SELECT tenant, store, 'apply' COLLATE "C" AS stage, outcome, event_index::bigint AS event_index FROM endings
    UNION ALL
    SELECT tenant, store, stage, outcome, event_index FROM dismissals
) AS ended
GROUP BY tenant, store, stage, outcome;

-- accepted + further = applied + duplicate + stale + unchanged + echo + filtered + dead + in_flight, for each store.
-- `further` are the events of a delivery beyond its first. Once nothing is under way, in_flight is 0; below 0, something
-- ended that was never accepted.
CREATE VIEW conservation WITH (security_invoker = true) AS
SELECT s.tenant, s.id AS store,
    coalesce(a.deliveries, 0) AS accepted,
    coalesce(o.further, 0) AS further,
    coalesce(o.applied, 0) AS applied,
    coalesce(o.duplicate, 0) AS duplicate,
    coalesce(o.stale, 0) AS stale,
    coalesce(o.unchanged, 0) AS unchanged,
    coalesce(o.echo, 0) AS echo,
    coalesce(o.filtered, 0) AS filtered,
    coalesce(o.dead, 0) AS dead,
    coalesce(a.deliveries, 0) - coalesce(o.deliveries, 0) AS in_flight
FROM stores s
LEFT JOIN accepted a ON a.store = s.id
LEFT JOIN (
    SELECT store, sum(deliveries)::bigint AS deliveries, sum(events - deliveries)::bigint AS further,
        coalesce(sum(events) FILTER (WHERE outcome = 'applied'), 0)::bigint AS applied,
        coalesce(sum(events) FILTER (WHERE outcome = 'duplicate'), 0)::bigint AS duplicate,
        coalesce(sum(events) FILTER (WHERE outcome = 'stale'), 0)::bigint AS stale,
        coalesce(sum(events) FILTER (WHERE outcome = 'unchanged'), 0)::bigint AS unchanged,
        coalesce(sum(events) FILTER (WHERE outcome = 'echo'), 0)::bigint AS echo,
        coalesce(sum(events) FILTER (WHERE outcome = 'filtered'), 0)::bigint AS filtered,
        coalesce(sum(events) FILTER (WHERE outcome = 'dead'), 0)::bigint AS dead
    FROM outcomes_by_stage
    GROUP BY store
) AS o ON o.store = s.id;

GRANT SELECT ON outcomes_by_stage, conservation TO tillflow_tenant, tillflow_pipeline;
