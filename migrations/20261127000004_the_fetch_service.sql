-- The service `poll` is `fetch`: it fetches on notice, and on a schedule. It goes on where `poll` was; until a roll-out has
-- replaced it, both may fetch the same, which counts once. A later release drops the cursors of `poll`.
ALTER TABLE cursors DROP CONSTRAINT cursors_name_check;
ALTER TABLE cursors ADD CONSTRAINT cursors_name_check
    CHECK (name IN ('apply', 'propagate', 'fetch', 'poll', 'accepted'));
INSERT INTO cursors (name, partition, raw_sequence, delivery, event, number, epoch)
SELECT 'fetch', partition, raw_sequence, delivery, event, number, epoch FROM cursors WHERE name = 'poll';
