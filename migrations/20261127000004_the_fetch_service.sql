-- The service `poll` is `fetch`: it fetches on notice, and on a schedule.
ALTER TABLE cursors DROP CONSTRAINT cursors_name_check;
UPDATE cursors SET name = 'fetch' WHERE name = 'poll';
ALTER TABLE cursors ADD CONSTRAINT cursors_name_check CHECK (name IN ('apply', 'propagate', 'fetch', 'accepted'));
