-- Oversell is one open conflict of the store for a variant at a location, whichever connections sold. No index says so: the
-- services of the version before open one for each connection, and those of this one open it with the store locked.
-- The owner of the table would see no row.
ALTER TABLE conflicts NO FORCE ROW LEVEL SECURITY;
WITH ranked AS (
    SELECT id,
        first_value(id) OVER (PARTITION BY store, kind, subject ORDER BY id) AS kept,
        sum(seen) OVER (PARTITION BY store, kind, subject) AS seen,
        max(last_seen_at) OVER (PARTITION BY store, kind, subject) AS last_seen_at
    FROM conflicts
    WHERE resolved_at IS NULL AND kind = 'oversold' AND subject <> ''
)
UPDATE conflicts c
SET seen = CASE WHEN c.id = r.kept THEN r.seen ELSE c.seen END,
    last_seen_at = CASE WHEN c.id = r.kept THEN r.last_seen_at ELSE c.last_seen_at END,
    resolved_at = CASE WHEN c.id <> r.kept THEN now() END,
    resolved_by = CASE WHEN c.id <> r.kept THEN 'tillflow' END,
    resolution = CASE WHEN c.id <> r.kept THEN 'the same as conflict ' || r.kept END
FROM ranked r
WHERE r.id = c.id;
ALTER TABLE conflicts FORCE ROW LEVEL SECURITY;
