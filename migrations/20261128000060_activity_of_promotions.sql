-- Whether a promotion is active and since when, as it was announced; null since while it never was active. `watched_from` is
-- the time up to which that accounts for every begin and end.
ALTER TABLE promotions
    ADD COLUMN is_active boolean NOT NULL DEFAULT false,
    ADD COLUMN active_since timestamptz,
    ADD COLUMN watched_from timestamptz NOT NULL DEFAULT '1970-01-01T00:00:00Z';

-- Work of whoever watches promotions, and no part of the record: when a promotion has to be looked at next (null: not
-- before it changes), and the zone by which that was computed.
ALTER TABLE promotions
    ADD COLUMN look_at timestamptz DEFAULT '1970-01-01T00:00:00Z',
    ADD COLUMN looked_in text;
CREATE INDEX promotions_look_at ON promotions (look_at, id) WHERE look_at IS NOT NULL;
