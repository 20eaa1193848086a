-- When the consumer last came further. A partition whose cursor is old while input waits stands still.
ALTER TABLE cursors ADD COLUMN moved_at timestamptz NOT NULL DEFAULT now();
